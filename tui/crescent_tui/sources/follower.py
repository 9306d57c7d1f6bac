"""Follows a workspace from a thread of its own: opens the database read-only, looks every second, says what it saw.

Owns a reading connection, and the end of the log of the run at work; knows no widget. Nothing is read while nothing
has been written, and nothing is said while nothing has changed, so a burst of writes is one message. Example:
    Follower(workspace, lambda sight: app.post_message(WorkspaceSeen(sight))).follow()
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from crescent_lite.errors import CrescentError
from crescent_lite.intervals import wilson
from crescent_lite.records import Score
from crescent_lite.store import Store
from crescent_lite.store.watching import RunLine, RunSnapshot, ScoreCount
from crescent_lite.workspace import Workspace
from crescent_tui.sources.log_tail import LogTail, logged_event
from crescent_tui.sources.throughput import Pulse, PulseMeter

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Sight:
    """How the workspace stands, as seen at one moment. All texts are as stored: untrusted."""

    looked: bool = False
    """False before the first look is over."""
    engine_is_busy: bool = False
    stop_is_requested: bool = False
    pause_is_requested: bool = False
    round_is_requested: bool = False
    runs: tuple[RunLine, ...] = ()
    """All runs, the newest first."""
    engine_run_id: int | None = None
    """The run the engine works on, while it is busy."""
    run: RunSnapshot | None = None
    """The chosen run, else the latest. None: there is no run yet."""
    scores: tuple[tuple[ScoreCount, Score], ...] = ()
    pulse: Pulse | None = None
    """How fast the engine is at the stage it is at; None while it is not at work on the run that is shown."""
    version: int = 0
    """Changes whenever the database has been written: then what a screen has read may be out of date."""
    trouble: str | None = None
    """Why the database cannot be read just now."""

    @property
    def run_is_at_work(self) -> bool:
        """Whether the engine works on the run that is shown."""
        return self.engine_is_busy and self.run is not None and self.run.run_id == self.engine_run_id


class Follower:
    """Looks at one workspace until it is told to end."""

    def __init__(self, workspace: Workspace, tell: Callable[[Sight], object], run_id: int | None = None) -> None:
        self._workspace = workspace
        self._tell = tell
        self._run_id = run_id
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._store: Store | None = None
        self._read_at: tuple[int, int | None] | None = None
        self._sight = Sight()
        self._tail: LogTail | None = None
        self._meter = PulseMeter()

    def choose_run(self, run_id: int | None) -> None:
        """From any thread: look at this run; None is the latest, whichever that is."""
        self._run_id = run_id
        self._wake.set()

    def look_now(self) -> None:
        """From any thread: do not wait for the next second."""
        self._wake.set()

    def end(self) -> None:
        """From any thread: `follow` returns soon."""
        self._ended.set()
        self._wake.set()

    def follow(self) -> None:
        """Look, tell what changed, wait; until `end`."""
        try:
            while not self._ended.is_set():
                sight = self._look()
                if sight != self._sight:
                    self._sight = sight
                    self._tell(sight)
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
        finally:
            self._close()

    def _look(self) -> Sight:
        workspace = self._workspace
        busy = workspace.folder.is_dir() and workspace.is_busy()
        seen = replace(
            self._sight,
            looked=True,
            engine_is_busy=busy,
            stop_is_requested=busy and workspace.is_asked("stop"),
            pause_is_requested=busy and workspace.is_asked("pause"),
            round_is_requested=busy and workspace.is_asked("round"),
            trouble=None,
        )
        try:
            if not workspace.database_path.is_file():
                self._close()
                if seen.run:
                    gone = f"{workspace.database_path}: is not there any more; it was shown here a moment ago"
                    return replace(seen, pulse=None, trouble=gone)
                return Sight(looked=True, engine_is_busy=busy)
            self._store = self._store or Store.open_read_only(workspace.database_path)
            seen = self._read(seen, self._store)
            return self._with_pulse(replace(seen, engine_run_id=self._engine_run_id(seen)))
        except CrescentError as error:
            self._close()
            return replace(seen, pulse=None, trouble=str(error))

    def _read(self, seen: Sight, store: Store) -> Sight:
        """Only what can have changed since the last read."""
        now = (store.watching.version(), self._run_id)
        if now == self._read_at:
            return seen
        run = store.watching.fetch_snapshot(now[1]) or store.watching.fetch_snapshot()
        scores = tuple((count, wilson(count.right, count.items)) for count in (run.scores if run else ()))
        self._read_at = now
        return replace(
            seen, runs=store.watching.fetch_runs(), run=run, scores=scores, version=self._sight.version + 1
        )

    def _engine_run_id(self, seen: Sight) -> int | None:
        """A run that was killed says 'running' too: of several, the one whose log was written last."""
        running = [line.run_id for line in seen.runs if line.state == "running"] if seen.engine_is_busy else []
        return max(running, key=lambda run_id: written_at(self._workspace.log_of(run_id)), default=None)

    def _with_pulse(self, seen: Sight) -> Sight:
        if seen.run is None or not seen.run_is_at_work:
            self._tail = None
            return replace(seen, pulse=None)
        path = self._workspace.log_of(seen.run.run_id)
        if self._tail is None or self._tail.path != path:
            self._tail, self._meter = LogTail(path), PulseMeter()
        look = self._tail.look()
        if look.anew or look.passed_over:
            self._meter = PulseMeter()
        for line in look.lines:
            if event := logged_event(line):
                self._meter.feed(event)
        return replace(seen, pulse=self._meter.pulse())

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = self._read_at = None


def written_at(path: Path) -> float:
    """When a file was last written, in seconds since 1970; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
