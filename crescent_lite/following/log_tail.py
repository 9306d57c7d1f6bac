"""Reads the lines appended to a log file since the last read, whatever the size and content of the file.

Keeps an offset but no open file; knows neither widget nor database. The first read starts near the end of the file. A
file that was replaced or truncated is read from its start again; a missing file has no lines. Example:
    tail = LogTail(Path("data/logs/run-3.jsonl")); tail.read_new().lines   # the next call returns only newer lines
    parse_event(line)                                                      # LoggedEvent("RunPaused", ...)
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
"""Bytes from the end of a file at which the first read starts: about 1,700 events."""
READ_BYTES = 1_000_000
"""Bytes per read at most. Older bytes are skipped, because the newest lines matter most."""
LINE_BYTES = 64_000
"""A longer line is cut off."""


@dataclass(frozen=True)
class LogChunk:
    """The result of one read."""

    lines: tuple[str, ...] = ()
    """Complete lines without their line ends. Untrusted."""
    is_new_file: bool = False
    """Whether the file was replaced, truncated or removed, so that earlier lines no longer count."""
    skipped: bool = False
    """Whether bytes before these lines were skipped."""


@dataclass(frozen=True)
class LoggedEvent:
    """An event in a run's log file. The texts are untrusted."""

    kind: str
    """The name of its class in `crescent_lite.events`."""
    at: float
    """Seconds since 1970."""
    created_at: str
    """The same time as stored: UTC, ISO 8601."""
    detail: dict[str, Any]
    """The other fields of the event."""
    clock: float | None = None
    """The same moment by the monotonic clock of the machine, in seconds; None in logs of earlier versions."""

    @property
    def seconds(self) -> float:
        """The moment by a clock that nobody sets, where the log has one: for the time between two events."""
        return self.at if self.clock is None else self.clock


class LogTail:
    """Follows one file."""

    def __init__(self, path: Path, *, backlog_bytes: int = BACKLOG_BYTES, read_bytes: int = READ_BYTES) -> None:
        self.path = path
        self._backlog_bytes = backlog_bytes
        self._read_bytes = read_bytes
        self._file_is: tuple[int, int] | None = None
        """Device and inode of the file that the offset belongs to."""
        self._offset = 0
        self._half = b""
        """The start of a line whose end has not been written yet."""
        self._inside = False
        """Whether the offset is inside a line that is skipped up to its end."""

    def read_new(self) -> LogChunk:
        """The new lines. Raises nothing: a file that cannot be read has no lines."""
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except OSError:
            was_there = self._file_is is not None
            self._forget()
            return LogChunk(is_new_file=was_there)

    def _read(self, file: BinaryIO) -> LogChunk:
        found = os.fstat(file.fileno())
        file_is, is_new_file, skipped = (found.st_dev, found.st_ino), False, False
        if file_is != self._file_is or found.st_size < self._offset:
            is_new_file = self._file_is is not None
            self._forget()
            self._file_is = file_is
            skipped = self._skip_to(found.st_size - self._backlog_bytes)
        skipped |= self._skip_to(found.st_size - self._read_bytes)
        file.seek(self._offset)
        read = file.read(self._read_bytes)
        self._offset += len(read)
        return LogChunk(tuple(self._lines(read)), is_new_file, skipped)

    def _skip_to(self, to: int) -> bool:
        """Skip to a later offset, probably in the middle of a line. Returns whether it is later."""
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


def parse_event(line: str) -> LoggedEvent | None:
    """The event in a line of a log; None if the line is not a valid event."""
    try:
        detail = json.loads(line)
        if not isinstance(detail, dict):
            return None
        kind, created_at, clock = detail.pop("event"), detail.pop("at"), detail.pop("clock", None)
        at = datetime.fromisoformat(created_at).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    if not isinstance(kind, str) or not math.isfinite(at):
        return None
    is_clock = isinstance(clock, int | float) and math.isfinite(clock)
    return LoggedEvent(kind, at, created_at, detail, float(clock) if is_clock else None)
