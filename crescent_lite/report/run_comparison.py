"""Several runs side by side: settings that differ, scores with paired tests, and the items gained and lost.

Each run stands for its kept round (an evaluation for what it measured), and is compared with the first run on the
items that both answered to the same words. All these tests are one family. Reads the store. Example:
    compare_runs(store, [3, 4]).settings[0] -> Setting("train.learning_rate", (0.0, 0.001))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crescent_lite.config.differences import differing
from crescent_lite.evaluation import ComparisonResult, among_ended, corrected, mcnemar, word_of
from crescent_lite.intervals import wilson
from crescent_lite.records import PairedComparison, Score, short_name
from crescent_lite.store import RunRow, Store
from crescent_lite.store.items import ItemReply, Measured

FAMILY = "comparisons of runs"
Replies = Mapping[tuple[str, str], ItemReply]
"""The reply to each item, by its id and question."""


@dataclass(frozen=True)
class Setting:
    """A setting, an automatic value or an input that is not the same in all runs."""

    name: str
    """`section.key`; what an automatic setting came to begins with 'effective '."""
    values: tuple[Any, ...]
    """The value in each run, in the order of the runs; None where a run has none."""


@dataclass(frozen=True)
class RunScored:
    """What one run reached on one benchmark with one prompt."""

    run_id: int
    round: int
    """The round that was measured; 0 is the base."""
    score: Score
    """The score on all its items, with the Wilson interval."""
    base: float | None
    """Score of the run's base, 0-1; None where it was not measured."""
    cut_off: float
    """Fraction of its replies that were cut off, 0-1."""
    against_first: ComparisonResult | None
    """The comparison with the first run on the items of both; None for the first run and without shared items."""


@dataclass(frozen=True)
class BenchmarkScores:
    """A benchmark that at least two of the runs were measured on, with one prompt."""

    benchmark: str
    prompt: str
    """Name of the prompt without its set."""
    role: str
    scored: tuple[RunScored, ...]


@dataclass(frozen=True)
class ItemChange:
    """An item that only the first run, or only the other one, answers right."""

    benchmark: str
    prompt: str
    run_id: int
    """The other run."""
    item_id: str
    gained: bool
    """Whether it is the other run that answers it right."""
    question: str
    gold: str
    before: ItemReply
    """The reply of the first run."""
    after: ItemReply
    """The reply of the other run."""


@dataclass(frozen=True)
class RunComparison:
    """Several runs side by side."""

    runs: tuple[RunRow, ...]
    """In the order in which they were named; the first is the one that the others are compared with."""
    settings: tuple[Setting, ...]
    benchmarks: tuple[BenchmarkScores, ...]
    changes: tuple[ItemChange, ...]
    """Every item that changed, by benchmark, prompt and run, in the benchmark's order."""

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "runs": [
                {"run": run.run_id, "name": run.name, "note": run.note, "round": run.round, "model": run.model}
                for run in self.runs
            ],
            "settings": [{"name": setting.name, "values": list(setting.values)} for setting in self.settings],
            "family": {"name": FAMILY, "comparisons": self.tests, "method": "holm"},
            "benchmarks": [_benchmark_dict(each) for each in self.benchmarks],
            "items": [
                {
                    **{name: value for name, value in asdict(change).items() if name not in ("before", "after")},
                    "answer_before": change.before.answer,
                    "answer_after": change.after.answer,
                    "reply_before": change.before.reply,
                    "reply_after": change.after.reply,
                }
                for change in self.changes
            ],
        }

    @property
    def tests(self) -> int:
        """How many comparisons there are in the family."""
        return sum(scored.against_first is not None for each in self.benchmarks for scored in each.scored)


def compare_runs(store: Store, run_ids: Sequence[int]) -> RunComparison:
    """Compare runs with the first of them. Raises NotFoundError for an unknown run."""
    for run_id in run_ids:
        store.runs.fetch_run(run_id)
    rows = {row.run_id: row for row in store.run_rows.fetch(run_ids)}
    runs = tuple(rows[run_id] for run_id in run_ids)
    measured = {run.run_id: _measured(store, run) for run in runs}
    first, others = runs[0], runs[1:]
    pairs = [
        (key, other.run_id)
        for key in measured[first.run_id]
        for other in others
        if key in measured[other.run_id] and _paired(measured[first.run_id][key][1], measured[other.run_id][key][1])
    ]
    tested = [_tested(measured[first.run_id][key][1], measured[run_id][key][1]) for key, run_id in pairs]
    results = corrected([one for one, _ in tested], [ended for _, ended in tested], family=FAMILY)
    verdicts = dict(zip(pairs, results, strict=True))
    shared = [
        key
        for key in dict.fromkeys(key for run in runs for key in measured[run.run_id])
        if sum(key in measured[run.run_id] for run in runs) > 1
    ]
    return RunComparison(
        runs,
        _settings(store, runs),
        tuple(
            BenchmarkScores(
                key[0],
                short_name(key[1]),
                next(measured[run.run_id][key][0].role for run in runs if key in measured[run.run_id]),
                tuple(
                    _scored(store, run.run_id, *measured[run.run_id][key], verdicts.get((key, run.run_id)))
                    for run in runs
                    if key in measured[run.run_id]
                ),
            )
            for key in shared
        ),
        tuple(
            change
            for key, run_id in pairs
            for change in _changes(key, run_id, measured[first.run_id][key][1], measured[run_id][key][1])
        ),
    )


