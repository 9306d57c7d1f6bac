"""Rates, history and time left from events; of this process, without the pauses."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescent_tui.sources.log_tail import LoggedEvent
from crescent_tui.sources.throughput import POINTS, Pulse, PulseMeter


def event(kind: str, at: float, **detail: Any) -> LoggedEvent:
    return LoggedEvent(kind, at, "", detail)


def started(at: float, done: int = 0, total: int = 100, stage: str = "vote") -> LoggedEvent:
    return event("StageStarted", at, stage=stage, done=done, total=total, round=1)


def progressed(at: float, done: int, total: int = 100, tokens: int = 0, stage: str = "vote") -> LoggedEvent:
    return event("StageProgressed", at, stage=stage, done=done, total=total, tokens=tokens, note="")


def stepped(at: float, step: int, steps: int = 100, pace: Any = 500.0, loss: Any = 2.0) -> LoggedEvent:
    detail = {"step": step, "steps": steps, "tokens_per_second": pace, "loss": loss, "tokens": 10 * step}
    return event("TrainingStepped", at, step=detail)


def pulse_of(*events: LoggedEvent) -> Pulse:
    found = fed(*events).pulse()
    assert found
    return found


def fed(*events: LoggedEvent) -> PulseMeter:
    meter = PulseMeter()
    for each in events:
        meter.feed(each)
    return meter


def test_a_steady_stage_has_its_pace_and_the_time_left() -> None:
    pulse = pulse_of(started(0), *(progressed(n, n, tokens=50 * n) for n in range(1, 41)))
    assert (pulse.stage, pulse.done, pulse.total) == ("vote", 40, 100)
    assert pulse.per_minute == pytest.approx(60)
    assert pulse.tokens_per_second == pytest.approx(50)
    assert pulse.left_seconds == pytest.approx(60)
    assert pulse.history == (50.0,) * 20


def test_before_the_first_item_there_is_no_pace() -> None:
    pulse = pulse_of(started(0, done=30))
    assert (pulse.done, pulse.per_minute, pulse.tokens_per_second, pulse.left_seconds) == (30, None, None, None)
    assert pulse.history == ()


def test_between_stages_there_is_no_pulse() -> None:
    assert PulseMeter().pulse() is None
    assert fed(started(0), progressed(1, 1), event("StageFinished", 2)).pulse() is None


def test_a_resumed_stage_counts_only_what_this_process_did() -> None:
    pulse = pulse_of(started(0, done=80), *(progressed(n, 80 + n, tokens=10 * n) for n in range(1, 11)))
    assert pulse.per_minute == pytest.approx(60)
    assert pulse.left_seconds == pytest.approx(10)


def test_a_pause_does_not_count() -> None:
    before = [progressed(n, n, tokens=50 * n) for n in range(1, 11)]
    meter = fed(started(0), *before, event("RunPaused", 10))
    assert (paused := meter.pulse()) and paused.paused
    for each in [
        event("RunResumed", 1010, seconds=1000),
        *(progressed(1000 + n, n, tokens=50 * n) for n in range(11, 21)),
    ]:
        meter.feed(each)
    pulse = meter.pulse()
    assert pulse and not pulse.paused
    assert pulse.per_minute == pytest.approx(60)
    assert pulse.tokens_per_second == pytest.approx(50)
    assert pulse.left_seconds == pytest.approx(80)
    assert set(pulse.history) == {50.0}


def test_the_rate_is_that_of_the_last_minute_and_the_time_left_that_of_the_whole_stage() -> None:
    slow = [progressed(10 * n, n, total=1000) for n in range(1, 11)]
    fast = [progressed(100 + n, 10 + n, total=1000) for n in range(1, 101)]
    pulse = pulse_of(started(0, total=1000), *slow, *fast)
    assert pulse.per_minute == pytest.approx(60)
    assert pulse.left_seconds == pytest.approx(890 / (110 / 200))


def test_tokens_of_a_slow_item_are_spread_over_its_time() -> None:
    pulse = pulse_of(started(0), progressed(30, 1, tokens=3000), progressed(60, 2, tokens=6000))
    assert pulse.tokens_per_second == pytest.approx(100)
    assert pulse.history == (100.0,) * 30


def test_the_history_has_its_length_and_no_more() -> None:
    pulse = pulse_of(started(0, total=5000), *(progressed(n, n, 5000, tokens=n) for n in range(1, 1001)))
    assert len(pulse.history) == POINTS


def test_a_log_that_begins_in_the_middle_of_a_stage_is_understood() -> None:
    pulse = pulse_of(*(progressed(n, 500 + n, total=1000, tokens=9000 + 50 * n) for n in range(11)))
    assert pulse.per_minute == pytest.approx(60)
    assert pulse.tokens_per_second == pytest.approx(50)


def test_another_process_begins_from_nothing() -> None:
    meter = fed(started(0), progressed(1, 1, tokens=5), event("RunPaused", 2), event("RunStarted", 500, resumed=True))
    assert meter.pulse() is None
    for each in (started(510, done=1), progressed(511, 2, tokens=7)):
        meter.feed(each)
    pulse = meter.pulse()
    assert pulse and not pulse.paused
    assert pulse.per_minute == pytest.approx(60)


def test_a_training_says_its_own_pace_and_its_loading_is_no_step() -> None:
    pulse = pulse_of(started(0, 0, 0, "train"), *(stepped(60 + 2 * n, n, loss=3 - n / 100) for n in range(1, 11)))
    assert (pulse.stage, pulse.done, pulse.total) == ("train", 10, 100)
    assert pulse.per_minute == pytest.approx(30)
    assert pulse.left_seconds == pytest.approx(180)
    assert pulse.tokens_per_second == 500
    assert pulse.loss == pytest.approx(2.9)
    assert set(pulse.history) == {500.0}


def test_a_loss_that_is_no_number_is_none() -> None:
    assert pulse_of(stepped(0, 1, loss=math.nan)).loss is None


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    pulse = pulse_of(started(100), progressed(50, 1, tokens=10), progressed(51, 2, tokens=20))
    assert pulse.done == 2
    assert all(point >= 0 for point in pulse.history)


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.sampled_from(["ask", "vote", "train", 10**400]),
)  # fmt: skip
KINDS = st.sampled_from(
    ["RunStarted", "StageStarted", "StageProgressed", "TrainingStepped", "RunPaused", "RunResumed", "StageFinished"]
)
DETAIL = st.dictionaries(
    st.sampled_from(["stage", "done", "total", "tokens", "steps", "tokens_per_second", "loss"]), HOSTILE
)
EVENTS = st.builds(
    LoggedEvent, KINDS, st.floats(-1e9, 1e10), st.just(""),
    st.one_of(DETAIL, DETAIL.map(lambda detail: {"step": detail}), HOSTILE.map(lambda each: {"step": each})),
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(EVENTS, max_size=8))
def test_whatever_stands_in_a_log_a_pulse_is_made_of_plain_numbers(events: list[LoggedEvent]) -> None:
    pulse = fed(*events).pulse()
    if pulse:
        numbers = (pulse.per_minute, pulse.tokens_per_second, pulse.left_seconds, pulse.loss, *pulse.history)
        assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)
        assert pulse == fed(*events).pulse()
