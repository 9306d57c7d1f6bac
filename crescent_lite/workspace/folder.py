"""The workspace, the folder of a series of runs: its paths, its lock, and the requests to its engine.

Knows files only. The lock is the operating system's, so a killed engine leaves no lock behind. Example:
    with Workspace(Path("data")).lock(): ...
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import filelock

from crescent_lite.config import CONFIG_NAME
from crescent_lite.errors import StorageError, WorkspaceError, disk_words, file_errors
from crescent_lite.files import write_whole
from crescent_lite.workspace.links import refuse_links_out
from crescent_lite.workspace.surroundings import refuse_network_drive

EngineRequest = Literal["stop", "pause", "round"]
"""What an engine can be asked to do. stop: end the run, keeping every finished item. pause: wait until the request is
withdrawn. round: play one more round."""
STOP_SECONDS = 20.0
"""Time that a stopped engine has to end (guess)."""
LOCK_SECONDS = 1.0
"""How long an engine waits for the lock, which a watcher that calls `is_busy` holds for a moment (guess)."""


@dataclass(frozen=True)
class Workspace:
    """The paths of a workspace, its lock, and the requests to its engine."""

    folder: Path

    @property
    def config_path(self) -> Path:
        """The file with the user's settings."""
        return self.folder / CONFIG_NAME

    @property
    def database_path(self) -> Path:
        """The database, which holds everything that the runs produced, except adapters and logs."""
        return self.folder / "crescent.db"

    @property
    def adapters(self) -> Path:
        """The folder of the trained adapters, `run-N/round-N` for each."""
        return self.folder / "adapters"

    @property
    def exports(self) -> Path:
        """The folder of reports, data sets and exported models."""
        return self.folder / "exports"

    @property
    def cache(self) -> Path:
        """The folder of what can be made again and is deleted when a run ends: the copy with a merged adapter."""
        return self.folder / "cache"

    @property
    def logs(self) -> Path:
        """The folder of the logs, one JSON-lines file per run."""
        return self.folder / "logs"

    def log_of(self, run_id: int) -> Path:
        """The log of one run, with every event."""
        return self.logs / f"run-{run_id}.jsonl"

    @property
    def checksum_cache(self) -> Path:
        """The file of known checksums of model files, which saves reading them again."""
        return self.folder / ".checksums.json"

    @property
    def notes(self) -> Path:
        """The file of notes that are not in the database yet."""
        return self.folder / "notes.jsonl"

    def require(self) -> Workspace:
        """Return this workspace. Raises WorkspaceError if the folder is not one, or a link in it leads out of it."""
        if not self.config_path.is_file():
            raise WorkspaceError(f"{self.folder}: is not a workspace; run `crescent init {self.folder}` first")
        refuse_links_out(self.folder)
        return self

    def create(self, config_text: str) -> Path:
        """Create the folder, its settings file and the schema that editors read, and return the first file's path.

        Raises WorkspaceError if the file exists, or StorageError.
        """
        from crescent_lite.config.schema import SCHEMA_NAME, schema_text  # only to create a workspace

        if self.config_path.exists() or self.config_path.is_symlink():
            raise WorkspaceError(
                f"{self.config_path}: exists already and was not changed; edit it, or give another folder"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise WorkspaceError(f"{self.folder}: is a file; give the name of a folder")
        write_whole(self.folder / SCHEMA_NAME, schema_text())
        write_whole(self.config_path, config_text)  # last: with it, the folder is a workspace
        return self.config_path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace's lock, so that this process is its only engine. Earlier requests are withdrawn.

        Raises WorkspaceError if another process holds the lock or the folder is on a network drive, or StorageError.
        """
        refuse_network_drive(self.folder)
        lock = filelock.FileLock(self.folder / ".engine.lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WorkspaceError(
                f"{self.folder}: in use by another run{self._holder()}; "
                "watch it with `crescent status` or stop it with `crescent stop`"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.folder}: cannot be written: {disk_words(error)}") from None
        try:
            write_whole(self._pid_file, json.dumps({"pid": os.getpid()}))
            for old in get_args(EngineRequest):
                self.take(old)
            yield
        finally:
            with suppress(OSError):  # the lock counts; this file only names its holder
                self._pid_file.unlink(missing_ok=True)
            lock.release()

    def is_busy(self) -> bool:
        """Whether an engine holds the lock."""
        lock = filelock.FileLock(self.folder / ".engine.lock", timeout=0)
        try:
            with lock:
                return False
        except filelock.Timeout:
            return True
        except OSError:
            return False  # no engine can run in a read-only folder

    def ask(self, request: EngineRequest) -> None:
        """Leave a request for the engine, whoever started it. Raises StorageError."""
        with file_errors(self._request_file(request)):
            self._request_file(request).touch()

    def is_asked(self, request: EngineRequest) -> bool:
        """Whether a request is pending."""
        return self._request_file(request).exists()

    def take(self, request: EngineRequest) -> bool:
        """Remove a request and return whether there was one. Raises StorageError if it cannot be removed."""
        if not self.is_asked(request):
            return False
        with file_errors(self._request_file(request)):
            self._request_file(request).unlink(missing_ok=True)
        return True

    def take_stop(self) -> bool:
        """Whether the engine was asked to stop. The request is removed; one that cannot be removed counts too."""
        with suppress(StorageError):
            return self.take("stop")
        return True

    def stop_engine(self) -> bool:
        """Ask the engine to stop and wait until it has; return False if no engine is running.

        Raises WorkspaceError if the engine has not stopped after STOP_SECONDS.
        """
        if not self.is_busy():
            return False
        self.ask("stop")
        until = time.monotonic() + STOP_SECONDS
        while self.is_busy():
            if time.monotonic() > until:
                raise WorkspaceError(
                    f"{self.folder}: the run{self._holder()} has not stopped after {STOP_SECONDS:g} s; "
                    "wait, or end its process"
                )
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
