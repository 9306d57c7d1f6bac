"""Two programs that write to one workspace, a network drive, a synchroniser: refused in one line, or right."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import (
    ROOT,
    Ended,
    broken_invariants,
    compiled,
    count,
    crescent,
    crescent_command,
    environment,
    faults_of,
    is_one_line,
    shares,
    source,
    trials,
    what_was_said,
)
from small_workspace import make_workspace

from crescent_lite.errors import ExitCode, WorkspaceError
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.surroundings import NETWORK_DRIVES, refuse_second_database, synchroniser_of

pytestmark = pytest.mark.slow
CHILD = [sys.executable, str(ROOT / "tests" / "engine_child.py")]
NO_TRAINING = 1000
NFS = "6969"


@contextmanager
def at_work(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An engine that is paused in the middle of its run."""
    workspace = Workspace(folder)
    process = subprocess.Popen([*CHILD, str(folder)], env=environment(), stderr=subprocess.PIPE)
    try:
        wait_for(lambda: workspace.log_of(1).exists() and "StageProgressed" in workspace.log_of(1).read_text())
        workspace.ask("pause")
        wait_for(lambda: "RunPaused" in workspace.log_of(1).read_text())
        yield process
    finally:
        workspace.take("pause")
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(120) == 0, said


def wait_for(condition: object, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def is_refused(ended: Ended, *codes: ExitCode) -> bool:
    """Whether a command said in one line that it does nothing."""
    return not faults_of(ended, codes) and is_one_line(ended)


WRITING = [
    ("run", "--yes"),
    ("eval",),
    ("headroom",),
    ("distill", "--student", "embedded"),
    ("controls",),
    ("recheck",),
    ("sweep", "--seeds", "2", "--yes"),
    ("rollback", "1"),
    ("db", "vacuum"),
    ("db", "merge", "{other}"),
]
READING = [
    ("status",),
    ("db", "check"),
    ("db", "backup"),
    ("export", "examples"),
    ("query", "SELECT count(*) FROM votes"),
    ("report",),
    ("note", "1", "look at this"),
]


def test_what_writes_is_refused_beside_an_engine_and_what_reads_is_right(tmp_path: Path) -> None:
    folder, other = tmp_path / "maths", tmp_path / "other"
    for place in (folder, other):
        make_workspace(place, None, NO_TRAINING)
    assert subprocess.run([*CHILD, str(other)], env=environment()).returncode == 0
    with at_work(folder):
        before = what_was_said(folder)
        for command in WRITING[: trials(3, len(WRITING))]:
            arguments = [argument.replace("{other}", str(other)) for argument in command]
            ended = crescent(*arguments, "-w", str(folder), seconds=120)
            assert is_refused(ended, ExitCode.WORKSPACE, ExitCode.NOT_FOUND, ExitCode.USAGE), ended
            count("two at once: a writing command beside an engine")
        for command in READING[: trials(3, len(READING))]:
            ended = crescent(*command, "-w", str(folder), seconds=120)
            assert not faults_of(ended, [0, 13]), ended
            count("two at once: a reading command beside an engine")
        assert what_was_said(folder) == before
    assert not broken_invariants(folder)
    assert len({row[0] for row in what_was_said(folder)}) == 1


@pytest.mark.parametrize("share", shares(few=1, all_of_them=10, each=5), ids=str)
def test_of_two_engines_that_start_together_one_runs_and_one_is_refused(share: range, tmp_path: Path) -> None:
    for trial in share:
        folder, chance = tmp_path / str(trial), source("two engines", trial)
        make_workspace(folder, None, NO_TRAINING)
        both = []
        for _ in range(2):
            both.append(subprocess.Popen([*CHILD, str(folder)], env=environment(), stderr=subprocess.PIPE))
            time.sleep(chance.random() * 0.2)
        ends = [(process.communicate(timeout=120)[1].decode(), process.returncode) for process in both]
        refused = [said for said, code in ends if code != 0]
        assert len(refused) == 1, ends
        assert "in use by another run" in refused[0]
        assert not broken_invariants(folder)
        assert len({row[0] for row in what_was_said(folder)}) == 1
        count("two at once: two engines")


def test_two_copies_into_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    folder = tmp_path / "maths"
    make_workspace(folder, None, NO_TRAINING)
    assert subprocess.run([*CHILD, str(folder)], env=environment()).returncode == 0
    commands = [
        ("report", "-w", str(folder), "--output", str(tmp_path / "reports")),
        ("export", "examples", "-w", str(folder), "--output", str(tmp_path / "labels.jsonl"), "--force"),
    ]
    for command in commands:
        both = [
            subprocess.Popen(crescent_command(*command), env=environment(), stderr=subprocess.PIPE) for _ in range(2)
        ]
        for process in both:
            said = process.communicate(timeout=120)[1].decode()
            assert process.returncode == 0, said
            count("two at once: exports into one file")
    alone = tmp_path / "alone.jsonl"
    crescent("export", "examples", "-w", str(folder), "--output", str(alone))
    assert (tmp_path / "labels.jsonl").read_bytes() == alone.read_bytes()
    assert not list(tmp_path.rglob("*unfinished"))


def test_two_tuis_that_press_start_together_start_one_engine(tmp_path: Path) -> None:
    terminals = pytest.importorskip("terminal", reason="needs a pty")
    folder = tmp_path / "maths"
    make_workspace(folder, None, NO_TRAINING)
    command = crescent_command("tui", "-w", str(folder))
    with (
        terminals.Terminal(command, columns=120, lines=40, environment=environment()) as first,
        terminals.Terminal(command, columns=120, lines=40, environment=environment()) as second,
    ):
        for terminal in (first, second):
            terminal.wait_for_text("no run yet", 120)
            terminal.press("s")
        for terminal in (first, second):
            terminal.wait_for_text("Start a new run?", 60)
            terminal.settle(0.5)
        for terminal in (first, second):
            terminal.press("enter")
        for terminal in (first, second):
            terminal.wait_for_text("finished", 300)
        for terminal in (first, second):
            terminal.press("escape", "q")
            assert terminal.process.wait(60) == 0
    assert len(list((folder / "logs").glob("run-*.jsonl"))) == 1
    output = (folder / "logs" / "engine-output.txt").read_text()
    assert "Traceback" not in output
    assert not broken_invariants(folder)
    count("two at once: two TUIs")


@pytest.mark.parametrize("command", [("run", "--yes"), ("db", "vacuum"), ("eval",)], ids=" ".join)
def test_a_workspace_on_a_network_drive_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    make_workspace(tmp_path, "embedded", NO_TRAINING)
    shim = environment(
        LD_PRELOAD=str(compiled("statfs.c")), CRESCENT_STATFS_IN=str(tmp_path), CRESCENT_STATFS_TYPE=NFS
    )
    ended = crescent(*command, "-w", str(tmp_path), env=shim)
    assert is_refused(ended, ExitCode.WORKSPACE), ended
    assert "network drive (NFS)" in ended.err
    assert not (tmp_path / "crescent.db").exists()
    assert NETWORK_DRIVES[int(NFS, 16)] == "NFS"


CONFLICTS = [
    "crescent (Ann's conflicted copy 2026-11-30).db",
    "crescent (conflicted copy 2026-11-30 101500).db",
    "crescent.sync-conflict-20261130-101500-ABCDEFG.db",
    "crescent_conflict-20261130-101500.db",
    "crescent 2.db",
    "crescent-LAPTOP.db",
    "crescent-DESKTOP-AB12-2.db",
    "crescent (Ann's conflicted copy 2026-11-30).db-wal",
]
ORDINARY = ["crescent.db.before-m012", "crescent-backup.db", "crescent.txt"]


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_second_database_of_a_synchroniser_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    for ordinary in ORDINARY:
        (tmp_path / ordinary).touch()
    refuse_second_database(tmp_path / "crescent.db")
    (tmp_path / name).touch()
    with pytest.raises(WorkspaceError, match="a synchroniser left a second copy of the database"):
        refuse_second_database(tmp_path / "crescent.db")
    count("synchroniser: second databases")


def test_no_run_starts_beside_a_second_database_until_it_is_moved_away(tmp_path: Path) -> None:
    make_workspace(tmp_path, None, NO_TRAINING)
    (tmp_path / CONFLICTS[0]).touch()
    refused = subprocess.run([*CHILD, str(tmp_path)], env=environment(), capture_output=True, text=True)
    assert refused.returncode != 0
    assert "a synchroniser left a second copy of the database" in refused.stderr
    assert is_refused(crescent("run", "--yes", "-w", str(tmp_path)), ExitCode.WORKSPACE)
    (tmp_path / CONFLICTS[0]).unlink()
    assert subprocess.run([*CHILD, str(tmp_path)], env=environment()).returncode == 0


@pytest.mark.parametrize("file", ["crescent.db", pytest.param("crescent.db-wal", marks=pytest.mark.faults)])
def test_a_database_that_is_replaced_beneath_an_engine_ends_the_run_and_nothing_stored_is_lost(
    file: str, tmp_path: Path
) -> None:
    make_workspace(tmp_path, None, NO_TRAINING)
    with pytest.raises(AssertionError, match="another program replaced or deleted it"), at_work(tmp_path):
        before = what_was_said(tmp_path)
        kept = tmp_path / "kept"
        (tmp_path / file).rename(kept)
        shutil.copy(kept, tmp_path / file)
    kept.replace(tmp_path / file)
    assert subprocess.run([*CHILD, str(tmp_path)], env=environment()).returncode == 0
    texts = [row[2] for row in what_was_said(tmp_path)]
    assert all(row[2] in texts for row in before)
    assert not broken_invariants(tmp_path)
    count("synchroniser: replaced databases")


@pytest.mark.parametrize(
    ("mark", "name"),
    [(".dropbox", "Dropbox"), (".stfolder", "Syncthing"), (".sync_0123.db", "Nextcloud"), ("", None)],
)
def test_a_folder_that_a_synchroniser_copies_is_known_by_its_marks(mark: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "maths"
    folder.mkdir(parents=True)
    if mark:
        (tmp_path / mark).touch()
    assert synchroniser_of(folder) == name
    named = tmp_path / "OneDrive - School" / "maths"
    assert synchroniser_of(named) == "OneDrive"
