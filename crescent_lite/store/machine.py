"""What a run had of its machine: the values that automatic settings came to, and samples of the load over time.

A run keeps at most MOST_SAMPLES, evenly spaced: when there are more, every second one is deleted, and from then on
half as many are taken. Example:
    machine.set_effective(1, {"sampling.threads": 4}); machine.fetch_effective(1) -> {"sampling.threads": 4}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crescent_lite.records import MachineSample
from crescent_lite.store.database import Database

MOST_SAMPLES = 2000
"""Most samples of a run."""
Effective = Mapping[str, int | float | str]


class Machine:
    """Reads and writes of the effective_settings and machine_samples tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_effective(self, run_id: int, values: Effective) -> None:
        """Store what these settings came to; a later value replaces an earlier one."""
        self._database.write_many(
            """INSERT INTO effective_settings (run_id, name, value) VALUES (?, ?, ?)
            ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value""",
            [(run_id, name, value) for name, value in values.items()],
        )

    def fetch_effective(self, run_id: int) -> dict[str, int | float | str]:
        """What automatic settings came to, by `section.key`; empty for runs of versions before this was stored."""
        rows = self._database.rows(
            "SELECT name, value FROM effective_settings WHERE run_id = ? ORDER BY name", [run_id]
        )
        return {row[0]: row[1] for row in rows}

    def insert_samples(self, run_id: int, samples: Sequence[MachineSample], most: int = MOST_SAMPLES) -> None:
        """Store samples after those of the run so far, and thin them out if there are more than `most`."""
        with self._database.transaction():
            stride = self.fetch_stride(run_id)
            last = self._database.value("SELECT max(sample_index) FROM machine_samples WHERE run_id = ?", [run_id])
            first = 0 if last is None else (last // stride + 1) * stride
            self._database.write_many(
                """INSERT INTO machine_samples (run_id, sample_index, at, round_number, stage, cpu, memory_bytes,
                    gpu, gpu_memory_bytes, tokens_per_second) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [(run_id, first + stride * number, *vars(each).values()) for number, each in enumerate(samples)],
            )
            while self._count(run_id) > most:
                stride *= 2
                self._database.write(
                    "DELETE FROM machine_samples WHERE run_id = ? AND sample_index % ?", [run_id, stride]
                )

    def fetch_stride(self, run_id: int) -> int:
        """How many times rarer than at first the samples are taken: 1, and doubled by each thinning."""
        found = self._database.value(
            """SELECT min(step) FROM (SELECT sample_index - lag(sample_index) OVER (ORDER BY sample_index) AS step
                FROM machine_samples WHERE run_id = ?)""",
            [run_id],
        )
        return int(found or 1)

    def fetch_samples(self, run_id: int) -> list[MachineSample]:
        """The samples of a run, in order."""
        rows = self._database.rows(
            """SELECT at, round_number, stage, cpu, memory_bytes, gpu, gpu_memory_bytes, tokens_per_second
            FROM machine_samples WHERE run_id = ? ORDER BY sample_index""",
            [run_id],
        )
        return [MachineSample(*row) for row in rows]

    def _count(self, run_id: int) -> int:
        return int(self._database.value("SELECT count(*) FROM machine_samples WHERE run_id = ?", [run_id]))
