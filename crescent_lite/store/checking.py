"""Whether a database is whole: SQLite's own checks, and that the words to be searched are those of the texts.

Reads only. Example: faults_of(database) -> ["votes: 2 rows belong to questions that are not there"]
"""

from __future__ import annotations

from collections import Counter

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
    orphans = Counter((row["table"], row["parent"]) for row in database.rows("PRAGMA foreign_key_check"))
    faults = [
        f"{table}: {rows} rows belong to {parent} that are not there" for (table, parent), rows in orphans.items()
    ]
    for index, texts in SEARCHED.items():
        indexed = database.value(f"SELECT count(*) FROM {index}_docsize")
        there = database.value(f"SELECT count(*) FROM ({texts})")
        if indexed != there:
            faults.append(f"{index}: has {indexed} of {there} texts; `crescent db vacuum` makes it anew")
    return faults
