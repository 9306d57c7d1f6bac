"""The fault bed itself: that it sees the faults that it looks for, and ends what does not end."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from bed import broken_invariants, crescent, faults_of, is_one_line, orphans_of, run_limited, source, what_was_said
from small_workspace import workspace_with_adapter

pytestmark = pytest.mark.slow


def test_a_command_that_ends_well_has_no_faults(tmp_path: Path) -> None:
    folder = tmp_path / "maths"
    assert not faults_of(crescent("init", str(folder)), codes=[0])
    assert not broken_invariants(folder)


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    ended = crescent("status", "-w", str(tmp_path))
    assert not faults_of(ended, codes=[5])
    assert is_one_line(ended)


def test_a_traceback_a_control_character_and_a_hang_are_faults() -> None:
    assert "it showed a traceback" in faults_of(run_limited([sys.executable, "-c", "1/0"]))
    assert any("control" in fault for fault in faults_of(run_limited([sys.executable, "-c", "print('\\x1b[2J')"])))
    hung = run_limited([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.5)
    assert faults_of(hung)[0] == "it hung"


def test_memory_is_limited_and_measured() -> None:
    program = [sys.executable, "-c", "x = b'1' * (300 << 20)"]
    assert run_limited(program).peak_bytes > 300 << 20
    assert "MemoryError" in run_limited(program, memory_bytes=200 << 20).err


def test_a_process_that_stays_in_a_folder_is_seen(tmp_path: Path) -> None:
    seen: list[str] = []
    program = [sys.executable, "-c", "import time; time.sleep(2)", str(tmp_path)]
    run_limited(program, at_start=lambda _pid: seen.extend(orphans_of(tmp_path, 0.5)))
    assert len(seen) == 1
    assert not orphans_of(tmp_path)


def test_half_written_and_lost_rows_are_seen(tmp_path: Path) -> None:
    workspace_with_adapter(tmp_path)
    ended = "UPDATE runs SET state = 'stopped'"
    change(tmp_path, ended)
    assert not broken_invariants(tmp_path)
    (tmp_path / ".model.gguf.unfinished").touch()
    change(tmp_path, "UPDATE rounds SET adapter_id = NULL")
    change(tmp_path, "DELETE FROM models WHERE kind = 'adapter'")
    found = "\n".join(broken_invariants(tmp_path))
    assert ".model.gguf.unfinished is left over" in found
    assert "a finished training has no adapter" in found
    assert "a row refers to nothing" in found
    assert what_was_said(tmp_path) == []


def test_the_same_names_give_the_same_numbers() -> None:
    assert source("a", 1).random() == source("a", 1).random() != source("a", 2).random()


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "crescent.db")) as database, database:
        database.execute(sql)
