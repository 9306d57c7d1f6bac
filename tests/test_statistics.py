"""Intervals and tests against published and hand-worked values."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.evaluation import mcnemar, verdict_in_words, wilson
from crescent_lite.records import PairedComparison


@pytest.mark.parametrize(
    ("right", "items", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_the_published_table(right: int, items: int, low: float, high: float) -> None:
    score = wilson(right, items)
    assert (score.low, score.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert score.fraction == right / items


def test_without_items_nothing_is_known() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).fraction) == (0.0, 1.0, 0.0)


@given(st.integers(1, 2000).flatmap(lambda items: st.tuples(st.integers(0, items), st.just(items))))
def test_the_interval_contains_the_score(counts: tuple[int, int]) -> None:
    score = wilson(*counts)
    assert 0 <= score.low <= score.fraction + 1e-12 and score.fraction - 1e-12 <= score.high <= 1


def test_more_right_than_items_is_a_bug() -> None:
    with pytest.raises(ValueError, match="5 right of 4"):
        wilson(5, 4)


def answers(both: int, gained: int, lost: int, neither: int) -> tuple[dict[str, bool], dict[str, bool]]:
    pairs = [(True, True)] * both + [(False, True)] * gained + [(True, False)] * lost + [(False, False)] * neither
    before = {f"item-{index}": pair[0] for index, pair in enumerate(pairs)}
    return before, {f"item-{index}": pair[1] for index, pair in enumerate(pairs)}


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (10, 2, 158 / 4096),
        (2, 10, 158 / 4096),
        (7, 7, 1.0),
    ],
)
def test_mcnemar_is_the_two_sided_binomial_on_the_discordant_pairs(gained: int, lost: int, p_value: float) -> None:
    comparison = mcnemar(*answers(30, gained, lost, 20))
    assert (comparison.items, comparison.gained, comparison.lost) == (50 + gained + lost, gained, lost)
    assert comparison.p_value == pytest.approx(p_value)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_symmetric_and_exact(gained: int, lost: int) -> None:
    there, back = mcnemar(*answers(1, gained, lost, 1)), mcnemar(*answers(1, lost, gained, 1))
    pairs = gained + lost
    tail = sum(comb(pairs, k) for k in range(min(gained, lost) + 1)) / 2**pairs
    assert there.p_value == pytest.approx(min(1.0, 2 * tail))
    assert back.p_value == pytest.approx(there.p_value)


def test_only_items_that_both_answered_are_compared() -> None:
    comparison = mcnemar({"a": False, "b": True, "c": True}, {"a": True, "b": True, "d": False})
    assert (comparison.items, comparison.gained, comparison.lost) == (2, 1, 0)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value", "words"),
    [
        (20, 4, 0.0015, "improved (n=300, p=0.002)"),
        (4, 20, 0.0000001, "got worse (n=300, p<0.001)"),
        (12, 8, 0.503, "no difference shown (n=300, p=0.503)"),
        (15, 6, 0.05, "no difference shown (n=300, p=0.050)"),
    ],
)
def test_words_follow_the_numbers(gained: int, lost: int, p_value: float, words: str) -> None:
    assert verdict_in_words(PairedComparison(300, gained, lost, p_value)) == words