def _measured(store: Store, run: RunRow) -> dict[tuple[str, str], tuple[Measured, Replies]]:
    """What a run was measured with: (benchmark, prompt) -> the evaluation and its replies."""
    return {
        (each.benchmark, each.prompt): (
            each,
            {reply.key: reply for reply in store.items.fetch_first(each.evaluation_id)},
        )
        for each in store.items.fetch_measured(run.run_id, run.round or 0)
    }


def _paired(before: Replies, after: Replies) -> bool:
    return bool(before.keys() & after.keys())


def _tested(before: Replies, after: Replies) -> tuple[PairedComparison, PairedComparison | None]:
    """The paired test, and the one among the replies that ended in both."""
    right = [{repr(key): reply.right for key, reply in side.items()} for side in (before, after)]
    ended = [{repr(key): reply.ended for key, reply in side.items()} for side in (before, after)]
    return mcnemar(*right), among_ended(*right, *ended)


def _scored(
    store: Store, run_id: int, evaluation: Measured, replies: Replies, verdict: ComparisonResult | None
) -> RunScored:
    right, items = sum(reply.right for reply in replies.values()), len(replies)
    cut_off = sum(not reply.ended for reply in replies.values()) / items if items else 0.0
    base = next(
        (
            each
            for each in store.items.fetch_measured(run_id, 0)
            if (each.benchmark, each.prompt) == (evaluation.benchmark, evaluation.prompt)
        ),
        None,
    )
    of_base = store.evaluations.fetch_right(base.evaluation_id, "flexible") if base else {}
    return RunScored(
        run_id,
        evaluation.round,
        wilson(right, items),
        sum(of_base.values()) / len(of_base) if of_base else None,
        cut_off,
        verdict,
    )


def _changes(key: tuple[str, str], run_id: int, before: Replies, after: Replies) -> list[ItemChange]:
    return [
        ItemChange(
            key[0],
            short_name(key[1]),
            run_id,
            first.item_id,
            after[item].right,
            first.question,
            first.gold,
            first,
            after[item],
        )
        for item, first in before.items()
        if item in after and first.right != after[item].right
    ]


def _settings(store: Store, rows: Sequence[RunRow]) -> tuple[Setting, ...]:
    """The settings, then the inputs and the effective values, that are not the same in all runs."""
    runs = [store.runs.fetch_run(row.run_id) for row in rows]
    differ: dict[str, dict[int, tuple[Any, Any]]] = {}
    for at, other in enumerate(runs[1:], 1):
        for name, values in differing(runs[0].config, other.config).items():
            differ.setdefault(name, {})[at] = values
    found = []
    for name, by_run in differ.items():
        first = next(iter(by_run.values()))[0]
        others = [by_run[at][1] if at in by_run else first for at in range(1, len(runs))]
        found.append(Setting(name, (first, *others)))
    if len({run.rounds for run in runs}) > 1:
        found.append(Setting("rounds", tuple(run.rounds for run in runs)))
    for prefix, sides in (("", [run.inputs for run in runs]), ("effective ", [row.effective for row in rows])):
        for name in dict.fromkeys(name for side in sides for name in side):
            given = tuple(side.get(name) for side in sides)
            if len({repr(value) for value in given}) > 1 and (prefix or None not in given):
                found.append(Setting(f"{prefix}{name}", given))
    return tuple(found)


def _benchmark_dict(each: BenchmarkScores) -> dict[str, Any]:
    return {
        "benchmark": each.benchmark,
        "prompt": each.prompt,
        "role": each.role,
        "scores": [_scored_dict(scored) for scored in each.scored],
    }


def _scored_dict(scored: RunScored) -> dict[str, Any]:
    verdict, found = scored.against_first, asdict(scored)
    del found["against_first"]
    found["score"] = {**found["score"], "fraction": scored.score.fraction}
    if verdict:
        comparison = verdict.comparison
        found["against_first"] = {
            "items": comparison.items,
            "gained": comparison.gained,
            "lost": comparison.lost,
            "difference": comparison.difference,
            "low": verdict.low,
            "high": verdict.high,
            "p": comparison.p_value,
            "p_corrected": verdict.p_corrected,
            "word": word_of(verdict),
        }
    return found
