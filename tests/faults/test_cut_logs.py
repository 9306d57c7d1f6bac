"""The write-ahead log of a killed run, cut anywhere or with flipped bytes: the database opens to a committed state.

SQLite promises that; this holds it for this project's pragmas, its migrations and its way to open a database to read.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bed import ROOT, broken_invariants, count, environment, faults_of, shares, source, what_was_said
from disk import WarmPrograms
from small_workspace import make_workspace

from crescent_lite.errors import CrescentError
from crescent_lite.store import Store

pytestmark = pytest.mark.slow
CUTS = 1000
FLIPS = 500
RESUMED_EACH = 50
"""After every so many cuts the run is also played to its end."""
FACTS = {
    "texts": "SELECT question_id, raw_text FROM questions",
    "votes": "SELECT question_id, sample_index, text FROM votes",
    "labels": "SELECT question_id, answer_key, votes FROM consensus",
    "replies": "SELECT evaluation_id, item_id, sample_index, text FROM evaluated_items",
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose engine was killed, with its last commits in the log only."""
    folder = tmp_path_factory.mktemp("killed")
    make_workspace(folder, min_examples=1000)
    child = [sys.executable, str(ROOT / "tests" / "engine_child.py"), str(folder), "vote", "60"]
    assert subprocess.run(child, env=environment(), capture_output=True, check=False).returncode == -9
    assert (folder / "crescent.db-wal").stat().st_size > 500_000
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPrograms]:
    with WarmPrograms(tmp_path_factory.mktemp("programs")) as running:
        yield running


@pytest.fixture(scope="module")
def unbroken(
    killed: Path, programs: WarmPrograms, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[object, ...]]:
    """What is said once the killed run has been resumed with its whole log."""
    folder = tmp_path_factory.mktemp("unbroken") / "copy"
    shutil.copytree(killed, folder)
    assert not faults_of(programs.run("engine", str(folder)), codes=[0])
    return what_was_said(folder)


def facts_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return {name: database.execute(sql).fetchall() for name, sql in FACTS.items()}


def is_part_of(part: dict[str, list[tuple[object, ...]]], whole: dict[str, list[tuple[object, ...]]]) -> bool:
    return all(set(rows) <= set(whole[name]) for name, rows in part.items())


@pytest.mark.parametrize("share", shares(few=25, all_of_them=CUTS + FLIPS, each=250), ids=str)
def test_a_cut_or_changed_log_opens_to_a_committed_state(
    share: range,
    killed: Path,
    programs: WarmPrograms,
    unbroken: list[tuple[object, ...]],
    tmp_path: Path,
) -> None:
    log = (killed / "crescent.db-wal").read_bytes()
    whole_folder = tmp_path / "whole"
    shutil.copytree(killed, whole_folder)
    whole = facts_of(whole_folder / "crescent.db")
    for trial in share:
        chance = source("log", trial)
        changed = bytearray(log)
        if trial % 3 == 2:
            for _ in range(chance.choice((1, 1, 5, 50))):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            what = "a log with flipped bits"
        else:
            del changed[chance.choice((chance.randrange(len(log)), 32 + 4120 * chance.randrange(len(log) // 4120))) :]
            what = "a cut log"
        folder = tmp_path / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(killed, folder, ignore=shutil.ignore_patterns("crescent.db-shm"))
        (folder / "crescent.db-wal").write_bytes(changed)
        try:
            Store.open_read_only(folder / "crescent.db").close()
        except CrescentError as refusal:
            assert refusal.hint, refusal
        Store.open(folder / "crescent.db").close()
        assert not broken_invariants(folder, at_rest=False), (what, trial, len(changed))
        assert is_part_of(facts_of(folder / "crescent.db"), whole), (what, trial, len(changed))
        if trial % RESUMED_EACH == 0:
            assert not faults_of(programs.run("engine", str(folder)), codes=[0])
            assert what_was_said(folder) == unbroken
            assert not broken_invariants(folder)
            count(f"{what}, and the run resumed")
        count(what)
