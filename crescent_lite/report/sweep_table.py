"""The table of a sweep: for each variant and benchmark, the median and the range over the seeds.

One run proves nothing: two seeds of the same settings differ by more than most gains. Reads the store. Example:
    sweep_table(store, sweep).rows[0][:4] -> ("train.learning_rate = 0.0002", "gsm8k", "3 of 3", "21.3%")
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crescent_lite.report.content import Table
from crescent_lite.store import RunRow, Store


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds of one variant."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of some values; None without any."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class SweepLine:
    """One variant on one benchmark."""

    variant: str
    """What distinguishes it: 'train.learning_rate = 0.0002'."""
    benchmark: str
    prompt: str
    planned: int
    """Seeds that are planned."""
    measured: int
    """Seeds that are measured so far."""
    score: Spread | None
    """Score of the kept round, 0-1; None before the first measurement."""
    difference: Spread | None
    """Score less the base's, -1 to 1."""
    better: int
    """Seeds whose score is above the base's."""
    labels: Spread | None
    """Labels of a run."""

    def as_dict(self) -> dict[str, Any]:
        """The line as plain values."""
        return asdict(self)


def sweep_lines(store: Store, key: str, variants: Mapping[int, str]) -> tuple[SweepLine, ...]:
    """A line for each variant and benchmark. `variants`: position in the queue -> variant."""
    taken = store.sweeps.fetch_runs(key)
    rows = {row.sweep_position: row for row in store.run_rows.fetch(list(taken.values()))}
    by_variant: dict[str, list[RunRow | None]] = {}
    for position, variant in variants.items():
        by_variant.setdefault(variant, []).append(rows.get(position))
    measured = dict.fromkeys(
        (score.benchmark, score.prompt) for row in rows.values() for score in row.scores if score.is_primary
    )
    return tuple(
        _line(variant, benchmark, prompt, runs)
        for benchmark, prompt in measured
        for variant, runs in by_variant.items()
    )


def sweep_table(name: str, lines: Sequence[SweepLine]) -> Table:
    """The lines as a table; without rows before the first measurement."""
    rows = tuple(
        (
            line.benchmark,
            line.prompt,
            line.variant,
            f"{line.measured} of {line.planned}",
            _percent(line.score),
            _points(line.difference),
            f"{line.better} of {line.measured}",
            "" if line.labels is None else f"{line.labels.median:g} ({line.labels.low:g} to {line.labels.high:g})",
        )
        for line in lines
    )
    columns = (
        "benchmark",
        "prompt",
        "variant",
        "seeds",
        "score",
        "difference to the base",
        "above the base",
        "labels",
    )
    note = (
        "Median and range (lowest to highest) over the seeds, of the kept round of each run; differences in points. "
        "The range of 3 seeds contains a variant's true median in 75% of cases, that of 5 seeds in 94%."
    )
    return Table(f"Sweep: {name}", columns, rows, note)


def _line(variant: str, benchmark: str, prompt: str, runs: Sequence[RunRow | None]) -> SweepLine:
    found = [
        (row, score)
        for row in runs
        if row
        for score in row.scores
        if (score.benchmark, score.prompt) == (benchmark, prompt) and score.score is not None
    ]
    differences = [score.difference for _, score in found if score.difference is not None]
    return SweepLine(
        variant,
        benchmark,
        prompt,
        len(runs),
        len(found),
        Spread.of([score.score for _, score in found if score.score is not None]),
        Spread.of(differences),
        sum(difference > 0 for difference in differences),
        Spread.of([row.labels for row, _ in found]),
    )


def _percent(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.1%} ({spread.low:.1%} to {spread.high:.1%})"


def _points(spread: Spread | None) -> str:
    if spread is None:
        return ""
    median, low, high = (100 * value for value in (spread.median, spread.low, spread.high))
    return f"{median:+.1f} ({low:+.1f} to {high:+.1f})"
