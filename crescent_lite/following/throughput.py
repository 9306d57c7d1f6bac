"""How fast the engine works on the current stage, computed from its events and their times. Pure.

Counts only the work of the current engine process, and no pauses. Times are in seconds. Example:
    meter = ThroughputMeter()
    for event in events: meter.feed(event)
    meter.throughput()     # Throughput(stage="vote", done=120, total=800, items_per_minute=38.2, ...)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

from crescent_lite.events import Stage, tokens_left
from crescent_lite.following.log_tail import LoggedEvent

POINTS = 60
"""Length of the history."""
POINT_SECONDS = 2.0
"""The time that one point of the history covers."""
NOW_SECONDS = 10.0
"""The window for tokens per second (guess: long enough for batches, short enough to show a change)."""
RECENT_SECONDS = 60.0
"""The window for items per minute."""
MOST = 10**12
"""A larger count in a log is ignored as invalid."""


@dataclass(frozen=True)
class Throughput:
    """The speed of the current stage."""

    stage: Stage
    done: int = 0
    """Items stored so far, including those of earlier processes."""
    total: int = 0
    """Items of the stage; 0 if not known yet."""
    items_per_minute: float | None = None
    """Rate over the last minute; None before the second item."""
    tokens_per_second: float | None = None
    """Rate over the last ten seconds; None before any tokens are counted."""
    history: tuple[float, ...] = ()
    """Tokens per second, one value per POINT_SECONDS, newest last."""
    remaining_seconds: float | None = None
    """Time until the stage is complete, at the mean speed of this process, counted in tokens if those of unfinished
    items are known; None before the first item, without tokens before the second."""
    last_item_at: float = 0.0
    """The time of the last item, in seconds since 1970."""
    last_item_clock: float | None = None
    """The same moment by the monotonic clock of the engine's machine; None in logs of earlier versions."""
    paused: bool = False
    loss: float | None = None
    """The loss of the last training step, in nats per token; None outside training."""

    def quiet_seconds(self, at: float, clock: float) -> float:
        """Seconds since the last item. `at`: now, in seconds since 1970; `clock`: now, by the monotonic clock.

        The clock of the day may have been set since, and the monotonic clock may be another machine's: the smaller
        of the two that are possible counts.
        """
        by_clock = clock - self.last_item_clock if self.last_item_clock is not None else -1.0
        return min((each for each in (at - self.last_item_at, by_clock) if each >= 0), default=0.0)


class ThroughputMeter:
    """Measures from the events of one run, fed in order. Invalid events are ignored."""

    def __init__(self) -> None:
        self._at_work: _StageMeter | None = None
        self._paused_seconds = 0.0
        """Seconds paused so far."""
        self._paused_at: float | None = None

    def feed(self, event: LoggedEvent) -> None:
        """Take the next event into account."""
        match event.kind:
            case "RunStarted":  # a new process: discard the previous one's stage and pause
                self._at_work, self._paused_at = None, None
            case "StageFinished" | "RunFinished":
                self._at_work = None
            case "RunPaused":
                self._paused_at = event.seconds
            case "RunResumed" if self._paused_at is not None:
                self._paused_seconds += max(0.0, event.seconds - self._paused_at)
                self._paused_at = None
            case "StageStarted":
                self._start(event)
            case "StageProgressed":
                self._progress(event)
            case "TrainingStepped" if isinstance(event.detail.get("step"), dict):
                self._step(event, event.detail["step"])

    def throughput(self) -> Throughput | None:
        """The speed of the current stage; None between stages."""
        return self._at_work.throughput(paused=self._paused_at is not None) if self._at_work else None

    def _start(self, event: LoggedEvent) -> None:
        self._at_work = None
        stage, done, total = _fields(event.detail, "stage", "done", "total")
        if stage in get_args(Stage) and _is_count(done) and _is_count(total):
            self._at_work = _StageMeter(stage, done, total, event)
            if stage != "train":  # training loads a model first, which is not part of its speed
                self._at_work.mark(_Mark(event.seconds - self._paused_seconds, done, 0))

    def _progress(self, event: LoggedEvent) -> None:
        stage, done, total, tokens = _fields(event.detail, "stage", "done", "total", "tokens")
        under_way = event.detail.get("under_way", 0)  # not in the logs of earlier versions
        if stage in get_args(Stage) and all(map(_is_count, (done, total, tokens, under_way))):
            meter = self._meter(stage, done, total, event)
            meter.under_way = under_way
            meter.mark(_Mark(event.seconds - self._paused_seconds, done, tokens))

    def _step(self, event: LoggedEvent, step: dict[str, Any]) -> None:
        """Training reports tokens per second itself, so tokens are computed from that."""
        done, total, pace, loss = _fields(step, "step", "steps", "tokens_per_second", "loss")
        if not (_is_count(done) and _is_count(total) and _is_amount(pace)):
            return
        meter, seconds = self._meter("train", done, total, event), event.seconds - self._paused_seconds
        before = meter.marks[-1] if meter.marks else None
        tokens = before.tokens + max(0.0, seconds - before.seconds) * pace if before else 0.0
        meter.mark(_Mark(seconds, done, tokens))
        meter.pace, meter.loss = float(pace), float(loss) if _is_amount(loss) else None

    def _meter(self, stage: Stage, done: int, total: int, event: LoggedEvent) -> _StageMeter:
        """The meter of the current stage; a new one if the log begins in the middle of the stage."""
        meter = self._at_work
        if meter is None or meter.stage != stage or done < meter.done:
            meter = self._at_work = _StageMeter(stage, done, total, event)
        meter.done, meter.total, meter.last = done, total, event
        return meter


