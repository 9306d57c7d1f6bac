"""A program that keeps the write-ahead log from being emptied is noticed and named, and none of ours does it."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sample_run import load_sample_run

from crescent_lite.store import Store
from crescent_lite.store.database import Database, log_of
from crescent_lite.store.log_watch import LogWatch, log_holders, reading_pids

LOCKS = """\
1: POSIX  ADVISORY  READ 17 fd:00:1234 124 124
2: POSIX  ADVISORY  READ 18 fd:00:1234 128 128
3: POSIX  ADVISORY  WRITE 19 fd:00:1234 120 120
4: POSIX  ADVISORY  READ 20 fd:00:99 124 124
5: FLOCK  ADVISORY  WRITE 21 fd:00:1234 0 EOF
6: POSIX  ADVISORY  READ 17 fd:00:1234 125 125
"""
READER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN")
database.execute("SELECT count(*) FROM sqlite_master").fetchone()
print("reads", flush=True)
sys.stdin.read()
"""


@contextmanager
def reader_of(path: Path) -> Iterator[int]:
    """A process in the middle of a transaction; its id."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == b"reads\n"
        yield process.pid
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def fill(database: Database, more_bytes: int) -> None:
    before = log_of(database.path).stat().st_size
    while log_of(database.path).stat().st_size < before + more_bytes:
        database.write("INSERT INTO filling (text) VALUES (?)", ["x" * 400_000])


def test_processes_that_read_from_the_log_are_found_by_their_locks() -> None:
    assert reading_pids(LOCKS, "fd:00:1234") == [17]
    assert reading_pids("", "fd:00:1234") == []


def test_a_reader_that_lets_the_log_grow_is_named_again_at_each_doubling(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    with closing(Database.open_to_write(tmp_path / "x.db")) as database, caplog.at_level(logging.WARNING):
        database.write("CREATE TABLE filling (text)")
        watch = LogWatch(database, seconds=0, warn_bytes=500_000)
        with reader_of(database.path) as pid:
            assert log_holders(database.path)[0].startswith(f"process {pid} (")
            watch.look()
            assert not told()
            fill(database, 500_000)
            watch.look()
            watch.look()
            (first,) = told()
            assert f"because process {pid} (" in first
            fill(database, 1_500_000)
            watch.look()
            assert len(told()) == 2
        watch.look()
        assert log_of(database.path).stat().st_size == 0
        assert log_holders(database.path) == []
        fill(database, 500_000)
        watch.look()
        assert len(told()) == 2  # it could be emptied


@pytest.mark.slow
def test_no_reader_of_this_project_holds_the_log_while_nobody_takes_its_output(tmp_path: Path) -> None:
    folder = load_sample_run(tmp_path / "data").folder
    everything = "SELECT a.*, b.* FROM v_votes a CROSS JOIN v_questions b"
    form = ["--csv", "--limit", "20000"]
    command = [sys.executable, "-m", "crescent_lite.cli", "query", everything, "-w", str(folder), *form]
    with closing(Store.open(folder / "crescent.db")):  # the engine, so that there is a log
        query = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert query.stdout
        assert query.stdout.read(100)  # and no more, as a pager that shows one page
        time.sleep(0.3)
        holders = log_holders(folder / "crescent.db")
        still_there = query.poll() is None
        query.stdout.close()
        query.wait()
    assert still_there
    assert holders == []
