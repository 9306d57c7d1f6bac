"""When a training stops early, and after which step its adapter was best."""

from __future__ import annotations

import math

import pytest

from crescent_lite.training.stopping import MAX_RISE, PATIENCE, RECENT, LossWatch


def fed(losses: list[float]) -> tuple[LossWatch, str | None]:
    watch, stopped = LossWatch(), None
    for step, loss in enumerate(losses, 1):
        if stopped := watch.note_loss(step, loss):
            break
    return watch, stopped


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_once(loss: float) -> None:
    assert fed([1.0, loss])[1] == f"the loss became {loss} at step 2"


def test_a_rise_stops_and_the_best_step_is_the_one_before_the_lowest_mean_ended() -> None:
    watch, stopped = fed([2.0] * RECENT + [1.0] * RECENT + [1.0 + 3 * MAX_RISE] * RECENT)
    assert stopped is not None
    assert stopped.startswith("the loss rose from 1.00 to ")
    assert watch.best_step == 2 * RECENT - 1


def test_a_rise_in_the_first_batches_does_not_stop() -> None:
    assert fed([1.0, 1.0 + 2 * MAX_RISE, 1.0, 1.0 + 2 * MAX_RISE, 1.0])[1] is None


def test_held_out_losses_decide_when_there_are_any() -> None:
    watch = LossWatch()
    looks = [0.9, 0.8, *[0.85] * PATIENCE]
    stopped = [watch.note_held_out(10 * number, loss) for number, loss in enumerate(looks, 1)]
    assert stopped[:-1] == [None] * (len(looks) - 1)
    assert stopped[-1] == "the loss of the held-out examples rose from 0.800 to 0.850 by step 40"
    assert watch.best_step == 20
    for step in range(41, 60):
        watch.note_loss(step, 0.1)
    assert watch.best_step == 20
