"""Follows a workspace in a separate thread: checks it every second and reports a snapshot when something has changed.

Owns a read-only connection and the end of the active run's log; knows no widget. It reads only after a write, so
that a burst of writes is one message. Example:
    Follower(workspace, lambda snapshot: app.post_message(SnapshotChanged(snapshot))).follow()
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from crescent_lite.errors import CrescentError
from crescent_lite.following.log_tail import LogTail, parse_event
from crescent_lite.following.throughput import ThroughputMeter
from crescent_lite.intervals import wilson
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot

POLL_SECONDS = 1.0
"""Time between two checks."""


class Follower:
    """Follows one workspace until `end`."""

    def __init__(
        self, workspace: Workspace, on_change: Callable[[WorkspaceSnapshot], object], run_id: int | None = None
    ) -> None:
        self._workspace = workspace
        self._on_change = on_change
        self._run_id = run_id
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._store: Store | None = None
        self._read_at: tuple[int, int | None] | None = None
        self._snapshot = WorkspaceSnapshot()
        self._tail: LogTail | None = None
        self._meter = ThroughputMeter()

    def choose_run(self, run_id: int | None) -> None:
        """From any thread: follow this run; None follows the latest one."""
        self._run_id = run_id
        self._wake.set()

    def check_now(self) -> None:
        """From any thread: check now instead of within a second."""
        self._wake.set()

    def end(self) -> None:
        """From any thread: make `follow` return soon."""
        self._ended.set()
        self._wake.set()

    def follow(self) -> None:
        """In a separate thread: check, report a change, wait; until `end`."""
        try:
            while not self._ended.is_set():
                snapshot = self._check()
                if snapshot != self._snapshot:
                    self._snapshot = snapshot
                    self._on_change(snapshot)
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
        finally:
            self._close()

    def _check(self) -> WorkspaceSnapshot:
        workspace = self._workspace
        busy = workspace.folder.is_dir() and workspace.is_busy()
        seen = replace(
            self._snapshot,
            is_loaded=True,
            engine_is_busy=busy,
            stop_is_requested=busy and workspace.is_asked("stop"),
            pause_is_requested=busy and workspace.is_asked("pause"),
            round_is_requested=busy and workspace.is_asked("round"),
            error=None,
        )
        try:
            if not workspace.database_path.is_file():
                self._close()
                if seen.run:
                    removed = f"the database has been removed: {workspace.database_path.name}"
                    return replace(seen, throughput=None, error=removed)
                return WorkspaceSnapshot(is_loaded=True, engine_is_busy=busy)
            self._store = self._store or Store.open_read_only(workspace.database_path)
            seen = self._read(seen, self._store)
            return self._with_throughput(replace(seen, engine_run_id=self._engine_run_id(seen)))
        except CrescentError as error:
            self._close()
            if busy and seen.run is None and _is_being_created(workspace.database_path):
                return WorkspaceSnapshot(is_loaded=True, engine_is_busy=busy)
            return replace(seen, throughput=None, error=relative_paths(str(error), workspace.folder))

    def _read(self, seen: WorkspaceSnapshot, store: Store) -> WorkspaceSnapshot:
        """Read the run, if the database has been written or another run was chosen since the last read."""
        now = (store.watching.version(), self._run_id)
        if now == self._read_at:
            return seen
        run = store.watching.fetch_snapshot(now[1]) or store.watching.fetch_snapshot()
        scores = tuple((count, wilson(count.right, count.items)) for count in (run.scores if run else ()))
        self._read_at = now
        return replace(
            seen, runs=store.watching.fetch_runs(), run=run, scores=scores, version=self._snapshot.version + 1
        )

    def _engine_run_id(self, seen: WorkspaceSnapshot) -> int | None:
        """The run that the engine works on.

        A run whose engine was killed also has the state 'running': of several, the one with the newest log is active.
        """
        running = [line.run_id for line in seen.runs if line.state == "running"] if seen.engine_is_busy else []
        return max(running, key=lambda run_id: modified_at(self._workspace.log_of(run_id)), default=None)

    def _with_throughput(self, seen: WorkspaceSnapshot) -> WorkspaceSnapshot:
        if seen.run is None or not seen.run_is_active:
            self._tail = None
            return replace(seen, throughput=None)
        path = self._workspace.log_of(seen.run.run_id)
        if self._tail is None or self._tail.path != path:
            self._tail, self._meter = LogTail(path), ThroughputMeter()
        chunk = self._tail.read_new()
        if chunk.is_new_file or chunk.skipped:
            self._meter = ThroughputMeter()
        for line in chunk.lines:
            if event := parse_event(line):
                self._meter.feed(event)
        return replace(seen, throughput=self._meter.throughput())

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = self._read_at = None


def relative_paths(text: str, folder: Path) -> str:
    """A message without the path of the workspace, so that a long path does not push the reason off the screen.

    Example: relative_paths("data/crescent.db: is locked", Path("data")) -> "crescent.db: is locked"
    """
    return re.sub(rf"(?<![^\s'\"(]){re.escape(f'{folder}{os.sep}')}", "", text)


def _is_being_created(database: Path) -> bool:
    """Whether the engine has just created the database, or is migrating it."""
    try:
        return Store.is_older(database)
    except CrescentError:
        return False


def modified_at(path: Path) -> float:
    """When a file was last written, in seconds since 1970; 0 if it does not exist."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
