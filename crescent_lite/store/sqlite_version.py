"""The version of SQLite that Python uses, and whether it has a bug that can damage databases. Opens no database.

Example: has_wal_reset_bug("3.40.1") -> True. Source: sqlite.org/wal.html#walresetbug
"""

from __future__ import annotations

import sqlite3

SQLITE_VERSION = sqlite3.sqlite_version
FIRST_WITH_BUG, FIRST_FIXED = (3, 7, 0), (3, 51, 3)
"""In versions from the first up to, but not including, the second, two connections that write or checkpoint at the
same moment can damage a database in WAL mode. Connections that only read cannot."""
FIXED_SERIES = {(3, 44): 6, (3, 50): 7}
"""Older series with a fix, each with its first fixed patch release."""


def has_wal_reset_bug(version: str = SQLITE_VERSION) -> bool:
    """Whether a version of SQLite has the bug."""
    major, minor, patch = (*map(int, version.split(".")), 0)[:3]
    if patch >= FIXED_SERIES.get((major, minor), patch + 1):
        return False
    return FIRST_WITH_BUG <= (major, minor, patch) < FIRST_FIXED
