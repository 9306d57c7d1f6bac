"""Notices that another program keeps the write-ahead log from being emptied, and names that program.

SQLite can empty the log only while nobody reads from it. Readers of this project hold it for moments; a program that
leaves a transaction open, such as a `sqlite3` shell after BEGIN, lets the log grow by everything that a run stores.
Nothing is lost by it but room on the disk. Knows no table. Example:
    watch = LogWatch(database); watch.look()    # logs a warning when the log has outgrown the next limit
Source: sqlite.org/wal.html#ckpt ("avoiding excessively large WAL files"); sqlite.org/walformat.html (the locks)
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from crescent_lite.printable import printable_line
from crescent_lite.store.database import LOG_LIMIT_BYTES, Database, log_of

log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
"""Time between two looks at the size of the log."""
WARN_BYTES = 4 * LOG_LIMIT_BYTES
"""Size of the log that is reported first, and then again whenever it has doubled."""
READ_LOCKS = range(123, 128)
"""Bytes of the file beside the log (-shm) of which SQLite locks one as long as a transaction reads from the log."""
LOCKS = Path("/proc/locks")


class LogWatch:
    """Looks at the write-ahead log of the database that this process writes."""

    def __init__(
        self,
        database: Database,
        *,
        seconds: float = LOOK_SECONDS,
        warn_bytes: int = WARN_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._first = self._next = warn_bytes
        self._clock = clock
        self._looked = clock()

    def look(self) -> None:
        """Look at the size, unless the last look was a moment ago. Warn if the log is long and cannot be emptied."""
        if self._clock() < self._looked + self._seconds:
            return
        self._looked = self._clock()
        if self._size() < self._first:
            self._next = self._first
            return
        self._database.shrink_log()
        if (size := self._size()) >= self._next:
            self._next = 2 * size
            log.warning("%s", growth_in_words(size, log_holders(self._database.path)))

    def _size(self) -> int:
        try:
            return log_of(self._database.path).stat().st_size
        except OSError:
            return 0


def growth_in_words(size: int, holders: Sequence[str]) -> str:
    """How long the log is, who keeps it from being emptied, and what to do."""
    who = " and ".join(holders) or "another program"
    return (
        f"the database's write-ahead log has grown to {size / 1e6:,.0f} MB, because {who} has been reading in one "
        "transaction for long; end that transaction or program, and the log is emptied"
    )


def log_holders(path: Path, locks: Path = LOCKS) -> list[str]:
    """The other processes that read from the log of a database now, as 'process 17 (sqlite3)'; Linux only."""
    with contextlib.suppress(OSError):
        found = path.with_name(f"{path.name}-shm").stat()
        file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        pids = reading_pids(locks.read_text(encoding="utf-8", errors="replace"), file)
        return [_named(pid) for pid in pids if pid != os.getpid()]
    return []


def reading_pids(locks: str, file: str) -> list[int]:
    """Ids of the processes with a read lock on the file, given as in /proc/locks ('fd:00:1234'), in READ_LOCKS.

    A line is like '4: POSIX  ADVISORY  READ 20952 fd:00:1234 124 124'.
    """
    line = re.compile(
        rf"^\d+: POSIX +ADVISORY +READ (?P<pid>\d+) {re.escape(file)} (?P<first>\d+) (?P<last>\d+)$", re.M
    )
    found = (
        int(each["pid"])
        for each in line.finditer(locks)
        if int(each["first"]) < READ_LOCKS.stop and int(each["last"]) >= READ_LOCKS.start
    )
    return sorted(set(found))


def _named(pid: int) -> str:
    try:
        return f"process {pid} ({printable_line(psutil.Process(pid).name(), 40)})"
    except psutil.Error:
        return f"process {pid}"