@dataclass(frozen=True)
class _Mark:
    """The progress of a stage at one moment."""

    seconds: float
    """Time without pauses."""
    done: int
    tokens: float


class _StageMeter:
    """The meter of one stage in one process."""

    def __init__(self, stage: Stage, done: int, total: int, last: LoggedEvent) -> None:
        self.stage, self.done, self.total, self.last = stage, done, total, last
        self.pace: float | None = None
        """Tokens per second, if the stage reports them itself."""
        self.loss: float | None = None
        self.under_way = 0
        """Items whose replies are being drawn; 0 if unknown."""
        self.marks: deque[_Mark] = deque()
        """The marks of the last RECENT_SECONDS and the one before."""
        self._first: _Mark | None = None
        self._points: dict[int, float] = {}
        """Tokens by point of the history."""

    def mark(self, mark: _Mark) -> None:
        """Record the progress of the stage."""
        if self.marks:
            self._spread(self.marks[-1], mark)
        self._first = self._first or mark
        self.marks.append(mark)
        while len(self.marks) > 2 and self.marks[1].seconds <= mark.seconds - RECENT_SECONDS:
            self.marks.popleft()

    def throughput(self, *, paused: bool) -> Throughput:
        """The speed so far."""
        last = self.marks[-1] if self.marks else None
        pace = _pace(self._first, last) if self._first and last else None
        recent = _pace(self.marks[0], last) if last else None
        return Throughput(
            stage=self.stage,
            done=self.done,
            total=self.total,
            items_per_minute=recent * 60 if recent else None,
            tokens_per_second=self.pace if self.pace is not None else self._now(),
            history=self._history(),
            remaining_seconds=self._by_tokens() if self.under_way else self._by_items(pace),
            last_item_at=self.last.at,
            last_item_clock=self.last.clock,
            paused=paused,
            loss=self.loss,
        )

    def _by_items(self, pace: float | None) -> float | None:
        return max(0, self.total - self.done) / pace if pace else None

    def _by_tokens(self) -> float | None:
        """Seconds left, from the tokens drawn in this stage, those of unfinished items included."""
        if not (self._first and self.marks and self.marks[-1].tokens):
            return None
        last, seconds = self.marks[-1], self.marks[-1].seconds - self._first.seconds
        finished = max(0, self.done - self._first.done)
        left = tokens_left(int(last.tokens), finished, self.under_way, max(0, self.total - self.done))
        return left * seconds / last.tokens if seconds > 0 else None

    def _now(self) -> float | None:
        """Tokens per second over NOW_SECONDS, or since the previous item if that is longer ago."""
        if len(self.marks) < 2 or not self.marks[-1].tokens:
            return None
        last = self.marks[-1]
        earlier = islice(reversed(self.marks), 1, None)
        since = next((mark for mark in earlier if mark.seconds <= last.seconds - NOW_SECONDS), self.marks[0])
        seconds = last.seconds - since.seconds
        return max(0.0, last.tokens - since.tokens) / seconds if seconds > 0 else None

    def _spread(self, before: _Mark, mark: _Mark) -> None:
        """Spread the tokens between two items evenly over the points of that time."""
        seconds, tokens = mark.seconds - before.seconds, max(0.0, mark.tokens - before.tokens)
        first, last = _point(before.seconds), _point(mark.seconds)
        for point in range(max(first, last - POINTS), last + 1):
            begin = max(before.seconds, point * POINT_SECONDS)
            end = min(mark.seconds, (point + 1) * POINT_SECONDS)
            part = (end - begin) / seconds if seconds > 0 else 1.0
            self._points[point] = self._points.get(point, 0.0) + tokens * max(0.0, part)
        for old in [point for point in self._points if point < last - POINTS]:
            del self._points[old]

    def _history(self) -> tuple[float, ...]:
        """Complete points only: the current one would always look like a drop."""
        if not self._points:
            return ()
        at_hand = _point(self.marks[-1].seconds)
        begin = max(min(self._points), at_hand - POINTS)
        return tuple(round(self._points.get(point, 0.0) / POINT_SECONDS, 1) for point in range(begin, at_hand))


def _fields(detail: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """The values of these fields; None for a missing one."""
    return tuple(detail.get(name) for name in names)


def _point(seconds: float) -> int:
    return int(seconds // POINT_SECONDS)


def _pace(first: _Mark, last: _Mark) -> float | None:
    """Items per second; None if no item or no time has passed."""
    seconds, items = last.seconds - first.seconds, last.done - first.done
    return items / seconds if seconds > 0 and items > 0 else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST  # NaN is not
