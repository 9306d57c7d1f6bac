"""Whether the triggers and views of a database are this project's: a file from somebody else may have others.

A trigger of somebody else would change what is stored behind the engine's back, and a view could take for ever to
read or stand in a table's place. Reads only. Example:
    strange_view(connection) -> "v_runs"
"""

from __future__ import annotations

import re
import sqlite3

from crescent_lite.store.views import VIEWS, statement_of

TABLES = frozenset(
    {
        "alarms", "benchmark_items", "benchmarks", "consensus", "effective_settings", "evaluated_items",
        "evaluations", "events", "examples", "machine_samples", "measures", "models", "notes", "own_answers",
        "prompts", "questions", "questions_fts", "rounds", "run_evaluations", "runs", "solutions_fts",
        "stages", "sweeps", "training_steps", "trainings", "votes",
    }
)  # fmt: skip
"""The names of all tables."""
MOST_VALUE_BYTES = 256 << 20
"""Largest value that is read or written, in bytes (guess): no text here comes near to it."""


def protect(connection: sqlite3.Connection) -> None:
    """Limit the values that the schema of a file can make. (trusted_schema stays on: the views here use JSON.)"""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)


def parts(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Kind and name of each table, column, view, index and trigger."""
    rows = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    columns = connection.execute(
        """SELECT 'column', t.name || '.' || c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table'"""
    )
    return {(row[0], row[1]) for row in (*rows.fetchall(), *columns.fetchall())}


def strange_trigger(connection: sqlite3.Connection) -> str | None:
    """The name of a trigger that is not this project's; None without one."""
    from crescent_lite.store.schema import TRIGGERS  # loads the library for migrations, which readers do not need

    own = {_plain(sql) for sql in TRIGGERS}
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return next((name for name, sql in found if _plain(sql) not in own), None)


def strange_view(connection: sqlite3.Connection) -> str | None:
    """The name of a view that has a name of this version's and another text; None without one."""
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall()
    own = {name: statement_of(name) for name, _ in found if name in VIEWS}
    # Reading both texts word by word takes 2 ms for all views, at each start of a reader; mostly they are the same.
    return next(
        (name for name, sql in found if name in own and sql != own[name] and _plain(sql) != _plain(own[name])), None
    )


def view_as_table(connection: sqlite3.Connection) -> str | None:
    """The name of a table in whose place is a view; None without one."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    return next((name for (name,) in found if str(name).lower() in TABLES), None)


def _plain(sql: str | None) -> str:
    """A statement without the differences that renaming a table leaves."""
    return re.sub(r'[\s"]+', " ", sql or "").strip()
