"""Votes become a label, or a reason for having none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from crescent_lite.config import VoteConfig
from crescent_lite.consensus import Poll, decide, floor_probability, majority_probability, settled, wave_size
from crescent_lite.records import Consensus, Vote


def votes(*keys: str | None, forms: dict[int, str] | None = None, cut: tuple[int, ...] = ()) -> list[Vote]:
    return [
        Vote(100 + i, i, "text", key, (forms or {}).get(i, "last"), "length" if i in cut else "stop")
        for i, key in enumerate(keys)
    ]


def decided(ballots: list[Vote], floor: float) -> Consensus:
    """The consensus when these votes are all that were planned."""
    return decide(ballots, VoteConfig(votes_per_question=max(1, len(ballots)), min_share=floor))


def test_the_leading_answer_is_the_label_from_the_floor_on() -> None:
    consensus = decided(votes("n:12", "n:12", "n:13", None), 0.5)

    assert (consensus.decision, consensus.reason, consensus.answer_key) == ("labelled", "agreed", "n:12")
    assert (consensus.share, consensus.votes, consensus.abstentions, consensus.distinct) == (0.5, 4, 1, 2)
    assert consensus.chosen_vote == 100


def test_a_tie_is_not_a_label() -> None:
    assert decided(votes("n:1", "n:2", "n:1", "n:2"), 0.0).reason == "tie"


def test_abstentions_count_against_the_share() -> None:
    assert decided(votes("n:1", "n:1", None, None, None), 0.5).reason == "low_share"


def test_no_answer_never_wins() -> None:
    consensus = decided(votes(None, None, None, "n:7"), 0.25)

    assert consensus.answer_key == "n:7"
    assert decided(votes(None, None), 0.0).reason == "no_answer"


def test_the_kept_solution_is_the_first_that_marks_its_answer() -> None:
    assert decided(votes("n:1", "n:1", "n:1", forms={2: "boxed", 1: "whole"}), 0.5).chosen_vote == 101


def test_a_solution_that_was_cut_off_is_never_kept() -> None:
    assert decided(votes("n:1", "n:1", cut=(0,)), 0.5).chosen_vote == 101
    assert decided(votes("n:1", "n:1", cut=(0, 1)), 0.5).reason == "cut_off"


@given(st.lists(st.sampled_from(["n:1", "n:2", "n:3", None]), max_size=12), st.floats(0, 1))
def test_a_label_reaches_the_floor_and_has_no_equal(keys: list[str | None], floor: float) -> None:
    consensus = decided(votes(*keys), floor)

    assert 0 <= consensus.share <= 1
    if consensus.decision == "labelled":
        assert consensus.share >= floor
        leader = keys.count(consensus.answer_key)
        assert all(keys.count(other) < leader for other in set(keys) - {consensus.answer_key, None})


# ── policies ─────────────────────────────────────────────────────────────────────────────────────────────────

BAND = VoteConfig(votes_per_question=8, policy="band", min_share=0.3, max_share=0.8)
REFERENCE = VoteConfig(votes_per_question=3, policy="reference")


def test_the_band_leaves_out_what_is_too_hard_and_what_is_too_easy() -> None:
    assert decide(votes(*["n:1"] * 7, "n:2"), BAND).reason == "high_share"
    assert decide(votes(*["n:1"] * 6, "n:2", None), BAND).reason == "agreed"
    assert decide(votes("n:1", "n:1", "n:2", "n:3", *[None] * 4), BAND).reason == "low_share"


def test_the_reference_takes_the_most_common_answer() -> None:
    assert decide(votes("n:1", "n:2", "n:3"), REFERENCE).chosen_vote == 100
    nothing = decide(votes(None, "n:2", None), REFERENCE)
    assert (nothing.decision, nothing.answer_key, nothing.chosen_vote) == ("labelled", None, 100)
    assert (nothing.share, nothing.margin) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    cut = decide(votes("n:1", "n:1", "n:3", cut=(0,)), REFERENCE)
    assert cut.chosen_vote == 100
    assert settled(votes("n:1", "n:1"), REFERENCE) is None
    assert decide([], REFERENCE).reason == "no_answer"


def test_the_kept_solution_is_the_policys() -> None:
    ballots = [
        Vote(1, 0, "a long solution", "n:1", "boxed", "stop", -0.30),
        Vote(2, 1, "a short one", "n:1", "boxed", "stop", -0.20),
        Vote(3, 2, "shorter", "n:1", "last", "stop", -0.01),
        Vote(4, 3, "cut", "n:1", "boxed", "length", -0.01),
        Vote(5, 4, "a likely solution", "n:1", "boxed", "stop", -0.10),
        Vote(6, 5, "no log-probability", "n:1", "boxed", "stop"),
    ]
    kept = {
        keep: decide(ballots, VoteConfig(votes_per_question=6, keep=keep)).chosen_vote  # type: ignore[arg-type]
        for keep in ("first", "shortest", "likeliest")
    }
    assert kept == {"first": 1, "shortest": 2, "likeliest": 5}


def test_margin_and_entropy_tell_how_sure_the_votes_are() -> None:
    sure = decided(votes("n:1", "n:1", "n:1", "n:1"), 0.5)
    torn = decided(votes("n:1", "n:1", "n:2", "n:3"), 0.5)
    lost = decided(votes("n:1", "n:1", "n:2", None), 0.5)

    assert (sure.margin, sure.entropy) == (1, 0)
    assert (torn.margin, torn.entropy) == (0.25, 1.5)
    assert lost.entropy == pytest.approx(0.918, abs=0.001)
    assert decided(votes(None, None), 0.5).entropy == 0


POLICIES = st.sampled_from(
    [
        VoteConfig(votes_per_question=12, stopping="never", policy=policy, keep=keep)  # type: ignore[arg-type]
        for policy in ("majority", "band", "reference")
        for keep in ("first", "shortest", "likeliest")
    ]
)
BALLOTS = st.lists(st.sampled_from(["n:1", "n:2", "n:3", None]), max_size=12).flatmap(
    lambda keys: st.permutations(votes(*keys))
)


@given(BALLOTS, POLICIES)
def test_the_order_in_which_votes_come_never_matters(shuffled: list[Vote], rule: VoteConfig) -> None:
    assert decide(shuffled, rule) == decide(sorted(shuffled, key=lambda vote: vote.sample_index), rule)


@given(st.lists(st.sampled_from(["n:1", "n:2", "n:3", None]), min_size=1, max_size=12), st.floats(0, 1))
def test_more_votes_for_the_leader_never_lose_the_label(keys: list[str | None], floor: float) -> None:
    before = decided(votes(*keys), floor)
    after = decided(votes(*keys, before.answer_key), floor)

    if before.decision == "labelled":
        assert (after.decision, after.answer_key, after.chosen_vote) == (
            "labelled",
            before.answer_key,
            before.chosen_vote,
        )
        assert after.share >= before.share
        assert after.margin >= before.margin


@given(st.lists(st.sampled_from(["n:1", "n:2", None]), min_size=8, max_size=8))
def test_in_the_band_stopping_early_changes_no_label(keys: list[str | None]) -> None:
    ballots = votes(*keys)
    early, _ = drawn_in_waves(ballots, BAND)
    full = decide(ballots, BAND)

    assert (early.decision, early.answer_key) == (full.decision, full.answer_key) or (
        full.decision == "rejected" == early.decision
    )
    assert early.chosen_vote == full.chosen_vote


# ── stopping ─────────────────────────────────────────────────────────────────────────────────────────────────

KEYS = st.sampled_from(["n:1", "n:2", "n:3", None])


def policy(planned: int = 8, floor: float = 0.5, stopping: Any = "exact") -> VoteConfig:
    return VoteConfig(votes_per_question=planned, min_share=floor, stopping=stopping)


def drawn_in_waves(ballots: list[Vote], rule: VoteConfig) -> tuple[Consensus, list[int]]:
    """Draw votes until the question is settled; returns the consensus and the sizes of the waves."""
    poll, waves = Poll(1, rule), []
    while wave := poll.start_wave():
        waves.append(len(wave))
        for index in wave:
            poll.add(ballots[index])
    return poll.decide(), waves


def test_five_equal_votes_of_eight_settle_it() -> None:
    verdict, waves = drawn_in_waves(votes(*["n:1"] * 8), policy())

    assert (verdict.answer_key, verdict.votes, verdict.planned, verdict.stopped) == ("n:1", 5, 8, "leader_certain")
    assert waves == [5]


def test_a_floor_that_no_answer_can_reach_settles_it() -> None:
    verdict, waves = drawn_in_waves(votes("n:1", "n:2", "n:3", None, None, None, "n:1", "n:1"), policy())

    assert (verdict.decision, verdict.stopped) == ("rejected", "floor_out_of_reach")
    assert (sum(waves), verdict.votes) == (6, 6)


def test_without_stopping_every_vote_is_drawn() -> None:
    verdict, waves = drawn_in_waves(votes(*["n:1"] * 8), policy(stopping="never"))

    assert waves == [8]
    assert verdict.stopped == "all_drawn"


def test_the_beta_rule_stops_at_four_equal_votes() -> None:
    verdict, waves = drawn_in_waves(votes(*["n:1"] * 16), policy(16, stopping="beta"))

    assert waves == [4]  # 1 - 1/2^5 = 0.969
    assert verdict.stopped == "leader_probable"
    assert majority_probability(4, 0) == 1 - 1 / 32


def test_the_beta_rule_gives_up_a_floor_that_will_hardly_be_reached() -> None:
    verdict, waves = drawn_in_waves(votes(*[f"n:{n}" for n in range(16)]), policy(16, stopping="beta"))

    assert (verdict.decision, verdict.stopped) == ("rejected", "floor_improbable")
    assert waves == [4, 2]  # the exact rule needs 10
    # After 6 votes, 1 of them for the leader: 7 of the other 10 would have to follow.
    assert floor_probability(1, 6, policy(16)) == pytest.approx(betabinom.sf(6, 10, 2, 6))


@given(st.integers(1, 20), st.data(), st.floats(0, 1))
def test_the_chance_of_reaching_the_floor_is_beta_binomial(planned: int, data: st.DataObject, floor: float) -> None:
    drawn = data.draw(st.integers(0, planned))
    leader = data.draw(st.integers(0, drawn))
    needed = next(count for count in range(planned + 1) if count / planned >= floor) - leader
    chance = betabinom.sf(needed - 1, planned - drawn, leader + 1, drawn - leader + 1)

    assert floor_probability(leader, drawn, policy(planned, floor)) == pytest.approx(chance, abs=1e-9)


@given(st.lists(KEYS, min_size=1, max_size=40), st.floats(0, 1))
def test_a_floor_that_was_given_up_is_not_a_label(keys: list[str | None], floor: float) -> None:
    verdict, _ = drawn_in_waves(votes(*keys), policy(len(keys), floor, "beta"))

    assert verdict.decision == "rejected" or verdict.stopped not in ("floor_improbable", "floor_out_of_reach")


def test_a_leader_without_a_finished_solution_is_not_settled() -> None:
    ballots = votes(*["n:1"] * 8, cut=(0, 1, 2, 3, 4, 5))
    verdict, waves = drawn_in_waves(ballots, policy())

    assert waves == [5, 1, 1]
    assert verdict.chosen_vote == 106


@given(
    st.lists(KEYS, min_size=1, max_size=9),
    st.floats(0, 1),
    st.sets(st.integers(0, 8), max_size=5),
)
def test_the_exact_rule_decides_what_the_full_vote_decides(
    keys: list[str | None], floor: float, cut: set[int]
) -> None:
    ballots, rule = votes(*keys, cut=tuple(cut)), policy(len(keys), floor)
    full = decided(ballots, floor)
    verdict, waves = drawn_in_waves(ballots, rule)

    assert verdict.decision == full.decision
    if full.decision == "labelled":
        assert verdict.answer_key == full.answer_key
    assert verdict.votes == sum(waves) <= len(keys)


@given(st.lists(KEYS, max_size=7), st.floats(0, 1), st.sampled_from(["exact", "beta"]))
def test_no_vote_of_a_wave_could_have_been_spared(keys: list[str | None], floor: float, stopping: str) -> None:
    ballots, rule = votes(*keys), policy(8, floor, stopping)
    if settled(ballots, rule):
        return
    for short in range(1, wave_size(ballots, rule)):
        for key in ["n:1", "n:2", "n:3", None]:
            more = votes(*keys, *[key] * short)
            assert settled(more, rule) is None


def test_a_wave_is_not_asked_for_twice() -> None:
    poll = Poll(1, policy())

    assert len(poll.start_wave()) == 5
    assert poll.start_wave() == ()
