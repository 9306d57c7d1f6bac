"""Benchmarks, evaluations and the scored replies to their items.

An evaluation is one model on one benchmark with one prompt and one set of generation settings. It is done once and
shared by all runs that need it. Example: evaluations.fetch_right(evaluation_id, "flexible") -> {"line-1": True, ...}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from crescent_lite.records import (
    Benchmark,
    BenchmarkItem,
    BenchmarkKind,
    Completion,
    GreedyReply,
    ItemScore,
    Measurement,
    Role,
    SampledPair,
    SampledReply,
)
from crescent_lite.store.database import Database, now

SCORINGS = {"strict": "strict", "flexible": "flexible", "math-verify": "second_opinion"}
"""The column of each scoring."""
REPLY = (
    "sample_index",
    "text",
    "finish_reason",
    "answer_raw",
    "answer_key",
    "strict",
    "flexible",
    "second_opinion",
    "tokens",
    "seed",
    "abstained",
)
"""Columns of a stored reply, without those that say what it is a reply to."""


@dataclass(frozen=True)
class EvaluationRow:
    """A finished evaluation of one round of a run."""

    evaluation_id: int
    round_number: int
    """Number of the round; 0 is the base."""
    benchmark: str
    """Name of the benchmark."""
    prompt: str
    """Name of the prompt, `set/file`."""
    role: Role = "score"
    kind: BenchmarkKind = "answers"
    samples: int = 1
    """Replies to each item; a single one is drawn greedily."""
    temperature: float = 0.0
    """Sampling temperature of the replies."""


@dataclass(frozen=True)
class Agreement:
    """How far one model agrees with the base's votes on the questions that a run set aside."""

    round_number: int
    """Number of the round; 0 is the base."""
    agreed: int
    """Greedy replies with the answer that the base's votes gave."""
    items: int
    cut_off: float
    """Fraction of the replies that were cut off, 0-1."""
    tokens: float
    """Mean length of a reply in tokens."""


@dataclass(frozen=True)
class Unjudged:
    """A stored reply that math-verify has not judged yet."""

    evaluation_id: int
    item_id: str
    sample_index: int
    reply: str
    gold: str
    """The right answer as the benchmark writes it."""


