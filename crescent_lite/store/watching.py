"""What a watcher of a run shows: how far the run is, its latest events, and one question in full.

Reads only, so any connection will do. Knows SQL and the tables, nothing of screens. Texts are as they were stored, so
untrusted. Example, of a round that has asked 120 of its 400 questions:
    watching = Store.open_read_only(path).watching
    watching.fetch_snapshot().steps[0]
    # StepProgress(step="asked", done=120, total=400, passed=120, seconds=None, reasons=())
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from crescent_lite.records import Decision, Note, Stopped, Verdict, Vote, model_name, named_file
from crescent_lite.round_facts import LabelTruth
from crescent_lite.store.database import Database
from crescent_lite.store.json_columns import json_object
from crescent_lite.store.notes import Notes
from crescent_lite.store.questions import Questions
from crescent_lite.store.round_counts import fetch_round_counts
from crescent_lite.store.runs import Run, Runs
from crescent_lite.store.trainings import Trainings
from crescent_lite.store.truths import fetch_label_truth
from crescent_lite.store.votes import Votes

ProgressStep = Literal["asked", "kept", "voted", "labelled", "trained", "scored"]
Reasons = tuple[tuple[str, int], ...]
STEPS: tuple[ProgressStep, ...] = ("asked", "kept", "voted", "labelled", "trained", "scored")
STAGE_OF: dict[ProgressStep, str] = {
    "asked": "ask", "voted": "vote", "trained": "train", "scored": "evaluate",
}  # fmt: skip
"""The stage whose time is shown with each step. Judging happens while asking, deciding on labels while voting."""


@dataclass(frozen=True)
class StepProgress:
    """How far one step of a round is."""

    step: ProgressStep
    done: int
    """Items that have gone through the step, whatever the outcome, in order of STEPS: questions asked, texts judged,
    votes drawn, questions decided, optimiser steps, replies scored."""
    total: int
    """Items known to be planned so far; grows while an earlier step is at work. 0 if it is not known yet."""
    passed: int
    """Items of `done` that go on to the next step: kept questions, labels. For other steps, the same as `done`."""
    seconds: float | None
    """Seconds that the stage has taken so far; None until a process has finished or left the stage."""
    reasons: Reasons = ()
    """(reason, count) of the items that do not go on, the commonest first."""


@dataclass(frozen=True)
class ScoreCount:
    """The score of an evaluation so far."""

    round: int
    """Number of the round; 0 is the base."""
    benchmark: str
    prompt: str
    items: int
    """Replies scored so far: items, times the samples of each."""
    total: int
    """Replies planned."""
    right: int
    """Right replies by the flexible scoring."""
    samples: int = 1
    """Replies to each item; a single one is drawn greedily."""


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
    """The state of a run at one moment."""

    run_id: int
    kind: str
    """'improvement' or 'evaluation'."""
    teacher_id: int | None
    """The run whose labels a distillation learns from (a distillation neither asks nor votes); else None."""
    own_questions: bool
    """Whether the questions come from the user's file and not from the model."""
    state: str
    """'running', 'stopped', 'failed' or 'finished', as stored: an engine that was killed leaves 'running'."""
    reason: str | None
    """Why the run stopped, failed or finished early; None if nothing is stored."""
    base: str
    """Name of the base model."""
    rounds: int
    """Planned rounds."""
    round: int
    """Number of the latest round; 0 before the first one, while the base is measured."""
    outcome: str | None
    """How the latest round ended, in words; None while it is unfinished."""
    steps: tuple[StepProgress, ...]
    """Progress of the latest round, one for each of STEPS. Before the first round, 'scored' is about the base."""
    losses: tuple[float, ...]
    """Loss of each step of the latest round's latest training, nats per token."""
    training_state: str | None
    """'running', 'interrupted', 'failed' or 'finished' for that training; None without one."""
    scores: tuple[ScoreCount, ...]
    """Scores of all rounds, ordered by benchmark, prompt, samples and round."""
    events: tuple[EventLine, ...]
    """The latest events, newest first."""
    truth: LabelTruth | None = None
    """How many labels of the latest round are right; None where that cannot be computed."""


@dataclass(frozen=True)
class RunLine:
    """One run as a list shows it."""

    run_id: int
    kind: str
    """'improvement' or 'evaluation'."""
    state: str
    """'running', 'stopped', 'failed' or 'finished'."""
    base: str
    """Name of the base model."""
    started_at: str
    """UTC, ISO 8601."""
    control: str | None
    """Name of the control experiment; None for an ordinary run."""
    teacher_id: int | None
    """The run whose labels a distillation learns from; None if the run learns from its own."""


