"""Sweeps: queues of runs that differ in seeds and settings. A run of a sweep knows its place in the queue.

The plan is stored before the first run starts, so that a killed sweep continues where it was. Example:
    key = sweeps.insert("rates", plan); sweeps.fetch_runs(key) -> {0: 4, 1: 5}
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from crescent_lite.errors import NotFoundError
from crescent_lite.store.database import Database, now
from crescent_lite.store.json_columns import json_object


@dataclass(frozen=True)
class SweepPlace:
    """The place of a run in a sweep."""

    key: str
    """Key of the sweep."""
    position: int
    """Position in its queue, from 0."""


@dataclass(frozen=True)
class StoredSweep:
    """A sweep as it was planned."""

    key: str
    """Random text; the same in every database that the sweep was merged into."""
    name: str
    plan: dict[str, Any]
    """Plain values; `sweep.Sweep` knows what they mean."""
    created_at: str
    """UTC, ISO 8601."""


class Sweeps:
    """Reads and writes of the sweeps table, and of the places of runs in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, name: str, plan: dict[str, Any]) -> str:
        """Store a planned sweep. Returns its key."""
        key = uuid.uuid4().hex
        self._database.write(
            "INSERT INTO sweeps (sweep_key, name, plan, created_at) VALUES (?, ?, ?, ?)",
            [key, name, json.dumps(plan), now()],
        )
        return key

    def set_place(self, run_id: int, place: SweepPlace) -> None:
        """Store which place of a sweep's queue a run has."""
        self._database.write(
            "UPDATE runs SET sweep_key = ?, sweep_position = ? WHERE run_id = ?", [place.key, place.position, run_id]
        )

    def fetch(self, name: str | None = None) -> StoredSweep:
        """The latest sweep, or the latest with this name. Raises NotFoundError."""
        row = self._database.row(
            """SELECT sweep_key, name, plan, created_at FROM sweeps WHERE :name IS NULL OR name = :name
            ORDER BY rowid DESC LIMIT 1""",
            {"name": name},
        )
        if row is None:
            which = "no sweep yet" if name is None else f"{name!r}: no sweep has this name"
            raise NotFoundError(f"{which} in {self._database.path}; `crescent sweep --seeds 3` plays one")
        return StoredSweep(row[0], row[1], json_object(row[2]), row[3])

    def count(self) -> int:
        """How many sweeps there are."""
        return int(self._database.value("SELECT count(*) FROM sweeps"))

    def fetch_runs(self, key: str) -> dict[int, int]:
        """Position in the queue -> the run that has it; positions that no run has taken yet are missing."""
        rows = self._database.rows(
            "SELECT sweep_position, run_id FROM runs WHERE sweep_key = ? ORDER BY sweep_position, run_id", [key]
        )
        return {row[0]: row[1] for row in rows}
