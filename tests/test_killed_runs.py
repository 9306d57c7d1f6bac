"""A run that is killed anywhere is finished by the same command, with nothing lost, doubled or half-written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from small_workspace import make_workspace

pytestmark = pytest.mark.slow
CHILD = [sys.executable, str(Path(__file__).parent / "engine_child.py")]


def run_child(folder: Path, *death: str) -> int:
    ended = subprocess.run([*CHILD, str(folder), *death], capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode > 0:
        pytest.fail(ended.stderr)
    return ended.returncode


def value(folder: Path, sql: str) -> object:
    with closing(sqlite3.connect(folder / "crescent.db")) as database:
        return database.execute(sql).fetchone()[0]


def what_was_said(folder: Path) -> list[tuple[object, ...]]:
    """Questions, verdicts, votes and labels, without ids of trainings and times."""
    with closing(sqlite3.connect(folder / "crescent.db")) as database:
        return database.execute(
            """SELECT q.raw_text, q.verdict, q.reason, v.sample_index, v.text, v.seed, c.decision, c.share
            FROM questions q LEFT JOIN votes v USING (question_id) LEFT JOIN consensus c USING (question_id)
            ORDER BY 1, 2, 3, 4, 5"""
        ).fetchall()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    make_workspace(folder)
    assert run_child(folder) == 0
    return folder


NO_TRAINING = 1000
STAGES = [
    ("ask", "17", NO_TRAINING),
    ("vote", "31", NO_TRAINING),
    ("evaluate", "7", NO_TRAINING),
    ("train", "2", 4),
]


@pytest.mark.parametrize(("stage", "item", "min_examples"), STAGES)
def test_a_run_killed_in_any_stage_is_finished_by_the_same_command(
    stage: str, item: str, min_examples: int, tmp_path: Path, unbroken: Path
) -> None:
    make_workspace(tmp_path, unbroken / "tiny.gguf", min_examples)
    trained = min_examples < NO_TRAINING

    assert run_child(tmp_path, stage, item) == -9
    assert value(tmp_path, "SELECT state FROM runs") == "running"
    assert run_child(tmp_path) == 0

    assert value(tmp_path, "PRAGMA integrity_check") == "ok"
    assert value(tmp_path, "SELECT count(*) FROM pragma_foreign_key_check") == 0
    assert value(tmp_path, "SELECT count(*) FROM runs") == 1
    assert value(tmp_path, "SELECT state FROM runs") == "finished"
    assert value(tmp_path, "SELECT count(*) FROM trainings WHERE state = 'finished'") == int(trained)
    assert value(tmp_path, "SELECT count(*) FROM evaluated_items") == (80 if trained else 40)  # 20 items, 2 prompts
    assert what_was_said(tmp_path) == what_was_said(unbroken)


def test_an_unbroken_run_leaves_a_verdict_a_vote_and_a_label_for_everything(unbroken: Path) -> None:
    assert value(unbroken, "SELECT count(*) FROM questions WHERE ask_index IS NOT NULL") == 40
    assert value(unbroken, "SELECT count(*) FROM questions WHERE verdict IS NULL") == 0
    kept = value(unbroken, "SELECT count(*) FROM questions WHERE verdict = 'kept'")
    assert isinstance(kept, int)
    assert kept > 10
    assert value(unbroken, "SELECT sum(planned) FROM consensus") == 4 * kept
    assert value(unbroken, "SELECT sum(votes) FROM consensus") == value(unbroken, "SELECT count(*) FROM votes")
    assert value(unbroken, "SELECT count(*) FROM consensus WHERE votes < planned AND stopped = 'leader_certain'")
    assert value(unbroken, "SELECT count(*) FROM consensus") == kept
    assert value(unbroken, "SELECT count(*) FROM v_labels") == value(unbroken, "SELECT count(*) FROM examples")
    assert list((unbroken / "adapters").rglob("*.gguf"))


def test_a_second_run_measures_the_base_no_second_time(unbroken: Path) -> None:
    assert run_child(unbroken) == 0

    assert value(unbroken, "SELECT count(*) FROM runs") == 2
    base_items = """SELECT count(*) FROM evaluated_items JOIN evaluations USING (evaluation_id)
        JOIN models USING (model_id) WHERE kind = 'base'"""
    assert value(unbroken, base_items) == 40
