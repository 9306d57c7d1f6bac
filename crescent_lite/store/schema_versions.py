"""The names of this version's migrations, in order, and of those that were applied to a database.

A module of its own, so that readers need not load the library that applies migrations. Example:
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
    "m010_the_tokens_of_votes",
    "m011_why_a_reply_has_no_answer",
    "m012_pairs_to_learn_from",
    "m013_which_run_is_which",
    "m014_answers_of_own_questions",
)
MIGRATION_SET = "crescent_lite"


def applied_to(connection: sqlite3.Connection) -> list[str]:
    """The migrations that were applied to a database, in order; empty for a new one."""
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if not tables:
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", [MIGRATION_SET]
    )
    return [row[0] for row in rows]


def pending_for(connection: sqlite3.Connection) -> list[str]:
    """The migrations that were not applied to a database yet, in order."""
    applied = set(applied_to(connection))
    return [name for name in MIGRATIONS if name not in applied]
