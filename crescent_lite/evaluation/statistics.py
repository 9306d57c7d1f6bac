"""Whether models differ: exact McNemar, paired bootstrap, Holm.

Only items answered by both models enter a comparison, and only those on which they differ decide it. Words follow
numbers: "improved" is said when the corrected interval excludes 0, and otherwise what could have been seen.
Knows nothing of models or storage. Example:
    mcnemar({"a": False, "b": False}, {"a": True, "b": False})   # gained 1, lost 0, p 1.0
Sources: McNemar, Psychometrika 12 (1947) 153; Holm, Scand. J. Statist. 6 (1979) 65;
Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crescent_lite.evaluation.planning import smallest_visible
from crescent_lite.records import PairedComparison

SIGNIFICANT = 0.05
RESAMPLES = 10_000
RESAMPLING_SEED = 20260101


@dataclass(frozen=True)
class ComparisonResult:
    """One comparison among several, corrected for their number."""

    comparison: PairedComparison
    p_corrected: float
    """Holm's adjusted p-value."""
    low: float
    """Lower end of the corrected interval of the difference, after - before, -1 to 1."""
    high: float


def mcnemar(before: Mapping[str, bool], after: Mapping[str, bool]) -> PairedComparison:
    """Two models on the items both have answered: {item id: right?}. Two-sided and exact."""
    shared = before.keys() & after.keys()
    gained = sum(after[item] and not before[item] for item in shared)
    lost = sum(before[item] and not after[item] for item in shared)
    p_value = 1.0
    if gained + lost:
        from scipy.stats import binomtest  # takes a second to import: only where it is used

        p_value = float(binomtest(gained, gained + lost, 0.5).pvalue)
    return PairedComparison(items=len(shared), gained=gained, lost=lost, p_value=p_value)


def paired_interval(comparison: PairedComparison, level: float = 0.95) -> tuple[float, float]:
    """Where the difference of two models lies, by a bootstrap of the items; the same comparison, the same interval.

    An item is gained, lost or neither, so resampling items is drawing these three counts.
    """
    items, gained, lost = comparison.items, comparison.gained, comparison.lost
    if not items:
        return -1.0, 1.0
    # One of each more: without it, five items gained and none lost would exclude that any is ever lost.
    shares = np.array([gained + 0.5, lost + 0.5, items - gained - lost + 0.5]) / (items + 1.5)
    counts = np.random.default_rng(RESAMPLING_SEED).multinomial(items, shares, size=RESAMPLES)
    differences = (counts[:, 0] - counts[:, 1]) / items
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def corrected(comparisons: Sequence[PairedComparison]) -> list[ComparisonResult]:
    """What may be said of several comparisons with one base, in their order: Holm's correction.

    The smallest of m p-values is held to SIGNIFICANT / m, the next to SIGNIFICANT / (m - 1), and so on until one
    fails; each interval is of the level that its p-value is held to.
    """
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p_value)
    verdicts: dict[int, ComparisonResult] = {}
    so_far = 0.0
    for rank, index in enumerate(order):
        tests, comparison = len(comparisons) - rank, comparisons[index]
        so_far = max(so_far, min(1.0, tests * comparison.p_value))
        low, high = paired_interval(comparison, 1 - SIGNIFICANT / tests)
        verdicts[index] = ComparisonResult(comparison, so_far, low, high)
    return [verdicts[index] for index in range(len(comparisons))]


def in_words(verdict: ComparisonResult) -> str:
    """'improved' or 'got worse', or that no difference was shown and how small a one could have been seen."""
    comparison, p_value = verdict.comparison, verdict.p_corrected
    numbers = f"n={comparison.items}, " + (f"p={p_value:.3f}" if p_value >= 0.001 else "p<0.001")
    if p_value < SIGNIFICANT and not verdict.low <= 0 <= verdict.high:
        return f"{'improved' if comparison.difference > 0 else 'got worse'} ({numbers})"
    if not comparison.items:
        return "no difference shown (no items)"
    discordant = (comparison.gained + comparison.lost + 1) / (comparison.items + 1)
    visible = smallest_visible(comparison.items, discordant)
    return f"no difference shown ({numbers}; could have seen {100 * visible:.1f} points)"
