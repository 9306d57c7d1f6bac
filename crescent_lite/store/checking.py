"""Whether a database is whole: SQLite's own checks, that nothing is missing that this version has, and that the words
to be searched can be read and are of as many texts as there are.

Reads only. Example: faults_of(database) -> ["votes: 2 rows belong to questions that are not there"]
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from crescent_lite.store.database import Database

SEARCHED = {
    "questions_fts": "SELECT question_id, text FROM questions",
    "solutions_fts": "SELECT vote_id, votes.text FROM votes JOIN consensus USING (question_id)",
}
"""The full-text indexes, and the numbers and texts that each is to have."""
MOST_FAULTS = 20


def faults_of(database: Database) -> list[str]:
    """What is wrong, one thing a line; nothing where the database is whole."""
    faults = [row[0] for row in database.rows(f"PRAGMA integrity_check({MOST_FAULTS})") if row[0] != "ok"]
    if faults:
        return faults
    missing = missing_parts(database)
    orphans = Counter((row["table"], row["parent"]) for row in database.rows("PRAGMA foreign_key_check"))
    faults = [f"{kind} {name}: is missing" for kind, name in missing[:MOST_FAULTS]]
    faults += [
        f"{table}: {rows} rows belong to {parent} that are not there" for (table, parent), rows in orphans.items()
    ]
    for index, texts in SEARCHED.items():
        if ("table", index) in missing:
            continue
        if not _can_be_searched(database, index):
            faults.append(f"{index}: cannot be read; `crescent db vacuum` makes it anew")
            continue
        indexed = database.value(f"SELECT count(*) FROM {index}_docsize")
        there = database.value(f"SELECT count(*) FROM ({texts})")
        if indexed != there:
            faults.append(f"{index}: has {indexed} of {there} texts; `crescent db vacuum` makes it anew")
    return faults


def missing_parts(database: Database) -> list[tuple[str, str]]:
    """Kind and name of each table, column, view, index and trigger that a new database has and this one has not."""
    with closing(Database.open_to_write(Path(":memory:"))) as new:
        wanted, there = _parts(new), _parts(database)
    return sorted(wanted - there)


def _parts(database: Database) -> set[tuple[str, str]]:
    rows = database.rows("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    columns = database.rows(
        """SELECT 'column', t.name || '.' || c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table'"""
    )
    return {(row[0], row[1]) for row in (*rows, *columns)}


def _can_be_searched(database: Database, index: str) -> bool:
    """Whether every word of a full-text index can be read."""
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