@dataclass(frozen=True)
class WatchedQuestion:
    """One question with its verdict, votes, consensus and notes."""

    question_id: int
    run_id: int
    round: int
    external_id: str | None
    """Id of the question in the user's file; None if a model asked it."""
    text: str
    """The cleaned question; the raw text if cleaning found none."""
    raw_text: str
    """Exactly what the model wrote, the assistant prefix included."""
    verdict: Verdict | None
    """None while it is not judged."""
    reason: str | None
    """Reason of the verdict; None while it is not judged."""
    duplicate_of: int | None
    """The kept question that this one is too close to; None if there is no such question."""
    benchmark_item: str | None
    """The benchmark item that this one is too close to, as `benchmark/item`; None if there is no such item."""
    match_text: str | None
    """Text of that kept question or benchmark item; None if there is neither."""
    similarity: float | None
    """Similarity to that text, 0-100; None if nothing was compared."""
    rewritten_from: int | None
    """The question that this is a rewrite of; None for a question as it was first asked."""
    rewritten_as: int | None
    """The rewrite of this question; None without one."""
    decision: Decision | None
    """None until the votes are complete, as are the fields from here to `chosen_vote`."""
    decision_reason: str | None
    """'agreed', 'tie', 'low_share', 'high_share', 'no_answer' or 'cut_off'."""
    answer_key: str | None
    """The leading answer; None also if every vote abstained."""
    share: float | None
    """Share of the leading answer, 0-1."""
    margin: float | None
    """Share of the leading answer less the share of the second one, 0-1."""
    planned: int | None
    """Votes planned at most."""
    stopped: Stopped | None
    """Why no more votes were drawn."""
    chosen_vote: int | None
    """Id of the vote whose solution became the example; None without a label."""
    votes: tuple[Vote, ...]
    """Votes on the question so far, by sample index."""
    vote_tokens: tuple[int, ...]
    """Tokens drawn for each of `votes`."""
    notes: tuple[Note, ...]
    """People's notes on the question, oldest first."""
    own_answer: str | None = None
    """The right answer that came with the question, as written; None without one."""
    own_answer_key: str | None = None
    """That answer as a typed key; None also if it is no value that can be compared."""
    pairs: tuple[tuple[int, int], ...] = ()
    """(winner, loser) of each preference pair that was learnt from the votes, as ids of votes."""


class Watching:
    """Bounded reads for programs that watch a run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs = Runs(database)
        self._questions = Questions(database)
        self._votes = Votes(database)
        self._notes = Notes(database)
        self._trainings = Trainings(database)

    def version(self) -> int:
        """A number that changes whenever another connection has written; nearly free to read."""
        return int(self._database.value("PRAGMA data_version"))

    def fetch_runs(self, limit: int = 1000) -> tuple[RunLine, ...]:
        """Up to `limit` runs, newest first."""
        rows = self._database.rows(
            """SELECT run_id, r.kind, state, m.name, started_at, control, teacher_id,
                iif(json_valid(r.config), json_extract(r.config, '$.model.source'), NULL)
            FROM runs r JOIN models m ON m.model_id = r.base_id ORDER BY run_id DESC LIMIT ?""",
            [limit],
        )
        lines = ((RunLine(*row[:-1]), named_file(row[-1] or "")) for row in rows)
        return tuple(replace(line, base=model_name(name)) if name else line for line, name in lines)

    def fetch_snapshot(self, run_id: int | None = None, events: int = 50) -> RunSnapshot | None:
        """The state of a run, by default the latest, with its last `events` events; None if no such run exists."""
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
            base=self._runs.fetch_base(run).name,
            rounds=run.rounds,
            round=number,
            outcome=latest.outcome if latest else None,
            steps=self._steps(run, round_id, number, scores, planned),
            losses=self._trainings.fetch_latest(round_id).losses,
            training_state=self._training_state(round_id),
            scores=scores,
            events=self._events(run_id, events),
            truth=fetch_label_truth(self._database, run_id=run_id, number=number) if number else None,
        )

    def fetch_events(self, run_id: int, limit: int = 1000) -> tuple[EventLine, ...]:
        """The last `limit` stored events of a run, newest first."""
        return self._events(run_id, limit)

    def fetch_question(self, question_id: int) -> WatchedQuestion | None:
        """One question in full; None if no such question exists."""
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
            own_answer=row["own_answer"],
            own_answer_key=row["own_answer_key"],
            pairs=tuple(self._trainings.fetch_pairs(question_id)),
        )

    def _steps(
        self, run: Run, round_id: int, number: int, scores: tuple[ScoreCount, ...], planned: int | None
    ) -> tuple[StepProgress, ...]:
        """The progress of each of STEPS in a round, counted from the items, so it is right even after a kill.

        `planned` is the number of questions to ask; None before the first round, or where asking stopped early.
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
        return tuple(EventLine(row[0], row[1], json_object(row[2]), row[3]) for row in rows)
