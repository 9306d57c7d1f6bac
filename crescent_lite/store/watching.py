"""What somebody who watches a run wants to see, in one read: how far it is, its questions, one question in full.

Reads only, so any connection will do. Knows SQL and the tables, nothing of screens; everything is as it was stored,
so the texts are untrusted. Example:
    watching = Watching(Store.open_read_only(path).database)
    watching.fetch_snapshot().steps[0]      # StepProgress("asked", done=120, total=400, seconds=41.5)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from crescent_lite.records import Decision, Note, Stopped, Verdict, Vote
from crescent_lite.store.database import Database
from crescent_lite.store.notes import Notes
from crescent_lite.store.questions import Questions
from crescent_lite.store.round_counts import fetch_round_counts
from crescent_lite.store.runs import Run, Runs
from crescent_lite.store.trainings import Trainings
from crescent_lite.store.votes import Votes

ProgressStep = Literal["asked", "kept", "voted", "labelled", "trained", "scored"]
Reasons = tuple[tuple[str, int], ...]
STEPS: tuple[ProgressStep, ...] = ("asked", "kept", "voted", "labelled", "trained", "scored")
STAGE_OF: dict[ProgressStep, str] = {
    "asked": "ask", "voted": "vote", "trained": "train", "scored": "evaluate",
}  # fmt: skip
"""The stage that does each step. Texts are judged as they are asked, and labels counted as the votes come."""


@dataclass(frozen=True)
class StepProgress:
    """How far one step of the round is."""

    step: ProgressStep
    done: int
    """Items through this step, with whatever outcome: asked, judged, voted, decided, stepped, scored."""
    total: int
    """Items known to be owed so far. It grows while an earlier step goes on; 0 is not known yet."""
    passed: int
    """Those of `done` that go on: kept questions, labels. Elsewhere the same as `done`."""
    seconds: float | None
    """What its stage took; None until the stage has ended once."""
    reasons: Reasons = ()
    """Why the rest does not go on, the commonest first."""


@dataclass(frozen=True)
class ScoreCount:
    """One evaluation, as far as it is."""

    round: int
    """0 is the base."""
    benchmark: str
    prompt: str
    items: int
    """Evaluated so far; of an evaluation with several samples of each item, the samples."""
    total: int
    right: int
    """By the flexible scoring."""
    samples: int = 1
    """Of each item; one is greedy."""


@dataclass(frozen=True)
class EventLine:
    """A stored event."""

    event_id: int
    kind: str
    detail: dict[str, Any]
    created_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class RunSnapshot:
    """How a run stands."""

    run_id: int
    kind: str
    """'improvement' or 'evaluation'."""
    teacher_id: int | None
    """The run whose labels it learns from: then nothing is asked or voted on."""
    own_questions: bool
    """Whether the user's own questions are voted on in place of the model's."""
    state: str
    """As stored; 'running' also for an engine that was killed."""
    reason: str | None
    base: str
    """The base model's name."""
    rounds: int
    """Rounds it is to have."""
    round: int
    """The latest one begun; 0 while the base is measured."""
    outcome: str | None
    """How that round ended."""
    steps: tuple[StepProgress, ...]
    """One for each of STEPS, of that round. While the base is measured 'scored' is about the base."""
    losses: tuple[float, ...]
    """Of the latest training of that round, in the order of its steps."""
    training_state: str | None
    scores: tuple[ScoreCount, ...]
    """Of all rounds: by benchmark, prompt, round."""
    events: tuple[EventLine, ...]
    """The newest first."""


@dataclass(frozen=True)
class RunLine:
    """One run in a list of runs."""

    run_id: int
    kind: str
    state: str
    base: str
    started_at: str
    """UTC, ISO 8601."""
    control: str | None
    teacher_id: int | None


@dataclass(frozen=True)
class WatchedQuestion:
    """One question with everything that became of it."""

    question_id: int
    run_id: int
    round: int
    external_id: str | None
    """What the user's file calls it; None where a model asked it."""
    text: str
    raw_text: str
    verdict: Verdict | None
    reason: str | None
    """The verdict's."""
    duplicate_of: int | None
    benchmark_item: str | None
    """`benchmark/item`, where it is too close to that."""
    match_text: str | None
    """The kept question, or the benchmark's, that it is too close to."""
    similarity: float | None
    """0-100."""
    rewritten_from: int | None
    rewritten_as: int | None
    decision: Decision | None
    """None until its votes are complete."""
    decision_reason: str | None
    answer_key: str | None
    """The leading answer."""
    share: float | None
    margin: float | None
    """Share of the leading answer less that of the next one, 0-1."""
    planned: int | None
    """Votes that would have been drawn at most."""
    stopped: Stopped | None
    """Why no more were."""
    chosen_vote: int | None
    votes: tuple[Vote, ...]
    vote_tokens: tuple[int, ...]
    """Drawn for each of `votes`."""
    notes: tuple[Note, ...]
    """What people remarked on it."""


