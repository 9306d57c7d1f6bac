"""How fast the engine is at what it does just now: from its events and their times. Pure.

Counts only what this engine process did, and no time in which it held still. Times are seconds. Example:
    meter = PulseMeter()
    for event in events: meter.feed(event)
    meter.pulse()     # Pulse(stage="vote", done=120, total=800, per_minute=38.2, tokens_per_second=812, ...)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

from crescent_lite.events import Stage
from crescent_tui.sources.log_tail import LoggedEvent

POINTS = 60
POINT_SECONDS = 2.0
"""What one point of the history stands for."""
NOW_SECONDS = 10.0
"""Over which "now" is a mean (guess: long enough for batches, short enough to see a change)."""
RECENT_SECONDS = 60.0
"""Over which the items a minute are counted."""
MOST = 10**12
"""No count of a real log is larger."""


@dataclass(frozen=True)
class Pulse:
    """The stage at work."""

    stage: Stage
    done: int = 0
    """Stored in all, also by earlier processes."""
    total: int = 0
    """0 is not known yet."""
    per_minute: float | None = None
    """Items a minute, over the last one; None before there is a pace."""
    tokens_per_second: float | None = None
    """In the last seconds; None where no tokens are counted yet."""
    history: tuple[float, ...] = ()
    """Tokens a second, POINT_SECONDS each, the newest last."""
    left_seconds: float | None = None
    """Until the stage is complete, at the mean pace of this process; None before there is one."""
    last_at: float = 0.0
    """When the last item came, seconds since 1970."""
    paused: bool = False
    loss: float | None = None
    """Of the last training step, nats."""


class PulseMeter:
    """Fed with the events of one run, in their order. What makes no sense among them is passed over."""

    def __init__(self) -> None:
        self._at_work: _StageMeter | None = None
        self._held = 0.0
        """Seconds of pauses so far."""
        self._paused_at: float | None = None

    def feed(self, event: LoggedEvent) -> None:
        """One more event."""
        match event.kind:
            case "RunStarted":  # another process: nothing of the one before counts, nor its pause
                self._at_work, self._paused_at = None, None
            case "StageFinished" | "RunFinished":
                self._at_work = None
            case "RunPaused":
                self._paused_at = event.at
            case "RunResumed" if self._paused_at is not None:
                self._held += max(0.0, event.at - self._paused_at)
                self._paused_at = None
            case "StageStarted":
                self._start(event)
            case "StageProgressed":
                self._progress(event)
            case "TrainingStepped" if isinstance(event.detail.get("step"), dict):
                self._step(event, event.detail["step"])

    def pulse(self) -> Pulse | None:
        """Where the stage is, and how fast; None between stages."""
        return self._at_work.pulse(paused=self._paused_at is not None) if self._at_work else None

    def _start(self, event: LoggedEvent) -> None:
        self._at_work = None
        stage, done, total = _fields(event.detail, "stage", "done", "total")
        if stage in get_args(Stage) and _is_count(done) and _is_count(total):
            self._at_work = _StageMeter(stage, done, total, event.at)
            if stage != "train":  # it loads a model first, which says nothing of its steps
                self._at_work.mark(_Mark(event.at - self._held, done, 0))

    def _progress(self, event: LoggedEvent) -> None:
        stage, done, total, tokens = _fields(event.detail, "stage", "done", "total", "tokens")
        if stage in get_args(Stage) and _is_count(done) and _is_count(total) and _is_count(tokens):
            self._meter(stage, done, total, event.at).mark(_Mark(event.at - self._held, done, tokens))

    def _step(self, event: LoggedEvent, step: dict[str, Any]) -> None:
        """A training says itself how fast it is, so its tokens are those of its pace."""
        done, total, pace, loss = _fields(step, "step", "steps", "tokens_per_second", "loss")
        if not (_is_count(done) and _is_count(total) and _is_amount(pace)):
            return
        meter, seconds = self._meter("train", done, total, event.at), event.at - self._held
        before = meter.marks[-1] if meter.marks else None
        tokens = before.tokens + max(0.0, seconds - before.seconds) * pace if before else 0.0
        meter.mark(_Mark(seconds, done, tokens))
        meter.pace, meter.loss = float(pace), float(loss) if _is_amount(loss) else None

    def _meter(self, stage: Stage, done: int, total: int, at: float) -> _StageMeter:
        """The one of the stage at work; another one where the log begins in the middle of a stage."""
        meter = self._at_work
        if meter is None or meter.stage != stage or done < meter.done:
            meter = self._at_work = _StageMeter(stage, done, total, at)
        meter.done, meter.total, meter.last_at = done, total, at
        return meter


@dataclass(frozen=True)
class _Mark:
    """A stage at one moment."""

    seconds: float
    """Pauses taken out."""
    done: int
    tokens: float


class _StageMeter:
    """One stage in one process."""

    def __init__(self, stage: Stage, done: int, total: int, at: float) -> None:
        self.stage, self.done, self.total, self.last_at = stage, done, total, at
        self.pace: float | None = None
        """Tokens a second, of a stage that says so itself."""
        self.loss: float | None = None
        self.marks: deque[_Mark] = deque()
        """Of the last RECENT_SECONDS, and the one before."""
        self._first: _Mark | None = None
        self._points: dict[int, float] = {}
        """Tokens by point of time."""

    def mark(self, mark: _Mark) -> None:
        """The stage has come so far."""
        if self.marks:
            self._spread(self.marks[-1], mark)
        self._first = self._first or mark
        self.marks.append(mark)
        while len(self.marks) > 2 and self.marks[1].seconds <= mark.seconds - RECENT_SECONDS:
            self.marks.popleft()

    def pulse(self, *, paused: bool) -> Pulse:
        """What is known of it."""
        last = self.marks[-1] if self.marks else None
        pace = _pace(self._first, last) if self._first and last else None
        recent = _pace(self.marks[0], last) if last else None
        return Pulse(
            stage=self.stage,
            done=self.done,
            total=self.total,
            per_minute=recent * 60 if recent else None,
            tokens_per_second=self.pace if self.pace is not None else self._now(),
            history=self._history(),
            left_seconds=max(0, self.total - self.done) / pace if pace else None,
            last_at=self.last_at,
            paused=paused,
            loss=self.loss,
        )

    def _now(self) -> float | None:
        """Over the last seconds, or since the item before where that is longer ago."""
        if len(self.marks) < 2 or not self.marks[-1].tokens:
            return None
        last = self.marks[-1]
        earlier = islice(reversed(self.marks), 1, None)
        since = next((mark for mark in earlier if mark.seconds <= last.seconds - NOW_SECONDS), self.marks[0])
        seconds = last.seconds - since.seconds
        return max(0.0, last.tokens - since.tokens) / seconds if seconds > 0 else None

    def _spread(self, before: _Mark, mark: _Mark) -> None:
        """What was drawn between two items, over the points of that time."""
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
        """Whole points only: the one at hand would always look like a fall."""
        if not self._points:
            return ()
        at_hand = _point(self.marks[-1].seconds)
        begin = max(min(self._points), at_hand - POINTS)
        return tuple(round(self._points.get(point, 0.0) / POINT_SECONDS, 1) for point in range(begin, at_hand))


def _fields(detail: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """Whatever stands there; None where nothing does."""
    return tuple(detail.get(name) for name in names)


def _point(seconds: float) -> int:
    return int(seconds // POINT_SECONDS)


def _pace(first: _Mark, last: _Mark) -> float | None:
    """Items a second."""
    seconds, items = last.seconds - first.seconds, last.done - first.done
    return items / seconds if seconds > 0 and items > 0 else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST  # NaN is not
