"""Shrinking a database and rebuilding its indexes. No other process may use the database meanwhile.

Example: vacuum(database) -> (3239936, 2945024)
"""

from __future__ import annotations

from crescent_lite.errors import StorageError
from crescent_lite.store.checking import SEARCHED
from crescent_lite.store.database import Database, storage_errors


def vacuum(database: Database) -> tuple[int, int]:
    """Shrink the database, rebuild its full-text indexes and SQLite's statistics. Returns the bytes before and after.

    Raises StorageError, also if a table, column, view, index or trigger is missing.
    """
    connection = database.connection
    if missing := database.missing_parts():
        kind, name = missing[0]
        raise StorageError(f"{database.path}: {kind} {name} is missing; restore a backup")
    with storage_errors(database.path):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = database.path.stat().st_size
        with database.transaction():
            for index, texts in SEARCHED.items():
                connection.execute(f"INSERT INTO {index} ({index}) VALUES ('delete-all')")
                connection.execute(f"INSERT INTO {index} (rowid, text) {texts}")
                connection.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, database.path.stat().st_size
