"""Trainings, the examples given to each, and their steps as they happen.

Example: training_id = trainings.start_training(round_id, examples)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crescent_lite.records import BenchmarkItem, Example, TrainedAdapter, TrainingStep
from crescent_lite.store.database import Database, now
from crescent_lite.store.json_columns import json_object


@dataclass(frozen=True)
class LatestTraining:
    """How far the latest training of a round is."""

    losses: tuple[float, ...]
    """Loss of each step so far, nats per token."""
    held_out: tuple[float, ...]
    """Loss on the held-out examples, each time it was computed, nats per token."""
    stopped: str | None
    """Why the training ended before its last step; None if it did not."""
    examples: int
    """Examples given to the training, held-out ones included."""
    held_out_examples: int
    """Examples that are held out, so not trained on."""
    state: str | None
    """'running', 'interrupted', 'failed' or 'finished'; None if the round has no training."""
    planned_steps: int
    """Planned optimiser steps; 0 before the first step."""
    held_out_before: float | None = None
    """Loss on the held-out examples before the first step; None until the training has ended, and without
    held-out examples."""
    measures: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Every value of each further figure of the objective, by name."""

    @property
    def generalises(self) -> bool:
        """False if the loss on the held-out examples never fell below its value before the training."""
        return self.held_out_before is None or min(self.held_out, default=-math.inf) < self.held_out_before


@dataclass(frozen=True)
class FinishedTraining:
    """A training that ended with an adapter."""

    loader: str
    """'peft' or 'unsloth'."""
    seconds: float
    """Seconds at work, in all processes together."""
    details: Mapping[str, str]
    """Versions, device and the settings that were chosen, by name."""


@dataclass(frozen=True)
class TrainingLook:
    """The greedy replies to held-out questions at one point of a training."""

    step: int
    """The step after which they were drawn; 0 is before the first step."""
    replies: int
    """Number of replies."""
    agreement: float
    """Fraction of them with the answer of the question's label, 0-1."""
    cut_off: float
    """Fraction of them that were cut off, 0-1."""
    tokens: float
    """Their mean length in tokens."""


@dataclass(frozen=True)
class StoredPair:
    """A preference pair that a training was given."""

    question_id: int
    winner_id: int
    """Id of the vote that wins."""
    loser_id: int
    """Id of the vote that loses."""
    weight: float
    """Weight of the pair's loss, above 0."""


