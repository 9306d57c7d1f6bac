"""The tables of migration 13, by which runs are told apart, and what older runs get in their new columns.

Released, so never edited. Knows nothing of who reads the tables.
Example: for statement in TABLES: database.execute(statement)
"""

from __future__ import annotations

import json

from sqlite_utils import Database

from crescent_lite.config.differences import differing_from_preset
from crescent_lite.config.migrations import upgraded
from crescent_lite.errors import ConfigError

TABLES = (
    "ALTER TABLE runs ADD COLUMN name TEXT",
    "ALTER TABLE runs ADD COLUMN note TEXT",
    "ALTER TABLE runs ADD COLUMN differs TEXT NOT NULL DEFAULT '{}'",
    """CREATE TABLE sweeps (
        sweep_key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        plan TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT""",
    "ALTER TABLE runs ADD COLUMN sweep_key TEXT REFERENCES sweeps (sweep_key)",
    "ALTER TABLE runs ADD COLUMN sweep_position INTEGER",
    "CREATE INDEX runs_by_parent ON runs (coalesce(control_of, teacher_id))",
    """CREATE TABLE effective_settings (
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        name TEXT NOT NULL,
        value ANY NOT NULL,
        PRIMARY KEY (run_id, name)
    ) STRICT""",
    """CREATE TABLE machine_samples (
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        sample_index INTEGER NOT NULL,
        at TEXT NOT NULL,
        round_number INTEGER NOT NULL,
        stage TEXT,
        cpu REAL NOT NULL,
        memory_bytes INTEGER NOT NULL,
        gpu REAL,
        gpu_memory_bytes INTEGER,
        tokens_per_second REAL,
        PRIMARY KEY (run_id, sample_index)
    ) STRICT""",
    "CREATE INDEX evaluated_items_by_result ON evaluated_items (evaluation_id, sample_index, flexible)",
)


def fill_differences(database: Database) -> None:
    """Store which settings of the older runs differ from their preset, as this version has it."""
    for run_id, config in database.execute("SELECT run_id, config FROM runs").fetchall():
        try:
            found = differing_from_preset(upgraded(json.loads(config)))
        except (ValueError, TypeError, AttributeError, RecursionError, ConfigError):
            continue  # damaged settings, or those of a newer version: nothing is known of them
        database.execute("UPDATE runs SET differs = ? WHERE run_id = ?", [json.dumps(found), run_id])
