"""How many items of a round came through each stage: the one place where they are counted.

Reports, `crescent status`, `crescent show round` and the TUI's progress all show these figures. They are counted from
the items themselves, so they are right at any moment, even after a kill. Example:
    counts = store.fetch_round_counts(round_id)
    counts.texts, counts.rejected, counts.labels      # (400, {"near_duplicate": 52, "no_question": 38}, 211)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from crescent_lite.store.database import Database
from crescent_lite.store.questions import Questions
from crescent_lite.store.trainings import Trainings
from crescent_lite.store.votes import Votes


@dataclass(frozen=True)
class RoundCounts:
    """Items of one round by stage and outcome. Every count is 0 for a round that does not exist."""

    round_id: int
    asked: int
    """Questions that the model was asked for, or that came from the user's file. Rewrites are not counted."""
    texts: int
    """All texts: `asked` and their rewrites."""
    kept: int
    """Texts that are usable, new questions."""
    rejected: Mapping[str, int]
    """Rejected texts by the rule that rejected them, the commonest first."""
    voted: int
    """Kept questions with at least one vote, whether or not their votes are complete."""
    votes: int
    """Votes drawn."""
    saved_votes: Mapping[str, int]
    """Planned votes that were not drawn because their question was already settled, by `Stopped`, largest first."""
    labels: int
    """Questions whose votes gave a label."""
    no_label: Mapping[str, int]
    """Questions whose complete votes gave no label, by reason, the commonest first."""
    examples_by_round: Mapping[int, int]
    """Examples of the round's latest training, by the id of the round that asked their question."""

    @property
    def judged(self) -> int:
        """Texts with a verdict."""
        return self.kept + sum(self.rejected.values())

    @property
    def decided(self) -> int:
        """Questions whose votes are complete, with or without a label."""
        return self.labels + sum(self.no_label.values())

    @property
    def examples(self) -> int:
        """Examples of the round's latest training."""
        return sum(self.examples_by_round.values())

    @property
    def own_examples(self) -> int:
        """Examples whose question was asked in this round; the others are replayed or from a teacher's run."""
        return self.examples_by_round.get(self.round_id, 0)


def fetch_round_counts(database: Database, round_id: int) -> RoundCounts:
    """Count the items of a round. Cheap enough to be read every second beside a run of 200,000 questions."""
    questions, votes = Questions(database), Votes(database)
    verdicts = questions.count_verdicts(round_id)
    decisions, saved = _count_decisions(database, round_id)
    return RoundCounts(
        round_id=round_id,
        asked=questions.count_asked(round_id),
        texts=sum(verdicts.values()),
        kept=sum(count for (verdict, _), count in verdicts.items() if verdict == "kept"),
        rejected=_most_first({why or "": n for (verdict, why), n in verdicts.items() if verdict == "rejected"}),
        voted=votes.count_voted(round_id),
        votes=votes.count(round_id),
        saved_votes=_most_first(saved),
        labels=sum(count for (decision, _), count in decisions.items() if decision == "labelled"),
        no_label=_most_first({why: n for (decision, why), n in decisions.items() if decision == "rejected"}),
        examples_by_round=Trainings(database).count_examples_by_round(round_id),
    )


def _count_decisions(database: Database, round_id: int) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Questions by (decision, reason), and saved votes by why the question got no more. One pass serves both."""
    rows = database.rows(
        """SELECT decision, c.reason, stopped, count(*), total(max(planned - votes, 0))
        FROM consensus c JOIN questions USING (question_id)
        WHERE round_id = ? AND verdict = 'kept' GROUP BY 1, 2, 3""",
        [round_id],
    )
    decisions, saved = Counter[tuple[str, str]](), Counter[str]()
    for decision, reason, stopped, count, not_drawn in rows:
        decisions[decision, reason] += count
        saved[stopped] += int(not_drawn)
    return decisions, saved


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts that are not 0, largest first, equal ones by name."""
    return {name: n for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n}
