"""How many labels are right, where the right answer came with the question or can be computed from it. Reads only.

The results are shown; nothing is learnt from them, and no label is changed. Example:
    fetch_label_truth(database, run_id=1).words -> "14 of 36 labels right; 22 of the questions make sense"
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.answers.arithmetic import result_of
from crescent_lite.round_facts import LabelTruth
from crescent_lite.store.database import Database

COMPUTABLE_SETS = ("arithmetic",)
"""Prompt sets that ask for calculations; other questions are not tried."""
MOST_QUESTIONS = 20_000
"""Questions that are looked at, the newest (guess: the first look takes about a second)."""


@dataclass(frozen=True)
class DecidedQuestion:
    """A question whose votes are complete, and its right answer."""

    leader: str | None
    """The leading answer as a typed key; None if every vote abstained."""
    share: float
    """Share of the leading answer, 0-1."""
    truth: str | None
    """The right answer as a typed key; None if it is unknown."""
    came_with_answer: bool
    """Whether an answer came with the question, readable or not; else the right answer is computed."""

    @property
    def is_right(self) -> bool:
        """Whether the leading answer is known to be right."""
        return self.truth is not None and self.leader == self.truth


def fetch_label_truth(database: Database, *, run_id: int, number: int | None = None) -> LabelTruth | None:
    """The labels of a run, or of one round; None if no right answer can be known, or there are no labels."""
    decided = fetch_truths(database, run_id, number, labelled_only=True)
    if not decided:
        return None
    return LabelTruth(
        labels=len(decided),
        known=sum(each.truth is not None for each in decided),
        right=sum(each.is_right for each in decided),
        given=sum(each.came_with_answer and each.truth is not None for each in decided),
        unreadable=sum(each.came_with_answer and each.truth is None for each in decided),
    )


def fetch_truths(
    database: Database, run_id: int, number: int | None = None, *, labelled_only: bool = False
) -> list[DecidedQuestion]:
    """The decided questions of a run or round, newest first.

    Empty for a run whose prompts do not ask for calculations, unless answers came with its questions.
    """
    rows = database.rows(
        f"""SELECT q.text, c.answer_key, c.share, a.answer_key, a.question_id IS NOT NULL, {_COMPUTABLE}
        FROM consensus c JOIN questions q USING (question_id)
        JOIN rounds d USING (round_id) JOIN runs r USING (run_id)
        LEFT JOIN own_answers a USING (question_id)
        WHERE d.run_id = :run AND (:number IS NULL OR d.number = :number)
            AND ({_COMPUTABLE} OR EXISTS (SELECT 1 FROM own_answers o JOIN questions p USING (question_id)
                JOIN rounds e USING (round_id) WHERE e.run_id = :run))
            AND (c.decision = 'labelled' OR NOT :labelled_only)
        ORDER BY q.question_id DESC LIMIT :most""",
        {"run": run_id, "number": number, "labelled_only": labelled_only, "most": MOST_QUESTIONS},
    )
    return [
        DecidedQuestion(leader, share, given if has_answer else result_of(text) if computable else None, has_answer)
        for text, leader, share, given, has_answer, computable in (
            (*row[:4], bool(row[4]), bool(row[5])) for row in rows
        )
    ]


_COMPUTABLE = f"""(json_valid(r.config) AND json_extract(r.config, '$.run.prompts')
    IN ({", ".join(f"'{name}'" for name in COMPUTABLE_SETS)}))"""