class Evaluations:
    """Reads and writes of the benchmark and evaluation tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_benchmark(self, benchmark: Benchmark) -> int:
        """Store the benchmark with its items unless it is there already. Returns its id."""
        key = [benchmark.name, benchmark.sha256]
        find = "SELECT benchmark_id FROM benchmarks WHERE name = ? AND sha256 = ?"
        if known := self._database.value(find, key):
            return int(known)
        with self._database.transaction():
            benchmark_id = self._database.write(
                "INSERT INTO benchmarks (name, source, sha256, items, kind, left_out) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    benchmark.name,
                    benchmark.source,
                    benchmark.sha256,
                    len(benchmark.items),
                    benchmark.kind,
                    benchmark.left_out,
                ],
            )
            self._database.write_many(
                """INSERT INTO benchmark_items (benchmark_id, item_id, position, question, answer, answer_key)
                VALUES (?, ?, ?, ?, ?, ?)""",
                [
                    (benchmark_id, item.item_id, position, item.question, item.answer, item.answer_key)
                    for position, item in enumerate(benchmark.items)
                ],
            )
        return benchmark_id

    def insert_evaluation(
        self, run_id: int, round_number: int, model_id: int, benchmark_id: int, measurement: Measurement, seed: int
    ) -> int:
        """Store the evaluation unless one with the same settings exists, and tie it to the run. Returns its id.

        Replies that the model gave to some of these items with the same settings, as part of another selection of
        the benchmark's items, are taken over.
        """
        prompt = measurement.prompt
        key = [model_id, benchmark_id, prompt.sha256, _settings_key(measurement, seed)]
        with self._database.transaction():
            self._database.write(
                """INSERT INTO evaluations
                    (model_id, benchmark_id, prompt_sha256, settings, prompt, samples, started_at)
                VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
                [*key, prompt.name, measurement.samples, now()],
            )
            evaluation_id = int(
                self._database.value(
                    """SELECT evaluation_id FROM evaluations
                    WHERE model_id = ? AND benchmark_id = ? AND prompt_sha256 = ? AND settings = ?""",
                    key,
                )
            )
            self._database.write(
                """INSERT INTO run_evaluations (run_id, round_number, evaluation_id, role) VALUES (?, ?, ?, ?)
                ON CONFLICT DO NOTHING""",
                [run_id, round_number, evaluation_id, measurement.benchmark.role],
            )
            self._take_over_replies(evaluation_id)
        return evaluation_id

    def count_known(self, model_id: int, measurement: Measurement, seed: int) -> int:
        """How many replies of a measurement are stored already, for these items and settings."""
        return int(
            self._database.value(
                """SELECT count(*) FROM evaluations e JOIN benchmarks b USING (benchmark_id)
                JOIN evaluated_items USING (evaluation_id)
                WHERE e.model_id = ? AND b.name = ? AND b.sha256 = ? AND e.prompt_sha256 = ? AND e.settings = ?""",
                [
                    model_id,
                    measurement.benchmark.name,
                    measurement.benchmark.sha256,
                    measurement.prompt.sha256,
                    _settings_key(measurement, seed),
                ],
            )
        )

    def count_scored(self, run_id: int, round_number: int) -> int:
        """How many replies of a round are stored."""
        return int(
            self._database.value(
                """SELECT count(*) FROM run_evaluations JOIN evaluated_items USING (evaluation_id)
                WHERE run_id = ? AND round_number = ?""",
                [run_id, round_number],
            )
        )

    def _take_over_replies(self, evaluation_id: int) -> None:
        """Copy replies to the same items from evaluations that differ only in which items they have.

        A reply's seed follows from the benchmark's name, the item's id and the settings, so these are the replies
        that would be drawn.
        """
        self._database.write(
            f"""INSERT OR IGNORE INTO evaluated_items (evaluation_id, item_id, {", ".join(REPLY)})
            SELECT e.evaluation_id, mine.item_id, {", ".join(f"i.{column}" for column in REPLY)}
            FROM evaluations e JOIN benchmarks b USING (benchmark_id)
            JOIN benchmarks ob ON ob.name = b.name AND ob.benchmark_id <> b.benchmark_id
            JOIN evaluations o ON o.benchmark_id = ob.benchmark_id AND o.model_id = e.model_id
                AND o.prompt_sha256 = e.prompt_sha256 AND o.settings = e.settings
            JOIN benchmark_items theirs ON theirs.benchmark_id = o.benchmark_id
            JOIN benchmark_items mine ON mine.benchmark_id = e.benchmark_id AND mine.item_id = theirs.item_id
                AND mine.question = theirs.question AND mine.answer = theirs.answer
                AND mine.answer_key = theirs.answer_key
            JOIN evaluated_items i ON i.evaluation_id = o.evaluation_id AND i.item_id = theirs.item_id
            WHERE e.evaluation_id = ? AND e.finished_at IS NULL""",
            [evaluation_id],
        )

    def fetch_owed_items(self, evaluation_id: int) -> list[tuple[BenchmarkItem, tuple[int, ...]]]:
        """Items with missing samples, in the benchmark's order, each with the indexes of its missing samples."""
        drawn: dict[str, set[int]] = {}
        for row in self._database.rows(
            "SELECT item_id, sample_index FROM evaluated_items WHERE evaluation_id = ?", [evaluation_id]
        ):
            drawn.setdefault(row[0], set()).add(row[1])
        rows = self._database.rows(
            """SELECT e.samples, b.item_id, b.question, b.answer, b.answer_key FROM evaluations e
            JOIN benchmark_items b USING (benchmark_id) WHERE e.evaluation_id = ? ORDER BY b.position""",
            [evaluation_id],
        )
        owed = []
        for samples, *item in rows:
            missing = tuple(index for index in range(samples) if index not in drawn.get(item[0], ()))
            if missing:
                owed.append((BenchmarkItem(*item), missing))
        return owed

    def insert_item(self, evaluation_id: int, item_id: str, completion: Completion, score: ItemScore) -> None:
        """Store one scored reply to an item."""
        self._database.write(
            """INSERT INTO evaluated_items (evaluation_id, item_id, sample_index, text, finish_reason, answer_raw,
                answer_key, strict, flexible, tokens, seed, abstained) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                evaluation_id,
                item_id,
                completion.sample_index,
                completion.text,
                completion.finish_reason,
                score.answer_raw,
                score.answer_key,
                score.strict,
                score.flexible,
                completion.tokens,
                completion.seed,
                score.abstained,
            ],
        )

    def finish_evaluation(self, evaluation_id: int) -> None:
        """Mark the evaluation as finished: all samples of all items are stored."""
        self._database.write(
            "UPDATE evaluations SET finished_at = ? WHERE evaluation_id = ? AND finished_at IS NULL",
            [now(), evaluation_id],
        )

    def fetch_evaluations(self, run_id: int) -> list[EvaluationRow]:
        """A run's finished evaluations, ordered by benchmark, prompt, samples and round."""
        rows = self._database.rows(
            """SELECT evaluation_id, round_number, b.name, e.prompt, r.role, b.kind, e.samples,
                coalesce(json_extract(e.settings, '$.temperature'), 0.0) AS temperature
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            WHERE run_id = ? AND e.finished_at IS NOT NULL AND r.role <> 'agreement'
            ORDER BY b.name, e.prompt, e.samples, temperature, round_number""",
            [run_id],
        )
        return [EvaluationRow(*row) for row in rows]

    def fetch_agreements(self, run_id: int) -> list[Agreement]:
        """How far the base and each round agree with the base's votes, by round; empty if nothing was set aside."""
        rows = self._database.rows(
            """SELECT r.round_number, sum(i.flexible), count(*), avg(i.finish_reason <> 'stop'), avg(i.tokens)
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
            JOIN evaluated_items i USING (evaluation_id)
            WHERE r.run_id = ? AND r.role = 'agreement' AND e.finished_at IS NOT NULL
            GROUP BY r.round_number ORDER BY r.round_number""",
            [run_id],
        )
        return [Agreement(*row) for row in rows]

    def is_chosen_by_agreement(self, run_id: int) -> bool:
        """Whether the run's rounds are compared by their agreement with the base's votes."""
        find = "SELECT EXISTS (SELECT 1 FROM run_evaluations WHERE run_id = ? AND role = 'agreement')"
        return bool(self._database.value(find, [run_id]))

    def count_right(self, evaluation_id: int, scoring: str) -> tuple[int, int]:
        """How many greedy replies are right by one of SCORINGS, and how many were judged.

        Where math-verify judges none, as with choices, the flexible scoring counts.
        """
        row = self._database.row(
            f"""SELECT total({SCORINGS[scoring]}), count({SCORINGS[scoring]}), total(flexible), count(*)
            FROM evaluated_items WHERE evaluation_id = ? AND sample_index = 0""",
            [evaluation_id],
        )
        right, judged, flexible, items = map(int, row or (0, 0, 0, 0))
        return (right, judged) if judged else (flexible, items)

    def fetch_right(self, evaluation_id: int, scoring: str) -> dict[str, bool]:
        """Whether the first reply to each item is right, by one of SCORINGS. Items without it are left out."""
        rows = self._database.rows(
            """SELECT item_id, strict, flexible, second_opinion FROM evaluated_items
            WHERE evaluation_id = ? AND sample_index = 0""",
            [evaluation_id],
        )
        column = SCORINGS[scoring]
        return {row["item_id"]: bool(row[column]) for row in rows if row[column] is not None}

    def fetch_ended(self, evaluation_id: int) -> dict[str, bool]:
        """Whether the model ended its first reply to each item; False for a reply that was cut off."""
        rows = self._database.rows(
            """SELECT item_id, finish_reason = 'stop' FROM evaluated_items
            WHERE evaluation_id = ? AND sample_index = 0""",
            [evaluation_id],
        )
        return {row[0]: bool(row[1]) for row in rows}

    def fetch_without_opinion(self, evaluation_id: int) -> list[Unjudged]:
        """Replies without a second opinion in a finished evaluation of a benchmark whose answers are values."""
        rows = self._database.rows(
            """SELECT i.evaluation_id, i.item_id, i.sample_index, i.text, b.answer FROM evaluated_items i
            JOIN evaluations e USING (evaluation_id) JOIN benchmarks USING (benchmark_id)
            JOIN benchmark_items b ON b.benchmark_id = e.benchmark_id AND b.item_id = i.item_id
            WHERE i.evaluation_id = ? AND i.second_opinion IS NULL AND e.finished_at IS NOT NULL
                AND benchmarks.kind = 'answers' ORDER BY i.sample_index, b.position""",
            [evaluation_id],
        )
        return [Unjudged(*row) for row in rows]

    def set_opinion(self, reply: Unjudged, opinion: bool) -> None:
        """Store math-verify's opinion on a reply."""
        self._database.write(
            """UPDATE evaluated_items SET second_opinion = ?
            WHERE evaluation_id = ? AND item_id = ? AND sample_index = ?""",
            [opinion, reply.evaluation_id, reply.item_id, reply.sample_index],
        )

    def fetch_disagreements(self, run_id: int) -> tuple[int, int]:
        """How many greedy replies of a run math-verify and the flexible scoring judge differently, and how many both
        judged."""
        row = self._database.row(
            """SELECT coalesce(sum(i.flexible <> i.second_opinion), 0), count(*) FROM run_evaluations
            JOIN evaluations e USING (evaluation_id) JOIN evaluated_items i USING (evaluation_id)
            WHERE run_id = ? AND role <> 'agreement' AND e.samples = 1 AND i.second_opinion IS NOT NULL""",
            [run_id],
        )
        return (row[0], row[1]) if row else (0, 0)

    def fetch_right_in_asked_unit(self, run_id: int) -> tuple[int, int]:
        """How many right greedy replies of a run are right only in the unit that the question asks for, and how many
        are right. Such a reply has another key than the gold answer."""
        row = self._database.row(
            """SELECT coalesce(sum(i.answer_key <> b.answer_key), 0), count(*) FROM run_evaluations
            JOIN evaluations e USING (evaluation_id) JOIN evaluated_items i USING (evaluation_id)
            JOIN benchmark_items b ON b.benchmark_id = e.benchmark_id AND b.item_id = i.item_id
            WHERE run_id = ? AND role <> 'agreement' AND e.samples = 1 AND i.flexible""",
            [run_id],
        )
        return (row[0], row[1]) if row else (0, 0)

    def fetch_samples(self, evaluation_id: int) -> dict[str, list[SampledReply]]:
        """The sampled replies to each item, in the order they were drawn."""
        found: dict[str, list[SampledReply]] = {}
        for row in self._database.rows(
            """SELECT item_id, answer_key, flexible, finish_reason = 'stop' FROM evaluated_items
            WHERE evaluation_id = ? ORDER BY item_id, sample_index""",
            [evaluation_id],
        ):
            found.setdefault(row[0], []).append(SampledReply(row[1], bool(row[2]), bool(row[3])))
        return found

    def fetch_greedy(self, evaluation_id: int) -> dict[str, GreedyReply]:
        """The first reply to each item, by item id."""
        rows = self._database.rows(
            """SELECT item_id, flexible, finish_reason = 'stop', tokens FROM evaluated_items
            WHERE evaluation_id = ? AND sample_index = 0""",
            [evaluation_id],
        )
        return {row[0]: GreedyReply(bool(row[1]), bool(row[2]), row[3]) for row in rows}

    def fetch_sampled_pairs(self, *, run_id: int | None = None, model_id: int | None = None) -> list[SampledPair]:
        """Greedy and sampled evaluations of the same items: those of a run's base, or of a model in all runs.

        Only benchmarks whose answers are values and whose role is 'score' or 'final' count. Of several pairs with the
        same benchmark and prompt the latest is taken.
        """
        rows = self._database.rows(
            """SELECT b.name, s.prompt, max(g.evaluation_id), s.evaluation_id FROM run_evaluations rs
            JOIN evaluations s ON s.evaluation_id = rs.evaluation_id AND s.samples > 1
            JOIN run_evaluations rg ON rg.run_id = rs.run_id AND rg.round_number = rs.round_number
            JOIN evaluations g ON g.evaluation_id = rg.evaluation_id AND g.samples = 1 AND g.model_id = s.model_id
                AND g.benchmark_id = s.benchmark_id AND g.prompt_sha256 = s.prompt_sha256
            JOIN benchmarks b ON b.benchmark_id = s.benchmark_id AND b.kind = 'answers'
            WHERE (rs.run_id = :run AND rs.round_number = 0 OR s.model_id = :model) AND rs.role IN ('score', 'final')
                AND s.finished_at IS NOT NULL AND g.finished_at IS NOT NULL
            GROUP BY s.evaluation_id ORDER BY b.name, s.prompt, s.evaluation_id""",
            {"run": run_id, "model": model_id},
        )
        return list({(row[0], row[1]): SampledPair(*row) for row in rows}.values())

    def fetch_differing(self) -> float | None:
        """Fraction of items, 0-1, on which exactly one of a round and its base is right, over all runs.

        None if no round was measured on the same items as its base, or if they never differed.
        """
        share = self._database.value(
            """SELECT avg(b.flexible <> a.flexible) FROM run_evaluations rb
            JOIN evaluations eb ON eb.evaluation_id = rb.evaluation_id AND rb.round_number = 0 AND eb.samples = 1
            JOIN run_evaluations ra ON ra.run_id = rb.run_id AND ra.round_number > 0
            JOIN evaluations ea ON ea.evaluation_id = ra.evaluation_id AND ea.benchmark_id = eb.benchmark_id
                AND ea.prompt_sha256 = eb.prompt_sha256 AND ea.settings = eb.settings
            JOIN evaluated_items b ON b.evaluation_id = eb.evaluation_id
            JOIN evaluated_items a ON a.evaluation_id = ea.evaluation_id AND a.item_id = b.item_id"""
        )
        return float(share) if share else None

    def fetch_mean_solution(self, run_id: int) -> float:
        """Mean length, in tokens, of the base's greedy replies with the prompt that makes them longest.

        Only benchmarks whose answers are values count; 0 if the run has none.
        """
        mean = self._database.value(
            """SELECT max(mean) FROM (SELECT avg(i.tokens) AS mean FROM run_evaluations r
                JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
                JOIN evaluated_items i USING (evaluation_id)
                WHERE r.run_id = ? AND r.round_number = 0 AND e.samples = 1 AND b.kind = 'answers'
                    AND r.role <> 'agreement'
                GROUP BY e.prompt)""",
            [run_id],
        )
        return float(mean or 0.0)


def _settings_key(measurement: Measurement, seed: int) -> str:
    """The settings of an evaluation as they are stored: only replies that were drawn with all of them are shared."""
    generation = asdict(measurement.generation)
    settings = {name: value for name, value in generation.items() if value not in ((), False)} | {"seed": seed}
    if measurement.samples > 1:
        settings["samples"] = measurement.samples
    settings |= measurement.chat  # replies to the same words in another template are other replies
    return json.dumps(settings, sort_keys=True)
