"""The names of the migrations that this version knows, in their order, and those that a database has had.

On its own, so that readers need not load the library that applies them. Example:
    applied_to(connection) -> ["m001_first_schema", ...]
"""

from __future__ import annotations

import sqlite3

MIGRATIONS = (
    "m001_first_schema",
    "m002_adaptive_votes",
    "m003_questions_and_labels_to_trust",
    "m004_trainings_that_go_on",
    "m005_rounds_to_choose_from",
    "m006_evidence",
    "m007_notes_and_search",
    "m008_views_for_analysis",
    "m009_what_is_referred_to_is_named",
)
MIGRATION_SET = "crescent_lite"


def applied_to(connection: sqlite3.Connection) -> list[str]:
    """The migrations that a database has had; none where it is new."""
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if not tables:
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", [MIGRATION_SET]
    )
    return [row[0] for row in rows]


def pending_for(connection: sqlite3.Connection) -> list[str]:
    """Those that it has not had."""
    applied = set(applied_to(connection))
    return [name for name in MIGRATIONS if name not in applied]
