"""How sure a score is, and whether two models differ: Wilson intervals and the exact McNemar test.

Only items answered by both models enter a comparison, and only those on which they differ decide it. Words
follow numbers: without p < 0.05 there is no "improved". Knows nothing of models or storage. Example:
    mcnemar({"a": False, "b": False}, {"a": True, "b": False})   # gained 1, lost 0, p 1.0
Sources: Wilson, JASA 22 (1927) 209; McNemar, Psychometrika 12 (1947) 153.
"""

from __future__ import annotations

from collections.abc import Mapping

from crescent_lite.records import PairedComparison, Score

SIGNIFICANT = 0.05


def wilson(right: int, items: int) -> Score:
    """`right` of `items` with the 95% Wilson interval; 0 to 1 when there are no items."""
    if not 0 <= right <= items:
        raise ValueError(f"{right} right of {items} items")
    if not items:
        return Score(right=0, items=0, low=0.0, high=1.0)
    from scipy.stats import binomtest  # takes a second to import: only where it is used

    interval = binomtest(right, items).proportion_ci(confidence_level=0.95, method="wilson")
    return Score(right=right, items=items, low=float(interval.low), high=float(interval.high))


def mcnemar(before: Mapping[str, bool], after: Mapping[str, bool]) -> PairedComparison:
    """Two models on the items both have answered: {item id: right?}. Two-sided and exact."""
    shared = before.keys() & after.keys()
    gained = sum(after[item] and not before[item] for item in shared)
    lost = sum(before[item] and not after[item] for item in shared)
    p_value = 1.0
    if gained + lost:
        from scipy.stats import binomtest  # as above

        p_value = float(binomtest(gained, gained + lost, 0.5).pvalue)
    return PairedComparison(items=len(shared), gained=gained, lost=lost, p_value=p_value)


def verdict_in_words(comparison: PairedComparison) -> str:
    """'improved', 'got worse' or 'no difference shown', with n and p."""
    p_value = f"p={comparison.p_value:.3f}" if comparison.p_value >= 0.001 else "p<0.001"
    numbers = f"(n={comparison.items}, {p_value})"
    if comparison.p_value >= SIGNIFICANT:
        return f"no difference shown {numbers}"
    return f"{'improved' if comparison.gained > comparison.lost else 'got worse'} {numbers}"