class Watching:
    """Bounded reads for watchers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs = Runs(database)
        self._questions = Questions(database)
        self._votes = Votes(database)
        self._notes = Notes(database)
        self._trainings = Trainings(database)

    def version(self) -> int:
        """A number that changes whenever another connection has written. Costs next to nothing."""
        return int(self._database.value("PRAGMA data_version"))

    def fetch_runs(self, limit: int = 1000) -> tuple[RunLine, ...]:
        """The runs, the newest first."""
        rows = self._database.rows(
            """SELECT run_id, r.kind, state, m.name, started_at, control, teacher_id
            FROM runs r JOIN models m ON m.model_id = r.base_id ORDER BY run_id DESC LIMIT ?""",
            [limit],
        )
        return tuple(RunLine(*row) for row in rows)

    def fetch_snapshot(self, run_id: int | None = None, events: int = 50) -> RunSnapshot | None:
        """A run as it stands, by default the latest one, with its last events. None where there is no such run."""
        run_id = self._database.value("SELECT max(run_id) FROM runs WHERE ? IS NULL OR run_id = ?", [run_id, run_id])
        if run_id is None:
            return None
        run, rounds = self._runs.fetch_run(run_id), self._runs.fetch_rounds(run_id)
        scores = self._scores(run_id)
        latest = rounds[-1] if rounds else None
        round_id, number = (latest.round_id, latest.number) if latest else (0, 0)
        planned = run.config["bait"]["questions"] if latest and not latest.asking_stopped else None
        return RunSnapshot(
            run_id=run_id,
            kind=run.kind,
            teacher_id=run.teacher_id,
            own_questions=run.has_own_questions,
            state=run.state,
            reason=run.reason,
            base=self._runs.fetch_model(run.base_id).name,
            rounds=run.rounds,
            round=number,
            outcome=latest.outcome if latest else None,
            steps=self._steps(run, round_id, number, scores, planned),
            losses=self._trainings.fetch_latest(round_id).losses,
            training_state=self._training_state(round_id),
            scores=scores,
            events=self._events(run_id, events),
        )

    def fetch_question(self, question_id: int) -> WatchedQuestion | None:
        """One question with its match and its votes. None where there is no such question."""
        row = self._questions.fetch_detail(question_id)
        if row is None:
            return None
        return WatchedQuestion(
            question_id=question_id,
            run_id=row["run_id"],
            round=row["round"],
            external_id=row["external_id"],
            text=row["text"],
            raw_text=row["raw_text"],
            verdict=row["verdict"],
            reason=row["reason"],
            duplicate_of=row["duplicate_of"],
            benchmark_item=row["benchmark_item"],
            match_text=row["match_text"],
            similarity=row["similarity"],
            rewritten_from=row["rewritten_from"],
            rewritten_as=self._database.value(
                "SELECT question_id FROM questions WHERE rewritten_from = ?", [question_id]
            ),
            decision=row["decision"],
            decision_reason=row["decision_reason"],
            answer_key=row["answer_key"],
            share=row["share"],
            margin=row["margin"],
            planned=row["planned"],
            stopped=row["stopped"],
            chosen_vote=row["chosen_vote"],
            votes=tuple(self._votes.fetch_votes(question_id)),
            vote_tokens=self._votes.fetch_tokens(question_id),
            notes=tuple(self._notes.fetch(question_id)),
        )

    def _steps(
        self, run: Run, round_id: int, number: int, scores: tuple[ScoreCount, ...], planned: int | None
    ) -> tuple[StepProgress, ...]:
        """Counted from the items themselves, so true at any moment, also after a kill.

        `planned`: raw questions the round is to have; None where there is no round, or asking was stopped.
        """
        counts = fetch_round_counts(self._database, round_id)
        asked, owed_votes = counts.asked, counts.kept * run.config["vote"]["votes_per_question"]
        these = [score for score in scores if score.round == number]
        took = {cost.stage: cost.seconds for cost in self._runs.fetch_stage_costs(run.run_id, number)}

        def progress(
            name: ProgressStep, done: int, total: int, passed: int | None = None, why: Reasons = ()
        ) -> StepProgress:
            seconds = took.get(STAGE_OF.get(name, ""))
            return StepProgress(name, done, total, done if passed is None else passed, seconds, why)

        return (
            progress("asked", asked, asked if planned is None else planned),
            progress("kept", counts.judged, counts.texts, counts.kept, tuple(counts.rejected.items())),
            progress("voted", counts.votes, owed_votes - sum(counts.saved_votes.values())),
            progress("labelled", counts.decided, counts.kept, counts.labels, tuple(counts.no_label.items())),
            progress("trained", *self._training_step(round_id)),
            progress("scored", sum(score.items for score in these), sum(score.total for score in these)),
        )

    def _training_step(self, round_id: int) -> tuple[int, int]:
        row = self._database.row(
            """SELECT step, steps FROM training_steps WHERE training_id =
                (SELECT max(training_id) FROM trainings WHERE round_id = ?) ORDER BY step DESC LIMIT 1""",
            [round_id],
        )
        return (row[0], row[1]) if row else (0, 0)

    def _training_state(self, round_id: int) -> str | None:
        state: str | None = self._database.value(
            "SELECT state FROM trainings WHERE round_id = ? ORDER BY training_id DESC LIMIT 1", [round_id]
        )
        return state

    def _scores(self, run_id: int) -> tuple[ScoreCount, ...]:
        rows = self._database.rows(
            """SELECT r.round_number, b.name, e.prompt, count(i.item_id), b.items * e.samples,
                coalesce(sum(i.flexible), 0), e.samples
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            LEFT JOIN evaluated_items i USING (evaluation_id)
            WHERE r.run_id = ? GROUP BY r.round_number, e.evaluation_id
            ORDER BY b.name, e.prompt, e.samples, r.round_number""",
            [run_id],
        )
        return tuple(ScoreCount(*row) for row in rows)

    def _events(self, run_id: int, limit: int) -> tuple[EventLine, ...]:
        rows = self._database.rows(
            """SELECT event_id, kind, detail, created_at FROM events
            WHERE run_id = ? ORDER BY event_id DESC LIMIT ?""",
            [run_id, limit],
        )
        return tuple(EventLine(row[0], row[1], json.loads(row[2]), row[3]) for row in rows)
