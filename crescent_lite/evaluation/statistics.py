"""Statistics that say whether models differ: exact McNemar test, paired bootstrap, Holm's correction.

A comparison uses only the items that both models answered, and only items on which they differ decide it. `word_of`
follows fixed rules: a model "improved" or "got worse" if the corrected p-value is below CLAIMED and the corrected
95% interval excludes 0. A rise must also be shown among the items whose replies ended in both, or the model may only
be "shorter": fewer replies are cut off. Otherwise the words say how small a difference could have been seen. Knows
nothing of models or storage. Example:
    mcnemar({"a": False, "b": False}, {"a": True, "b": False})   # gained 1, lost 0, p 1.0
Sources: McNemar, Psychometrika 12 (1947) 153; Holm, Scand. J. Statist. 6 (1979) 65;
Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from crescent_lite.evaluation.sample_sizes import CLAIMED, smallest_visible
from crescent_lite.records import PairedComparison

SIGNIFICANT = 0.05
"""Level of the corrected intervals, and of the tests of a verdict on samples, which are more of them and stricter."""
RESAMPLES = 10_000
"""Resamples of the bootstrap (guess)."""
RESAMPLING_SEED = 20260101
Word = Literal["improved", "shorter", "got worse", "no difference shown"]


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
    ended: PairedComparison | None = None
    """The comparison on the items whose replies ended in both models; None if no reply was cut off."""
    family: str = "comparisons"
    """What the comparisons that it is corrected with are, in the plural: 'rounds', 'comparisons of runs'."""
    family_size: int = 1
    """How many comparisons it is corrected with, itself included."""


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
    The comparison the other way round has the same interval with its signs changed.
    """
    items, gained, lost = comparison.items, comparison.gained, comparison.lost
    if not items:
        return -1.0, 1.0
    if lost > gained:
        low, high = paired_interval(replace(comparison, gained=lost, lost=gained), level)
        return -high, -low
    # Half an item is added to each count: otherwise 5 gained and 0 lost would rule out that an item is ever lost.
    shares = np.array([gained + 0.5, lost + 0.5, items - gained - lost + 0.5]) / (items + 1.5)
    counts = np.random.default_rng(RESAMPLING_SEED).multinomial(items, shares, size=RESAMPLES)
    differences = (counts[:, 0] - counts[:, 1]) / items
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def among_ended(
    before: Mapping[str, bool],
    after: Mapping[str, bool],
    ended_before: Mapping[str, bool],
    ended_after: Mapping[str, bool],
) -> PairedComparison | None:
    """Compare two models on the items whose replies ended in both; None if no reply to a shared item was cut off.

    `ended_before` and `ended_after`: item id -> whether the reply ended; an item that is missing there ended.
    """
    shared = before.keys() & after.keys()
    both = {item for item in shared if ended_before.get(item, True) and ended_after.get(item, True)}
    if len(both) == len(shared):
        return None
    return mcnemar({item: before[item] for item in both}, {item: after[item] for item in both})


def corrected(
    comparisons: Sequence[PairedComparison],
    ended: Sequence[PairedComparison | None] | None = None,
    *,
    family: str = "comparisons",
) -> list[ComparisonResult]:
    """Correct several comparisons by Holm's method as one family; return the results in the given order.

    The smallest of m p-values is tested at SIGNIFICANT / m, the next at SIGNIFICANT / (m - 1), and so on until one
    fails. Each interval has the level at which its p-value is tested. `ended`: the result of `among_ended` for each
    comparison. `family`: what the comparisons are, in the plural.
    """
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p_value)
    results: dict[int, ComparisonResult] = {}
    highest_p = 0.0
    for rank, index in enumerate(order):
        tests, comparison = len(comparisons) - rank, comparisons[index]
        highest_p = max(highest_p, min(1.0, tests * comparison.p_value))
        low, high = paired_interval(comparison, 1 - SIGNIFICANT / tests)
        results[index] = ComparisonResult(
            comparison, highest_p, low, high, ended[index] if ended else None, family, len(comparisons)
        )
    return [results[index] for index in range(len(comparisons))]


def word_of(verdict: ComparisonResult) -> Word:
    """What is said of a comparison.

    A rise that is not shown among the replies that ended is 'shorter' if less than half of it is left there, and
    otherwise 'no difference shown'. That test is a further condition of 'improved', at the same corrected level.
    """
    comparison, ended = verdict.comparison, verdict.ended
    if verdict.p_corrected >= CLAIMED or verdict.low <= 0 <= verdict.high:
        return "no difference shown"
    if comparison.difference < 0:
        return "got worse"
    if ended is None:
        return "improved"
    tests = verdict.p_corrected / comparison.p_value if comparison.p_value else 1.0
    if tests * ended.p_value < CLAIMED and ended.difference > 0:
        return "improved"
    return "shorter" if ended.difference < comparison.difference / 2 else "no difference shown"


def in_words(verdict: ComparisonResult) -> str:
    """'improved (n=300, won 25, lost 4, p<0.001)': the word with the numbers behind it."""
    return f"{word_of(verdict)} ({numbers_in_words(verdict)})"


def numbers_in_words(verdict: ComparisonResult) -> str:
    """'n=300, won 25, lost 4, p<0.001', with the corrected p-value where it differs.

    Where replies were cut off and a rise is shown, the comparison among the others follows; where no difference is
    shown, the smallest difference that could have been seen.
    """
    comparison, word = verdict.comparison, word_of(verdict)
    if not comparison.items:
        return "no items"
    numbers = f"n={comparison.items}, {churn_in_words(comparison)}, {p_values_in_words(verdict)}"
    is_rise = verdict.p_corrected < CLAIMED and comparison.difference > 0 and verdict.low > 0
    if is_rise and verdict.ended is not None:
        ended = f"{churn_in_words(verdict.ended)}, {p_in_words(verdict.ended.p_value)}"
        numbers += f"; among the {verdict.ended.items} whose replies ended in both: {ended}"
        numbers += f", where p<{CLAIMED:g} is needed" if word == "no difference shown" else ""
    elif word == "no difference shown":
        discordant = (comparison.gained + comparison.lost + 1) / (comparison.items + 1)
        visible = smallest_visible(comparison.items, discordant)
        numbers += f"; could have seen {100 * visible:.1f} points"
    return numbers


def churn_in_words(comparison: PairedComparison) -> str:
    """How many items changed sides: 'won 25, lost 4'."""
    return f"won {comparison.gained:,}, lost {comparison.lost:,}"


def p_values_in_words(verdict: ComparisonResult) -> str:
    """Both p-values, with the family that the second one is corrected for: 'p=0.012, corrected 0.024 for 2 rounds'.

    A comparison without others has one p-value.
    """
    raw = p_in_words(verdict.comparison.p_value)
    if verdict.family_size == 1:
        return raw
    both = f"{raw}, corrected {p_in_words(verdict.p_corrected).removeprefix('p').removeprefix('=')}"
    return f"{both} for {verdict.family_size:,} {verdict.family}"


def p_in_words(p_value: float) -> str:
    """'p=0.012' or 'p<0.001'."""
    return f"p={p_value:.3f}" if p_value >= 0.001 else "p<0.001"
