"""Statistics that say whether models differ: exact McNemar test, paired bootstrap, Holm's correction.

A comparison uses only the items that both models answered, and only items on which they differ decide it. `in_words`
follows fixed rules: a model "improved" if the corrected p-value is significant and the corrected interval excludes 0;
otherwise the words say how small a difference could have been seen. Knows nothing of models or storage. Example:
    mcnemar({"a": False, "b": False}, {"a": True, "b": False})   # gained 1, lost 0, p 1.0
Sources: McNemar, Psychometrika 12 (1947) 153; Holm, Scand. J. Statist. 6 (1979) 65;
Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crescent_lite.evaluation.sample_sizes import smallest_visible
from crescent_lite.records import PairedComparison

SIGNIFICANT = 0.05
"""A corrected p-value below this is significant."""
RESAMPLES = 10_000
"""Resamples of the bootstrap (guess)."""
RESAMPLING_SEED = 20260101


@dataclass(frozen=True)
class ComparisonResult:
    """One of several comparisons, corrected for their number."""

    comparison: PairedComparison
    p_corrected: float
    """P-value adjusted by Holm's method."""
    low: float
    """Lower end of the corrected interval of the difference (after minus before), -1 to 1."""
    high: float
    """Upper end of the corrected interval of the difference, -1 to 1."""


def mcnemar(before: Mapping[str, bool], after: Mapping[str, bool]) -> PairedComparison:
    """Compare two models on the items that both answered, by the two-sided exact McNemar test.

    `before` and `after`: item id -> whether the model's answer is right.
    """
    shared = before.keys() & after.keys()
    gained = sum(after[item] and not before[item] for item in shared)
    lost = sum(before[item] and not after[item] for item in shared)
    p_value = 1.0
    if gained + lost:
        from scipy.stats import binomtest  # imported here because it takes a second

        p_value = float(binomtest(gained, gained + lost, 0.5).pvalue)
    return PairedComparison(items=len(shared), gained=gained, lost=lost, p_value=p_value)


def paired_interval(comparison: PairedComparison, level: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap interval of the difference of two models; the same comparison gives the same interval.

    An item is gained, lost or neither, so resampling items means drawing these three counts from a multinomial.
    """
    items, gained, lost = comparison.items, comparison.gained, comparison.lost
    if not items:
        return -1.0, 1.0
    # Half an item is added to each count: otherwise 5 gained and 0 lost would rule out that an item is ever lost.
    shares = np.array([gained + 0.5, lost + 0.5, items - gained - lost + 0.5]) / (items + 1.5)
    counts = np.random.default_rng(RESAMPLING_SEED).multinomial(items, shares, size=RESAMPLES)
    differences = (counts[:, 0] - counts[:, 1]) / items
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def corrected(comparisons: Sequence[PairedComparison]) -> list[ComparisonResult]:
    """Correct several comparisons with the same base by Holm's method; return the results in the given order.

    The smallest of m p-values is tested at SIGNIFICANT / m, the next at SIGNIFICANT / (m - 1), and so on until one
    fails. Each interval has the level at which its p-value is tested.
    """
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p_value)
    results: dict[int, ComparisonResult] = {}
    highest_p = 0.0
    for rank, index in enumerate(order):
        tests, comparison = len(comparisons) - rank, comparisons[index]
        highest_p = max(highest_p, min(1.0, tests * comparison.p_value))
        low, high = paired_interval(comparison, 1 - SIGNIFICANT / tests)
        results[index] = ComparisonResult(comparison, highest_p, low, high)
    return [results[index] for index in range(len(comparisons))]


def in_words(verdict: ComparisonResult) -> str:
    """'improved (n=...)', 'got worse (...)', or 'no difference shown (...)' with the smallest visible difference."""
    comparison, p_value = verdict.comparison, verdict.p_corrected
    numbers = f"n={comparison.items}, " + (f"p={p_value:.3f}" if p_value >= 0.001 else "p<0.001")
    if p_value < SIGNIFICANT and not verdict.low <= 0 <= verdict.high:
        return f"{'improved' if comparison.difference > 0 else 'got worse'} ({numbers})"
    if not comparison.items:
        return "no difference shown (no items)"
    discordant = (comparison.gained + comparison.lost + 1) / (comparison.items + 1)
    visible = smallest_visible(comparison.items, discordant)
    return f"no difference shown ({numbers}; could have seen {100 * visible:.1f} points)"
