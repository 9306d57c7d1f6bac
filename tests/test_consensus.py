"""Votes become a label, or a reason why not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.consensus import decide
from crescent_lite.records import Vote


def votes(*keys: str | None, forms: dict[int, str] | None = None, cut: tuple[int, ...] = ()) -> list[Vote]:
    return [
        Vote(100 + i, i, "text", key, (forms or {}).get(i, "last"), "length" if i in cut else "stop")
        for i, key in enumerate(keys)
    ]


def test_the_leading_answer_is_the_label_from_the_floor_on() -> None:
    consensus = decide(votes("n:12", "n:12", "n:13", None), 0.5)

    assert (consensus.decision, consensus.reason, consensus.answer_key) == ("labelled", "agreed", "n:12")
    assert (consensus.share, consensus.votes, consensus.abstentions, consensus.distinct) == (0.5, 4, 1, 2)
    assert consensus.chosen_vote == 100


def test_a_tie_is_not_a_label() -> None:
    assert decide(votes("n:1", "n:2", "n:1", "n:2"), 0.0).reason == "tie"


def test_abstentions_count_against_the_share() -> None:
    assert decide(votes("n:1", "n:1", None, None, None), 0.5).reason == "low_share"


def test_no_answer_never_wins() -> None:
    consensus = decide(votes(None, None, None, "n:7"), 0.25)

    assert consensus.answer_key == "n:7"
    assert decide(votes(None, None), 0.0).reason == "no_answer"


def test_the_kept_solution_is_the_first_that_marks_its_answer() -> None:
    assert decide(votes("n:1", "n:1", "n:1", forms={2: "boxed", 1: "whole"}), 0.5).chosen_vote == 101


def test_a_solution_that_was_cut_off_is_never_kept() -> None:
    assert decide(votes("n:1", "n:1", cut=(0,)), 0.5).chosen_vote == 101
    assert decide(votes("n:1", "n:1", cut=(0, 1)), 0.5).reason == "cut_off"


@given(st.lists(st.sampled_from(["n:1", "n:2", "n:3", None]), max_size=12), st.floats(0, 1))
def test_a_label_has_its_share_and_no_equal(keys: list[str | None], floor: float) -> None:
    consensus = decide(votes(*keys), floor)

    assert 0 <= consensus.share <= 1
    if consensus.decision == "labelled":
        assert consensus.share >= floor
        leader = keys.count(consensus.answer_key)
        assert all(keys.count(other) < leader for other in set(keys) - {consensus.answer_key, None})
