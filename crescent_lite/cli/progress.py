"""Progress of a run on stderr: live bars on a terminal, elsewhere one line of text every ten seconds.

Knows events and the terminal, nothing of the method. Example:
    with RunProgress(console(stderr=True)) as progress:
        for event in events: progress.show(event)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from crescent_lite.cli.stage_titles import TITLES
from crescent_lite.events import (
    AlarmFired,
    AskingStopped,
    ControlLeftOut,
    Event,
    RoundAdded,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StageFinished,
    StageProgressed,
    StageStarted,
    ThoughtsUnfinished,
    TrainingStepped,
    tokens_left,
)
from crescent_lite.printable import duration, printable

PLAIN_SECONDS = 10.0
"""Seconds between two lines of one stage without live bars."""


class RunProgress:
    """Shows the events of a run while it is in progress."""

    def __init__(
        self, console: Console, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = clock
        self._verbose = verbose
        """Whether each item gets a line of its own."""
        self._live = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.fields[title]:<20}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[rate]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._stage = ""
        self._began = self._spoke = 0.0
        self._first: tuple[float, int] | None = None
        """When the stage's first item was reported: seconds since its start, pauses excluded, and items done."""
        self._done_before = 0
        """Items of the stage that earlier processes stored."""
        self._warnings = _Warnings(self._say)
        """Shows what the sampler warns of at once, also while it waits and there are no events."""

    def __enter__(self) -> RunProgress:
        self._bars.start()
        logging.getLogger("crescent_lite").addHandler(self._warnings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("crescent_lite").removeHandler(self._warnings)
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                verb = "resumes" if event.resumed else "starts"
                self._say(f"run {event.run_id} {verb}: {event.rounds} round(s), model {event.model}")
                if event.kept_settings:
                    names = ", ".join(event.kept_settings)
                    self._say(f"changed settings that this run ignores: {names}; --new starts a run with them")
            case RoundStarted(number=0):
                pass
            case RoundStarted():
                self._say(f"round {event.number}")
            case StageStarted():
                self._start(event)
            case StageProgressed():
                rate = f"{event.tokens / max(self._clock() - self._began, 1e-3):,.0f} tok/s" if event.tokens else ""
                self._update(event.done, event.total, rate, self._by_tokens(event))
                if self._verbose:
                    self._say(f"    {event.stage} {event.done:,}/{event.total:,}: {event.note}")
            case TrainingStepped():
                step = event.step
                self._update(step.step, step.steps, f"loss {step.loss:.3f}  {step.tokens_per_second:,.0f} tok/s")
            case StageFinished():
                self._finish(event)
            case RunPaused():
                self._say("  paused; `crescent resume` continues the run")
            case RunResumed():
                self._began += event.seconds
                self._say(f"  resumed after {duration(event.seconds)}")
            case ControlLeftOut():
                self._say(f"control {event.control} left out: {event.reason}")
            case RoundAdded():
                self._say(f"  the next round will be played even after an alarm; rounds in total: {event.rounds}")
            case AskingStopped():
                self._say(f"  asking stopped early: {event.reason}")
            case ThoughtsUnfinished():
                self._say(f"  {event.words}")
            case AlarmFired():
                self._say(f"  ALARM {event.name.replace('_', ' ')}: {event.words}")
            case RoundFinished():
                self._say(f"round {event.number} done: {event.outcome}")
            case RunFinished():
                if event.reason:
                    self._say(f"the run ended early: {event.reason}")

    def _start(self, event: StageStarted) -> None:
        self._stage = TITLES[event.stage] + (" (base)" if event.round == 0 else "")
        self._began = self._spoke = self._clock()
        self._first, self._done_before = None, event.done
        self._task = self._bars.add_task(
            "", total=max(event.total, 1), completed=event.done, title=self._stage, rate=""
        )

    def _by_tokens(self, event: StageProgressed) -> float | None:
        """Seconds left, from the tokens drawn so far, those of unfinished items included; None with servers."""
        if not event.under_way:
            return None
        elapsed = self._clock() - self._began
        left = tokens_left(event.tokens, event.done - self._done_before, event.under_way, event.total - event.done)
        return left * elapsed / event.tokens if event.tokens else None

    def _update(self, done: int, total: int, rate: str, seconds_left: float | None = None) -> None:
        now = self._clock()
        elapsed = now - self._began
        # Measured from the first item, since a model is loaded before it and a whole batch is decoded at once.
        waited, before = self._first = self._first or (elapsed, done)
        if seconds_left is None and done > before:
            seconds_left = (elapsed - waited) / (done - before) * max(0, total - done)
        left = "" if seconds_left is None else f"{duration(seconds_left)} left"
        line = f"{rate}  {left}".strip()
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=max(total, 1), rate=line)
        if not self._live and now - self._spoke >= PLAIN_SECONDS:
            self._spoke = now
            self._say(f"  {self._stage}: {done:,}/{total:,}  {line}")

    def _finish(self, event: StageFinished) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        speed = f", {event.tokens / event.seconds:,.0f} tok/s" if event.tokens and event.seconds else ""
        self._say(f"  {self._stage}: {event.done:,} in {duration(event.seconds)}{speed}")

    def _say(self, line: str) -> None:
        self._console.print(printable(line), markup=False, highlight=False)


class _Warnings(logging.Handler):
    """Passes the text of each warning on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = say

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(f"  {record.getMessage()}")
