"""Rates, history and time left, computed from the events of this process without pauses."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescent_lite.following.log_tail import LoggedEvent
from crescent_lite.following.throughput import POINTS, Throughput, ThroughputMeter


def event(kind: str, at: float, **detail: Any) -> LoggedEvent:
    return LoggedEvent(kind, at, "", detail)


def started(at: float, done: int = 0, total: int = 100, stage: str = "vote") -> LoggedEvent:
    return event("StageStarted", at, stage=stage, done=done, total=total, round=1)


def progressed(at: float, done: int, total: int = 100, tokens: int = 0, stage: str = "vote") -> LoggedEvent:
    return event("StageProgressed", at, stage=stage, done=done, total=total, tokens=tokens, note="")


def stepped(at: float, step: int, steps: int = 100, pace: Any = 500.0, loss: Any = 2.0) -> LoggedEvent:
    detail = {"step": step, "steps": steps, "tokens_per_second": pace, "loss": loss, "tokens": 10 * step}
    return event("TrainingStepped", at, step=detail)


def throughput_of(*events: LoggedEvent) -> Throughput:
    found = fed(*events).throughput()
    assert found
    return found


def fed(*events: LoggedEvent) -> ThroughputMeter:
    meter = ThroughputMeter()
    for each in events:
        meter.feed(each)
    return meter


def test_a_steady_stage_has_a_rate_and_a_time_left() -> None:
    throughput = throughput_of(started(0), *(progressed(n, n, tokens=50 * n) for n in range(1, 41)))
    assert (throughput.stage, throughput.done, throughput.total) == ("vote", 40, 100)
    assert throughput.items_per_minute == pytest.approx(60)
    assert throughput.tokens_per_second == pytest.approx(50)
    assert throughput.remaining_seconds == pytest.approx(60)
    assert throughput.history == (50.0,) * 20


def test_the_time_left_counts_the_tokens_of_unfinished_items() -> None:
    """300 items of 100 tokens each at 50 tokens a second: 600 s, of which 60 are over."""
    first = event("StageProgressed", 60, stage="vote", done=5, total=300, tokens=3000, note="", under_way=50)
    assert throughput_of(started(0, total=300), first).remaining_seconds == pytest.approx(540)


def test_before_the_first_item_there_is_no_rate() -> None:
    throughput = throughput_of(started(0, done=30))
    assert (
        throughput.done,
        throughput.items_per_minute,
        throughput.tokens_per_second,
        throughput.remaining_seconds,
    ) == (30, None, None, None)
    assert throughput.history == ()


def test_between_stages_there_is_no_throughput() -> None:
    assert ThroughputMeter().throughput() is None
    assert fed(started(0), progressed(1, 1), event("StageFinished", 2)).throughput() is None


def test_a_resumed_stage_counts_only_the_work_of_this_process() -> None:
    throughput = throughput_of(started(0, done=80), *(progressed(n, 80 + n, tokens=10 * n) for n in range(1, 11)))
    assert throughput.items_per_minute == pytest.approx(60)
    assert throughput.remaining_seconds == pytest.approx(10)


def test_a_pause_does_not_count() -> None:
    before = [progressed(n, n, tokens=50 * n) for n in range(1, 11)]
    meter = fed(started(0), *before, event("RunPaused", 10))
    assert (paused := meter.throughput()) and paused.paused
    for each in [
        event("RunResumed", 1010, seconds=1000),
        *(progressed(1000 + n, n, tokens=50 * n) for n in range(11, 21)),
    ]:
        meter.feed(each)
    throughput = meter.throughput()
    assert throughput and not throughput.paused
    assert throughput.items_per_minute == pytest.approx(60)
    assert throughput.tokens_per_second == pytest.approx(50)
    assert throughput.remaining_seconds == pytest.approx(80)
    assert set(throughput.history) == {50.0}


def test_the_rate_is_that_of_the_last_minute_and_the_time_left_that_of_the_whole_stage() -> None:
    slow = [progressed(10 * n, n, total=1000) for n in range(1, 11)]
    fast = [progressed(100 + n, 10 + n, total=1000) for n in range(1, 101)]
    throughput = throughput_of(started(0, total=1000), *slow, *fast)
    assert throughput.items_per_minute == pytest.approx(60)
    assert throughput.remaining_seconds == pytest.approx(890 / (110 / 200))


def test_tokens_of_a_slow_item_are_spread_over_its_time() -> None:
    throughput = throughput_of(started(0), progressed(30, 1, tokens=3000), progressed(60, 2, tokens=6000))
    assert throughput.tokens_per_second == pytest.approx(100)
    assert throughput.history == (100.0,) * 30


def test_the_history_has_its_length_and_no_more() -> None:
    throughput = throughput_of(started(0, total=5000), *(progressed(n, n, 5000, tokens=n) for n in range(1, 1001)))
    assert len(throughput.history) == POINTS


def test_a_log_that_begins_in_the_middle_of_a_stage_is_understood() -> None:
    throughput = throughput_of(*(progressed(n, 500 + n, total=1000, tokens=9000 + 50 * n) for n in range(11)))
    assert throughput.items_per_minute == pytest.approx(60)
    assert throughput.tokens_per_second == pytest.approx(50)


def test_another_process_begins_from_nothing() -> None:
    meter = fed(started(0), progressed(1, 1, tokens=5), event("RunPaused", 2), event("RunStarted", 500, resumed=True))
    assert meter.throughput() is None
    for each in (started(510, done=1), progressed(511, 2, tokens=7)):
        meter.feed(each)
    throughput = meter.throughput()
    assert throughput and not throughput.paused
    assert throughput.items_per_minute == pytest.approx(60)


def test_training_reports_its_own_speed_and_loading_is_not_a_step() -> None:
    throughput = throughput_of(
        started(0, 0, 0, "train"), *(stepped(60 + 2 * n, n, loss=3 - n / 100) for n in range(1, 11))
    )
    assert (throughput.stage, throughput.done, throughput.total) == ("train", 10, 100)
    assert throughput.items_per_minute == pytest.approx(30)
    assert throughput.remaining_seconds == pytest.approx(180)
    assert throughput.tokens_per_second == 500
    assert throughput.loss == pytest.approx(2.9)
    assert set(throughput.history) == {500.0}


def test_a_loss_that_is_not_a_number_is_none() -> None:
    assert throughput_of(stepped(0, 1, loss=math.nan)).loss is None


def test_a_clock_set_back_does_no_harm() -> None:
    throughput = throughput_of(started(100), progressed(50, 1, tokens=10), progressed(51, 2, tokens=20))
    assert throughput.done == 2
    assert all(point >= 0 for point in throughput.history)


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
def test_any_log_gives_finite_numbers(events: list[LoggedEvent]) -> None:
    throughput = fed(*events).throughput()
    if throughput:
        numbers = (
            throughput.items_per_minute,
            throughput.tokens_per_second,
            throughput.remaining_seconds,
            throughput.loss,
            *throughput.history,
        )
        assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)
        assert throughput == fed(*events).throughput()
