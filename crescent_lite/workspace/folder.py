"""A workspace: the folder of one series of runs. Its paths, its lock, and what its engine is asked to do.

Knows files only. The lock is the operating system's, so a killed engine leaves none behind.
Example: with Workspace(Path("data")).lock(): ...
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import filelock

from crescent_lite.config import CONFIG_NAME
from crescent_lite.errors import StorageError, WorkspaceError, file_errors

EngineRequest = Literal["stop", "pause", "round"]
"""To end after the item at hand; to hold still as long as this stands; to play one more round."""
STOP_SECONDS = 20.0
LOCK_SECONDS = 1.0
"""How long an engine waits for the lock: a watcher that asks `is_busy` holds it for a moment."""


@dataclass(frozen=True)
class Workspace:
    """Where everything of a series of runs lies."""

    folder: Path

    @property
    def config_path(self) -> Path:
        """The user's settings."""
        return self.folder / CONFIG_NAME

    @property
    def database_path(self) -> Path:
        """Every question and every vote."""
        return self.folder / "crescent.db"

    @property
    def adapters(self) -> Path:
        """One folder for each trained round."""
        return self.folder / "adapters"

    @property
    def exports(self) -> Path:
        """Reports and data sets."""
        return self.folder / "exports"

    @property
    def logs(self) -> Path:
        """One JSON-lines file a run."""
        return self.folder / "logs"

    def log_of(self, run_id: int) -> Path:
        """Every event of one run."""
        return self.logs / f"run-{run_id}.jsonl"

    @property
    def notes(self) -> Path:
        """People's remarks that are not in the database yet."""
        return self.folder / "notes.jsonl"

    def require(self) -> Workspace:
        """Itself, if `crescent init` has been here. Raises WorkspaceError."""
        if not self.config_path.is_file():
            raise WorkspaceError(f"{self.folder}: is not a workspace; run `crescent init {self.folder}` first")
        return self

    def create(self, config_text: str) -> Path:
        """Make the folder and its settings file. Raises WorkspaceError where there is one, or StorageError."""
        if self.config_path.exists():
            raise WorkspaceError(f"{self.config_path}: is there already; it is left as it is")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.config_path.write_text(config_text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{self.folder}: cannot be written: {error.strerror}") from None
        return self.config_path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one engine of this workspace. Raises WorkspaceError when another one is at work."""
        lock = filelock.FileLock(self.folder / ".engine.lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WorkspaceError(
                f"{self.folder}: in use by another run{self._holder()}; "
                "watch it with `crescent status`, end it with `crescent stop`"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.folder}: cannot be written: {error.strerror}") from None
        try:
            with file_errors(self._pid_file):
                self._pid_file.write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
                for old in get_args(EngineRequest):
                    self.take(old)
            yield
        finally:
            self._pid_file.unlink(missing_ok=True)
            lock.release()

    def is_busy(self) -> bool:
        """Whether an engine is at work here."""
        lock = filelock.FileLock(self.folder / ".engine.lock", timeout=0)
        try:
            with lock:
                return False
        except filelock.Timeout:
            return True
        except OSError:
            return False  # a read-only folder has no engine

    def ask(self, request: EngineRequest) -> None:
        """Ask the engine, whoever started it. Raises StorageError."""
        with file_errors(self._request_file(request)):
            self._request_file(request).touch()

    def is_asked(self, request: EngineRequest) -> bool:
        """Whether somebody asked and the request still stands."""
        return self._request_file(request).exists()

    def take(self, request: EngineRequest) -> bool:
        """Whether somebody asked; the request is then taken away."""
        asked = self.is_asked(request)
        self._request_file(request).unlink(missing_ok=True)
        return asked

    def stop_engine(self) -> bool:
        """Ask the engine to stop and wait until it has. False when none is at work. Raises WorkspaceError."""
        if not self.is_busy():
            return False
        self.ask("stop")
        until = time.monotonic() + STOP_SECONDS
        while self.is_busy():
            if time.monotonic() > until:
                raise WorkspaceError(f"{self.folder}: the run{self._holder()} has not stopped in {STOP_SECONDS:g} s")
            time.sleep(0.1)
        return True

    def _request_file(self, request: EngineRequest) -> Path:
        return self.folder / f"{request}-requested"

    @property
    def _pid_file(self) -> Path:
        return self.folder / ".engine.json"

    def _holder(self) -> str:
        try:
            return f" (process {json.loads(self._pid_file.read_text(encoding='utf-8'))['pid']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
