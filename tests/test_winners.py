"""Which votes of a question are learnt: distinct winners, and pairs with losers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.answers.equations import equations
from crescent_lite.answers.likeness import may_be_equal
from crescent_lite.records import FinishReason, Label, Vote
from crescent_lite.stages.winners import (
    LENGTH_GAP,
    LENGTH_RATIO,
    MOST_USES,
    Pair,
    distinct_winners,
    matched_in_length,
    pairs,
)

RIGHT = "n:12"


def vote(
    number: int,
    key: str | None,
    text: str = "",
    *,
    form: str | None = "boxed",
    reason: FinishReason = "stop",
) -> Vote:
    return Vote(number, number, text or f"{number} + 1 = {key}", key, form if key else None, reason)


votes_of = st.lists(
    st.builds(
        lambda key, length, form, reason: (key, "x" * length, form, reason),
        st.sampled_from(["n:12", "n:13", "n:7", "%:12", None]),
        st.integers(1, 400),
        st.sampled_from(["boxed", "last"]),
        st.sampled_from(["stop", "length"]),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: [vote(i, key, text, form=form, reason=reason) for i, (key, text, form, reason) in enumerate(rows)])


@given(votes_of, st.integers(1, 6))
def test_a_pair_is_a_marked_winner_over_an_ended_loser_with_fewer_votes(votes: list[Vote], most: int) -> None:
    found = pairs(votes, RIGHT, most)
    assert len(found) <= most
    for pair in found:
        assert (pair.winner.answer_key, pair.winner.finish_reason, pair.winner.answer_form) == (
            RIGHT,
            "stop",
            "boxed",
        )
        assert pair.loser.finish_reason == "stop"
        assert pair.loser.answer_key not in (None, RIGHT, "%:12")  # 12% may be the same answer
        assert 0 < pair.weight <= 1
        assert 1 / LENGTH_RATIO <= len(pair.winner.text) / len(pair.loser.text) <= LENGTH_RATIO
    assert all(sum(each.winner == pair.winner for each in found) <= MOST_USES for pair in found)
    assert len({pair.loser.vote_id for pair in found}) == len(found)


def test_the_weight_is_the_difference_of_the_two_answers_shares() -> None:
    votes = [vote(i, RIGHT) for i in range(5)] + [vote(5, "n:7"), vote(6, "n:7"), vote(7, "n:9")]
    weights = {pair.loser.answer_key: pair.weight for pair in pairs(votes, RIGHT, 2)}
    assert weights == {"n:9": 4 / 8, "n:7": 3 / 8}


def test_each_losing_answer_comes_before_a_second_loser_of_one() -> None:
    votes = [vote(i, RIGHT) for i in range(6)] + [vote(6, "n:7"), vote(7, "n:7"), vote(8, "n:9"), vote(9, "n:1")]
    losers = [pair.loser.answer_key for pair in pairs(votes, RIGHT, 4)]
    assert losers == ["n:9", "n:1", "n:7", "n:7"]


def test_a_narrow_lead_gives_no_pairs() -> None:
    votes = [vote(0, RIGHT), vote(1, RIGHT), vote(2, RIGHT), vote(3, "n:7"), vote(4, "n:7")]
    assert pairs(votes, RIGHT, 4) == []


def test_winners_differ_in_their_equations_and_the_labels_own_comes_first() -> None:
    votes = [
        vote(0, RIGHT, "6 + 6 = 12"),
        vote(1, RIGHT, "So 6+6=12."),
        vote(2, RIGHT, "3 * 4 = 12"),
        vote(3, RIGHT, "2 * 6 = 12", reason="length"),
        vote(4, "n:7", "3 + 4 = 7"),
    ]
    label = Label(1, 1, 1, "What is 6 + 6?", 2, "3 * 4 = 12", RIGHT, 0.5)
    assert [each.vote_id for each in distinct_winners(votes, label, 4)] == [2, 0]
    assert [each.vote_id for each in distinct_winners(votes, label, 1)] == [2]


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), max_size=20))
def test_pairs_left_are_matched_in_length_and_in_their_order(lengths: list[tuple[int, int]]) -> None:
    found = [
        Pair(vote(2 * i, RIGHT, "x" * winner), vote(2 * i + 1, "n:7", "x" * loser), 0.5)
        for i, (winner, loser) in enumerate(lengths)
    ]
    kept = matched_in_length(found)
    winners, losers = (sum(len(getattr(pair, side).text) for pair in kept) for side in ("winner", "loser"))
    assert abs(winners - losers) <= LENGTH_GAP * losers
    assert [pair for pair in found if pair in kept] == kept


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("n:12", "n:12", True),
        ("n:12", "n:13", False),
        ("n:1/3", "n:333/1000", True),
        ("%:60", "n:3/5", True),
        ("%:60", "n:60", True),
        ("r:1:2", "n:1/2", True),
        ("n:100", "n:101", False),
        ("b:yes", "b:no", False),
        ("t:15:45", "t:15:30", False),
        ("n:-5", "n:5", False),
    ],
)
def test_answers_that_may_be_equal_are_no_contrast(first: str, second: str, same: bool) -> None:
    assert may_be_equal(first, second) is same
    assert may_be_equal(second, first) is same


def test_equations_are_read_from_prose_and_latex() -> None:
    assert equations("3 bags of $4 cost 3 * 4 = $12, and 12 + 5 = 17.") == ("3*4=12", "12+5=17")
    assert equations(r"\[3 \times 4 = 12\] then 1,200 ÷ 4 = 300") == ("3*4=12", "1200/4=300")
    assert equations("no sums here, only x = 4") == ()


@given(st.text(max_size=300))
def test_any_text_has_a_list_of_equations(text: str) -> None:
    assert all("=" in each for each in equations(text))
