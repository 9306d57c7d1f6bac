"""What was appended to a log file since the last look, however large the file is and whatever stands in it.

Owns an offset, no open file; knows neither widget nor database. The first look begins near the end. A file that was
replaced or cut is read anew; one that is not there has nothing to say. Example:
    tail = LogTail(Path("data/logs/run-3.jsonl")); tail.look().lines; ...; tail.look().lines   # only what is new
    logged_event(line)                                                         # LoggedEvent("RunPaused", ...)
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

BACKLOG_BYTES = 256_000
"""Of a file seen for the first time, from its end: some 1,700 events."""
LOOK_BYTES = 1_000_000
"""Read in one look at most. What is older is passed over: a watcher wants the newest."""
LINE_BYTES = 64_000
"""A longer line is cut there."""


@dataclass(frozen=True)
class Look:
    """One look at a file."""

    lines: tuple[str, ...] = ()
    """Whole lines, without their ends. Untrusted."""
    anew: bool = False
    """The file is another one than before: what was read of it no longer holds."""
    passed_over: bool = False
    """Bytes before the first of these lines were not read."""


@dataclass(frozen=True)
class LoggedEvent:
    """One event of a run's log file. Its texts are untrusted."""

    kind: str
    at: float
    """Seconds since 1970."""
    created_at: str
    """The same as it stands there: UTC, ISO 8601."""
    detail: dict[str, Any]


class LogTail:
    """Follows one file."""

    def __init__(self, path: Path, *, backlog_bytes: int = BACKLOG_BYTES, look_bytes: int = LOOK_BYTES) -> None:
        self.path = path
        self._backlog_bytes = backlog_bytes
        self._look_bytes = look_bytes
        self._file_is: tuple[int, int] | None = None
        """Device and inode: which file the offset is of."""
        self._offset = 0
        self._half = b""
        """The beginning of a line whose end is not written yet."""
        self._inside = False
        """Somewhere in a line that is passed over to its end."""

    def look(self) -> Look:
        """What is new. Raises nothing: what cannot be read is not there."""
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except OSError:
            was_there = self._file_is is not None
            self._forget()
            return Look(anew=was_there)

    def _read(self, file: BinaryIO) -> Look:
        found = os.fstat(file.fileno())
        file_is, anew, passed_over = (found.st_dev, found.st_ino), False, False
        if file_is != self._file_is or found.st_size < self._offset:
            anew = self._file_is is not None
            self._forget()
            self._file_is = file_is
            passed_over = self._pass_over(found.st_size - self._backlog_bytes)
        passed_over |= self._pass_over(found.st_size - self._look_bytes)
        file.seek(self._offset)
        read = file.read(self._look_bytes)
        self._offset += len(read)
        return Look(tuple(self._lines(read)), anew, passed_over)

    def _pass_over(self, to: int) -> bool:
        """Go on at a later offset, most likely in the middle of a line."""
        if to <= self._offset:
            return False
        self._offset, self._half, self._inside = to, b"", True
        return True

    def _lines(self, read: bytes) -> list[str]:
        *whole, half = read.split(b"\n")
        if whole:
            whole[0] = self._half + whole[0]
            if self._inside:
                del whole[0]
            self._half, self._inside = b"", False
        if not self._inside:
            self._half = (self._half + half)[:LINE_BYTES]
        return [line[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r") for line in whole]

    def _forget(self) -> None:
        self._file_is, self._offset, self._half, self._inside = None, 0, b"", False


def logged_event(line: str) -> LoggedEvent | None:
    """The event that a line tells of; None where it tells of none."""
    try:
        detail = json.loads(line)
        if not isinstance(detail, dict):
            return None
        kind, created_at = detail.pop("event"), detail.pop("at")
        at = datetime.fromisoformat(created_at).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    return LoggedEvent(kind, at, created_at, detail) if isinstance(kind, str) and math.isfinite(at) else None
