"""Properties of a training's plan: its steps, its learning rate, its default settings, and when it stops early."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.config import TrainConfig
from crescent_lite.training.batches import hold_out, learning_rate_fraction, plan_steps
from crescent_lite.training.defaults import resolved
from crescent_lite.training.stopping import LossWatch

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 3), st.integers(1, 40), st.integers(1, 9), st.integers(0, 9))
def test_each_epoch_sees_each_example_once(
    lengths: list[int], epochs: int, batch_size: int, micro_batch_size: int, seed: int
) -> None:
    steps = plan_steps(lengths, epochs=epochs, batch_size=batch_size, micro_batch_size=micro_batch_size, seed=seed)
    per_epoch = math.ceil(len(lengths) / batch_size)
    assert len(steps) == epochs * per_epoch
    for epoch in range(epochs):
        of_epoch = steps[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert Counter(i for step in of_epoch for micro in step for i in micro) == Counter(range(len(lengths)))
    assert all(sum(map(len, step)) <= batch_size for step in steps)
    most_tokens = micro_batch_size * max(lengths)
    assert all(len(micro) * max(lengths[i] for i in micro) <= most_tokens for step in steps for micro in step)


def test_half_an_epoch_is_half_the_steps() -> None:
    assert len(plan_steps([9] * 40, epochs=0.5, batch_size=8, micro_batch_size=4, seed=1)) == 3


def test_another_seed_is_another_order() -> None:
    first, second = (plan_steps([9] * 40, epochs=1, batch_size=8, micro_batch_size=4, seed=seed) for seed in (1, 2))
    assert first != second


@given(st.integers(0, 50))
def test_examples_of_similar_length_share_a_micro_batch(seed: int) -> None:
    chance = random.Random(seed)
    lengths = [chance.randint(20, 400) for _ in range(300)]
    steps = plan_steps(lengths, epochs=1, batch_size=8, micro_batch_size=4, seed=seed)
    filled_up = sum(len(micro) * max(lengths[i] for i in micro) for step in steps for micro in step)
    assert filled_up < 1.1 * sum(lengths)  # in random order it would be 1.6


@given(st.integers(50, 400), st.floats(0.01, 0.5), st.integers(0, 9))
def test_held_out_examples_are_not_learnt(count: int, share: float, seed: int) -> None:
    learnt, held_out = hold_out(range(count), share, seed)
    assert sorted([*learnt, *held_out]) == list(range(count))
    assert len(held_out) == math.ceil(share * count)


def test_with_few_examples_none_are_held_out() -> None:
    assert hold_out(range(49), 0.5, 1) == (list(range(49)), [])


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from(["cosine", "linear", "constant"]))
def test_every_step_learns_and_the_rate_rises_then_falls(
    steps: int, warmup: float, schedule: Literal["cosine", "linear", "constant"]
) -> None:
    fractions = [learning_rate_fraction(step, steps, warmup, schedule) for step in range(1, steps + 1)]
    assert all(0 < each <= 1 for each in fractions)
    peak = fractions.index(max(fractions))
    assert max(fractions) == pytest.approx(1)
    assert fractions[: peak + 1] == sorted(fractions[: peak + 1])
    assert fractions[peak:] == sorted(fractions[peak:], reverse=True)


def test_a_loss_that_rises_past_the_bound_stops() -> None:
    watch = LossWatch()
    assert [watch.note_loss(step, loss) for step, loss in enumerate([1.0, 0.8, 0.6, 0.5, 0.4], 1)] == [None] * 5
    reasons = [watch.note_loss(step, 9.0) for step in (6, 7)]
    assert next(filter(None, reasons)).startswith("the loss rose from 0.66 to")  # type: ignore[arg-type]
    assert watch.best_step == 4


@given(st.lists(st.floats(0.1, 1.5), min_size=1, max_size=60))
def test_a_loss_that_only_wavers_does_not_stop(losses: list[float]) -> None:
    watch = LossWatch()
    assert not any(watch.note_loss(step, loss) for step, loss in enumerate(losses, 1))


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_once(loss: float) -> None:
    watch = LossWatch()
    watch.note_loss(1, 1.0)
    assert watch.note_loss(2, loss) == f"the loss became {loss} at step 2"


def test_a_held_out_loss_that_rises_twice_stops_and_the_best_step_is_known() -> None:
    watch = LossWatch()
    assert [watch.note_held_out(step, loss) for step, loss in ((4, 1.0), (8, 0.7), (12, 0.8))] == [None] * 3
    assert watch.note_held_out(16, 0.9) == "the loss of the held-out examples rose from 0.700 to 0.900 by step 16"
    assert watch.best_step == 8
    assert watch.note_loss(17, 0.0) is None
    assert watch.best_step == 8


@pytest.mark.parametrize(
    ("parameters", "examples", "wanted"),
    [
        (135_000_000, 42, (2e-4, 4.0, 8)),
        (494_000_000, 100, (2e-4, 4.0, 8)),
        (8_000_000_000, 200, (2e-4, 2.0, 8)),
        (32_000_000_000, 5_000, (1e-4, 2.0, 16)),
    ],
)
def test_settings_of_zero_follow_from_the_model_and_the_examples(
    parameters: int, examples: int, wanted: tuple[float, float, int]
) -> None:
    config = resolved(TrainConfig(), parameters=parameters, examples=examples)
    assert (config.learning_rate, config.epochs, config.batch_size) == wanted


def test_the_users_own_settings_stay() -> None:
    config = TrainConfig(learning_rate=1e-3, epochs=7, batch_size=3)
    assert resolved(config, parameters=1, examples=1_000) == config
