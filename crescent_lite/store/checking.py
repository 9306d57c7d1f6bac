"""Checks that a database is intact: SQLite's own checks, missing tables or columns, rows that refer to missing rows,
and full-text indexes that cannot be read or lack texts.

Reads only. Example: faults_of(database) -> ["votes: 2 rows refer to missing questions"]
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from crescent_lite.store.database import Database

SEARCHED = {
    "questions_fts": "SELECT question_id, text FROM questions",
    "solutions_fts": "SELECT vote_id, votes.text FROM votes JOIN consensus USING (question_id)",
}
"""The full-text indexes, each with the query for the row ids and texts that it should contain."""
MOST_FAULTS = 20
"""Faults of one kind that are reported."""


def faults_of(database: Database) -> list[str]:
    """One line for each fault; empty if the database is intact."""
    faults = [row[0] for row in database.rows(f"PRAGMA integrity_check({MOST_FAULTS})") if row[0] != "ok"]
    if faults:
        return faults
    missing = database.missing_parts()
    orphans = Counter((row["table"], row["parent"]) for row in database.rows("PRAGMA foreign_key_check"))
    faults = [f"{kind} {name} is missing" for kind, name in missing[:MOST_FAULTS]]
    faults += [
        f"{table}: {rows} {'row refers' if rows == 1 else 'rows refer'} to missing {parent}"
        for (table, parent), rows in orphans.items()
    ]
    for index, texts in SEARCHED.items():
        if ("table", index) in missing:
            continue
        if not _can_be_searched(database, index):
            faults.append(f"{index}: cannot be read; `crescent db vacuum` rebuilds it")
            continue
        indexed = database.value(f"SELECT count(*) FROM {index}_docsize")
        there = database.value(f"SELECT count(*) FROM ({texts})")
        if indexed != there:
            faults.append(f"{index}: contains {indexed} of {there} texts; `crescent db vacuum` rebuilds it")
    return faults


def _can_be_searched(database: Database, index: str) -> bool:
    """Whether a full-text index can be read from start to end."""
    connection = database.connection
    connection.execute("DROP TABLE IF EXISTS temp.words")
    connection.execute(f"CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, '{index}', 'row')")
    try:
        connection.execute("SELECT count(*), sum(cnt) FROM temp.words").fetchone()
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.execute("DROP TABLE temp.words")
    return True