def _series(steps: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    """The values of each figure over the steps that have it, by name."""
    names = dict.fromkeys(name for step in steps for name in step)
    return {name: tuple(step[name] for step in steps if name in step) for name in names}


class Trainings:
    """Reads and writes of the trainings, examples and training_steps tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start_training(self, round_id: int, examples: Sequence[Example]) -> int:
        """Continue the round's unfinished training on exactly these examples, or store a new one. Returns its id."""
        rows = [
            (each.label.question_id, each.vote_id, each.loser_vote_id, each.tokens.weight, each.tokens.tokens)
            for each in examples
        ]
        with self._database.transaction():
            unfinished = self._database.value(
                """SELECT max(training_id) FROM trainings
                WHERE round_id = ? AND state IN ('running', 'interrupted', 'failed')""",
                [round_id],
            )
            if unfinished is not None and self._examples_of(unfinished) == rows:
                self._database.write(
                    "UPDATE trainings SET state = 'running', finished_at = NULL WHERE training_id = ?", [unfinished]
                )
                return int(unfinished)
            training_id = self._database.write(
                "INSERT INTO trainings (round_id, state, started_at) VALUES (?, 'running', ?)", [round_id, now()]
            )
            self._database.write_many(
                """INSERT INTO examples (training_id, position, question_id, vote_id, loser_vote_id, weight, tokens)
                VALUES (?, ?, ?, ?, ?, ?, ?)""",
                [(training_id, position, *row) for position, row in enumerate(rows)],
            )
        return training_id

    def insert_step(self, training_id: int, step: TrainingStep) -> None:
        """Store an optimiser step, deleting this and later steps that were stored before a training was resumed."""
        values = [
            training_id,
            step.step,
            step.steps,
            step.epoch,
            step.loss,
            step.learning_rate,
            step.tokens,
            step.tokens_per_second,
            step.held_out_loss,
            json.dumps(dict(step.measures)) if step.measures else None,
            now(),
        ]
        with self._database.transaction():
            self._database.write(
                "DELETE FROM training_steps WHERE training_id = ? AND step >= ?", [training_id, step.step]
            )
            self._database.write(
                """INSERT INTO training_steps (training_id, step, steps, epoch, loss, learning_rate, tokens,
                tokens_per_second, held_out_loss, measures, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                values,
            )

    def finish_training(self, training_id: int, round_id: int, adapter: TrainedAdapter, adapter_id: int) -> None:
        """Store that the training ended with an adapter, which becomes the round's."""
        with self._database.transaction():
            self._database.write(
                """UPDATE trainings SET state = 'finished', loader = ?, adapter_id = ?, seconds = ?, stopped = ?,
                    details = ?, finished_at = ? WHERE training_id = ?""",
                [
                    adapter.loader,
                    adapter_id,
                    adapter.train_seconds,
                    adapter.stopped,
                    json.dumps(dict(adapter.details)),
                    now(),
                    training_id,
                ],
            )
            self._database.write("UPDATE rounds SET adapter_id = ? WHERE round_id = ?", [adapter_id, round_id])

    def _examples_of(self, training_id: int) -> list[tuple[int, int, int | None, float, int]]:
        rows = self._database.rows(
            """SELECT question_id, vote_id, loser_vote_id, weight, tokens FROM examples WHERE training_id = ?
            ORDER BY position""",
            [training_id],
        )
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def end_training(self, training_id: int, state: str) -> None:
        """Store that the training ended without an adapter: 'failed' or 'interrupted'."""
        self._database.write(
            "UPDATE trainings SET state = ?, finished_at = ? WHERE training_id = ?", [state, now(), training_id]
        )

    def fetch_latest(self, round_id: int) -> LatestTraining:
        """The round's latest training; without a training, a value with no steps and `state` None."""
        latest = self._database.rows(
            """SELECT training_id, state, stopped, details,
                (SELECT count(*) FROM examples e WHERE e.training_id = t.training_id) AS examples
            FROM trainings t WHERE round_id = ? ORDER BY training_id DESC LIMIT 1""",
            [round_id],
        )
        details = json_object(latest[0]["details"]) if latest else {}
        before = float(details.get("held_out_loss_before") or math.nan)
        steps = self._database.rows(
            "SELECT loss, held_out_loss, steps, measures FROM training_steps WHERE training_id = ? ORDER BY step",
            [latest[0]["training_id"] if latest else None],
        )
        return LatestTraining(
            losses=tuple(step["loss"] for step in steps),
            held_out=tuple(step["held_out_loss"] for step in steps if step["held_out_loss"] is not None),
            stopped=latest[0]["stopped"] if latest else None,
            examples=latest[0]["examples"] if latest else 0,
            held_out_examples=int(details.get("examples_held_out", 0)),
            state=latest[0]["state"] if latest else None,
            planned_steps=steps[-1]["steps"] if steps else 0,
            held_out_before=before if math.isfinite(before) else None,
            measures=_series([json_object(step["measures"]) for step in steps]),
        )

    def fetch_pairs(self, question_id: int) -> list[tuple[int, int]]:
        """(winner, loser) of each pair of the question's votes in the latest training that learnt from it, as ids."""
        rows = self._database.rows(
            """SELECT vote_id, loser_vote_id FROM examples WHERE question_id = :question AND loser_vote_id IS NOT NULL
                AND training_id = (SELECT max(training_id) FROM examples WHERE question_id = :question)
            ORDER BY position""",
            {"question": question_id},
        )
        return [(row[0], row[1]) for row in rows]

    def fetch_trained_items(self, round_id: int) -> list[BenchmarkItem]:
        """The questions that the round's adapter was trained on, as items by question id: the label is the answer.

        Questions without a label, which a control without votes learns from, are left out.
        """
        rows = self._database.rows(
            """SELECT DISTINCT q.question_id, q.text, coalesce(v.answer_raw, ''), c.answer_key FROM examples e
            JOIN questions q USING (question_id) JOIN consensus c USING (question_id)
            LEFT JOIN votes v ON v.vote_id = c.chosen_vote
            WHERE c.answer_key IS NOT NULL AND e.training_id = (
                SELECT max(training_id) FROM trainings WHERE round_id = ? AND state = 'finished')
            ORDER BY q.question_id""",
            [round_id],
        )
        return [BenchmarkItem(str(row[0]), *row[1:]) for row in rows]

    def fetch_seconds(self, run_id: int, round_number: int) -> float:
        """Seconds that the round's finished trainings were at work; 0 without one."""
        return float(
            self._database.value(
                """SELECT total(seconds) FROM trainings JOIN rounds USING (round_id)
                WHERE run_id = ? AND number = ?""",
                [run_id, round_number],
            )
        )

    def count_examples(self, round_id: int) -> int:
        """How many examples the round's latest training was given."""
        return int(
            self._database.value(
                """SELECT count(*) FROM examples WHERE training_id =
                    (SELECT max(training_id) FROM trainings WHERE round_id = ?)""",
                [round_id],
            )
        )

    def fetch_pairs_of_round(self, round_id: int) -> list[StoredPair]:
        """The preference pairs of the round's latest training, in their order; empty if it learnt none."""
        rows = self._database.rows(
            """SELECT question_id, vote_id, loser_vote_id, weight FROM examples WHERE loser_vote_id IS NOT NULL
                AND training_id = (SELECT max(training_id) FROM trainings WHERE round_id = ?) ORDER BY position""",
            [round_id],
        )
        return [StoredPair(*row) for row in rows]

    def fetch_curve(self, round_id: int) -> list[tuple[int, float, float | None]]:
        """(step, loss, held-out loss or None if it was not computed) of the round's latest training."""
        rows = self._database.rows(
            """SELECT step, loss, held_out_loss FROM training_steps WHERE training_id =
                (SELECT max(training_id) FROM trainings WHERE round_id = ?) ORDER BY step""",
            [round_id],
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def fetch_looks(self, round_id: int) -> list[TrainingLook]:
        """The looks of the round's latest training, by step."""
        rows = self._database.rows(
            """SELECT step, measures FROM training_steps WHERE training_id =
                (SELECT max(training_id) FROM trainings WHERE round_id = ?) AND measures LIKE '%held_out_replies%'
            ORDER BY step""",
            [round_id],
        )
        found = [(row[0], json_object(row[1])) for row in rows]
        return [
            TrainingLook(
                0 if step == 1 else step,
                round(measures["held_out_replies"]),
                measures["held_out_agreement"],
                measures["held_out_cut_off"],
                measures["held_out_reply_tokens"],
            )
            for step, measures in found
        ]

    def fetch_finished(self, round_id: int) -> FinishedTraining | None:
        """The training that made the round's adapter; None without one."""
        row = self._database.row(
            """SELECT loader, seconds, details FROM trainings WHERE round_id = ? AND state = 'finished'
            ORDER BY training_id DESC LIMIT 1""",
            [round_id],
        )
        return FinishedTraining(row[0] or "", row[1] or 0.0, json_object(row[2])) if row else None

    def count_examples_by_round(self, round_id: int) -> dict[int, int]:
        """How many examples of the round's latest training came from each round, by the id of the asking round."""
        rows = self._database.rows(
            """SELECT q.round_id, count(*) FROM examples e JOIN questions q USING (question_id) WHERE e.training_id =
                (SELECT max(training_id) FROM trainings WHERE round_id = ?) GROUP BY 1 ORDER BY 1""",
            [round_id],
        )
        return {row[0]: row[1] for row in rows}
