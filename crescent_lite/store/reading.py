"""A database for users' own Python code: sqlite-utils on a connection that cannot write.

The file is opened for reading only, so no statement can change it; SQLite also refuses to write to temporary tables
and to attach a second database, through which the same file could be opened for writing. Example:
    read_only(Path("data/crescent.db"))["v_labels"].count
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.store.database import connected_to_read, storage_errors

if TYPE_CHECKING:
    from sqlite_utils import Database as Database  # for whoever names the type without importing sqlite-utils


def read_only(path: Path) -> Database:
    """The database at `path`, which exists and is of this version. The caller closes it. Raises StorageError."""
    from sqlite_utils import Database

    with storage_errors(path):
        connection = connected_to_read(path)
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    # sqlite-utils would set a pragma for triggers, and run whatever plugins are installed.
    return Database(connection, recursive_triggers=False, execute_plugins=False)
