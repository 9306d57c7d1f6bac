"""What voting is worth for a base, from its stored replies: for `crescent headroom`, reports and the TUI.

Reads the store; `evaluation.headroom` decides what the figures mean. Example:
    headroom_table(fetch_headroom(store, run_id=1)).title -> "What votes are worth"
"""

from __future__ import annotations

from collections.abc import Sequence

from crescent_lite.evaluation.headroom import Headroom, ends, in_a_sentence, measure_headroom, points, warnings
from crescent_lite.evaluation.sampled_scores import SampledScore
from crescent_lite.records import Score
from crescent_lite.report.content import Table
from crescent_lite.store import Store


def fetch_headroom(store: Store, *, run_id: int | None = None, model_id: int | None = None) -> list[Headroom]:
    """What voting is worth for a run's base, or for a model; empty if no item was both sampled and asked greedily."""
    found = [
        measure_headroom(
            pair.benchmark,
            pair.prompt,
            store.evaluations.fetch_greedy(pair.greedy_id),
            store.evaluations.fetch_samples(pair.sampled_id),
        )
        for pair in store.evaluations.fetch_sampled_pairs(run_id=run_id, model_id=model_id)
    ]
    return [each for each in found if each]


def headroom_table(found: Sequence[Headroom]) -> Table:
    """A column for each benchmark and a row for each figure; without rows if nothing was measured."""
    columns = tuple(figures(each) for each in found)
    rows = tuple((name, *(column[name] for column in columns)) for name in columns[0]) if columns else ()
    return Table("What votes are worth", ("", *(each.name for each in found)), rows, " ".join(headroom_lines(found)))


def headroom_lines(found: Sequence[Headroom]) -> list[str]:
    """The result in one sentence, then what to change before a training."""
    return [in_a_sentence(found), *(f"{warning}." for warning in warnings(found))] if found else []


def figures(headroom: Headroom) -> dict[str, str]:
    """The figures of one benchmark with their 95% intervals, by their name."""
    tokens = headroom.tokens
    return {
        "items": f"{headroom.items:,}",
        "samples of an item, k": f"{headroom.samples:,}",
        "greedy": _score(headroom.greedy.fraction, headroom.greedy),
        "mean of k samples": _score(headroom.mean.value, headroom.mean),
        "maj@k": _score(headroom.majority.value, headroom.majority),
        "pass@k": _score(headroom.solved.value, headroom.solved),
        "voting is worth": f"{points(headroom.worth)} ({ends(headroom.low, headroom.high)})",
        "greedy replies cut off": _score(headroom.cut_off.fraction, headroom.cut_off),
        "tokens of a greedy reply": f"{tokens.value:.0f} ({tokens.low:.0f} to {tokens.high:.0f})",
    }


def _score(value: float, interval: SampledScore | Score) -> str:
    return f"{value:.1%} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
