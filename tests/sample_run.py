"""A small run made by the real engine, kept as rows: what the snapshots and the pictures of the README show.

Made anew, in some minutes on two cores, by
    python tests/sample_run.py FOLDER    # runs the engine there, and writes sample_run.jsonl beside this file
Loaded by load_sample_run(folder), which puts the rows into a database of the current version, and the log beside it.
Paths and what is known of the machine are replaced; all else is as the engine wrote it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

ROWS = Path(__file__).with_name("sample_run.jsonl")
TABLES = (
    "prompts", "models", "runs", "rounds", "stages", "questions", "votes", "consensus", "trainings", "examples",
    "training_steps", "benchmarks", "benchmark_items", "evaluations", "evaluated_items", "run_evaluations",
    "measures", "alarms", "notes", "events", "effective_settings", "machine_samples",
)  # fmt: skip
LOG_LINES = 300
SETTINGS = """\
preset = "quick"

[run]
rounds = 2

[bait]
questions = 120
temperature = 0.7

[diversify]
near_duplicate = 85.0

[vote]
votes_per_question = 6

[evaluate.benchmarks.arithmetic]
source = "reasoning-gym"
items = 80
tasks = { chain_sum = { min_terms = 2, max_terms = 2, min_digits = 1, max_digits = 2 } }

[alarms]
stop = false
"""
MACHINE = {"python": "3.11.7", "system": "Linux", "processor": "a processor", "cores": 2, "memory_gib": 24.0}


def load_sample_run(folder: Path) -> Workspace:
    """A workspace with the sample run, and its settings. The rows are inserted once in a process, then copied."""
    shutil.copytree(_loaded().name, folder, dirs_exist_ok=True)
    return Workspace(folder)


@cache
def _loaded() -> tempfile.TemporaryDirectory[str]:
    place = tempfile.TemporaryDirectory(prefix="sample-run-")
    workspace = Workspace(Path(place.name))
    workspace.create(SETTINGS)
    workspace.logs.mkdir()
    log = []
    with closing(Store.open(workspace.database_path)) as store, store.database.transaction():
        store.database.write("PRAGMA defer_foreign_keys = ON")
        for line in ROWS.read_text(encoding="utf-8").splitlines():
            table, row = json.loads(line)
            if table == "log":
                log.append(json.dumps(row, ensure_ascii=False))
            else:
                marks = ", ".join(f":{name}" for name in row)
                store.database.write(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", row)
    (workspace.logs / "run-1.jsonl").write_text("\n".join(log) + "\n", encoding="utf-8")
    for path in store_paths(workspace):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF" + bytes(1_842_972))
    return place


def store_paths(workspace: Workspace) -> list[Path]:
    """Where the adapters would be."""
    return [workspace.adapters / "run-1" / f"round-{number}" / "adapter.gguf" for number in (1, 2)]


def make(folder: Path) -> None:
    """Run the engine, and keep its rows."""
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace(folder)
    workspace.create(SETTINGS)
    subprocess.run([sys.executable, "-m", "crescent_lite.cli", "run", "-w", str(folder)], check=True)
    with closing(Store.open_read_only(workspace.database_path)) as store, ROWS.open("w", encoding="utf-8") as file:
        for table in TABLES:
            for row in store.database.rows(f"SELECT * FROM {table}"):
                file.write(json.dumps([table, neutral(table, dict(row))], ensure_ascii=False) + "\n")
        for line in (workspace.logs / "run-1.jsonl").read_text(encoding="utf-8").splitlines()[-LOG_LINES:]:
            event = json.loads(line)
            if event["event"] != "MachineNoted":
                file.write(json.dumps(["log", event], ensure_ascii=False) + "\n")


def neutral(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row without this machine's paths and names."""
    if table == "models":
        path = Path(row["path"])
        row["path"] = str(Path(*path.parts[-4:])) if row["kind"] == "adapter" else path.name
        row["source"] = row["source"] if row["kind"] == "base" else row["name"]
    if table == "trainings" and row["details"]:
        row["details"] = json.dumps(
            {name: value for name, value in json.loads(row["details"]).items() if not _is_path(value)}
        )
    if table == "events" and row["kind"] == "MachineNoted":
        row["detail"] = json.dumps({**json.loads(row["detail"]), **MACHINE})
    return row


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
