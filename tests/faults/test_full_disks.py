"""A disk that is full, failing, over its quota or read-only at any moment: one line, nothing lost, and it goes on.

Each trial fails one call of a command (or that one and all later ones, or shortens a write), then runs the same
command again on a disk that works. The quick part tries a few calls of each; `make test-faults` tries every one.
"""

from __future__ import annotations

import lzma
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from bed import (
    SEED,
    Ended,
    broken_invariants,
    c_compiler,
    count,
    faults_of,
    is_full,
    is_one_line,
    source,
    trials,
    what_was_measured,
    what_was_said,
)
from disk import ERRORS, KINDS, FaultyDisk, Mode, WarmPrograms, give_adapter
from disk import Fault as DiskFault
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter

from crescent_lite.errors import ExitCode
from crescent_lite.files import remove_left_over
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.notes import pending_notes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(c_compiler() is None, reason="needs a C compiler, to build a library that fails calls"),
]
PLACE = "workspace"
CASES = [(name, mode) for name in ERRORS for mode in ("once", "from")] + [("ENOSPC", "short")]
SMALLER = {
    "questions = 40": "questions = 5",
    "items = 20": "items = 2",
    "votes_per_question = 4": "votes_per_question = 2",
}
DATABASES = Path(__file__).parents[1] / "databases"


@dataclass(frozen=True)
class Bed:
    """A failing disk, programs that run on it, and workspaces to copy."""

    disk: FaultyDisk
    programs: WarmPrograms
    root: Path

    @property
    def folder(self) -> Path:
        """The workspace that programs work in; calls below it can fail."""
        return self.root / PLACE

    def begin(self, start: Path) -> None:
        """Make the workspace a copy of `start`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(start, self.folder)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    root = tmp_path_factory.mktemp("disk")
    (root / "library").mkdir()
    disk = FaultyDisk(root / "library", root / PLACE)
    with WarmPrograms(root / "library", disk) as programs:
        yield Bed(disk, programs, root)


@pytest.fixture(scope="module")
def empty(bed: Bed) -> Path:
    """A workspace with an empty database."""
    folder = bed.root / "empty"
    workspace = make_workspace(folder, min_examples=1000)
    text = workspace.config_path.read_text(encoding="utf-8")
    for before, after in SMALLER.items():
        text = text.replace(before, after)
    workspace.config_path.write_text(text.replace(str(folder), str(bed.root)), encoding="utf-8")
    (folder / "tiny.gguf").rename(bed.root / "tiny.gguf")
    Store.open(workspace.database_path).close()
    return folder


@pytest.fixture(scope="module")
def finished(bed: Bed, empty: Path) -> Path:
    """A workspace with a finished run, an adapter of its round, and a note."""
    bed.begin(empty)
    assert not faults_of(bed.programs.run("engine", str(bed.folder)), codes=[0])
    adapter = make_tiny_adapter(bed.folder / "adapters" / "run-1" / "round-1" / "adapter.gguf")
    give_adapter(bed.folder, adapter)
    return Path(shutil.copytree(bed.folder, bed.root / "finished"))


def refusals_of(ended: Ended) -> list[str]:
    """What is wrong with how a command ended that may have failed because of the disk."""
    faults = faults_of(ended, codes=[ExitCode.OK, ExitCode.STORAGE])
    if "Exception ignored" in ended.err or "Exception in thread" in ended.err:
        faults += ["an exception was ignored", str(ended)]
    if not faults and ended.code and not (is_one_line(ended) and ended.err.strip().splitlines()[-1].count("; ")):
        faults += ["it does not say in one line what to do", str(ended)]
    return faults


def numbers_of_case(calls: int, few: int, case: tuple[str, Mode], *names: object) -> Sequence[int]:
    """The numbers of the calls that are failed in one case: in full the cases share all calls among them, by turns.

    A run makes about 1,700 calls. Each of them with each error would take half a day, so the seed decides which.
    """
    if is_full():
        return range(1 + (SEED + CASES.index(case)) % len(CASES), calls + 1, len(CASES))
    return numbers_of(calls, few, *names, *case)


def numbers_of(calls: int, few: int, *names: object) -> Sequence[int]:
    """The numbers of the calls that are failed: all of them in full, else a few that are spread evenly."""
    wanted = min(calls, trials(few, calls))
    offset = source("disk", *names).random()
    return sorted({1 + int((step + offset) * calls / wanted) for step in range(wanted)})


def counted_calls(bed: Bed, run: Callable[[], Ended]) -> int:
    """How many calls an undisturbed run makes."""
    with bed.disk.fails(DiskFault(0, 0)):
        assert not faults_of(run(), codes=[0])
    return bed.disk.seen


def failed_and_repeated(bed: Bed, run: Callable[[], Ended], fault: DiskFault) -> list[str]:
    """What is wrong after a run on a failing disk and, if that ended with an error, the same run on a working one."""
    with bed.disk.fails(fault):
        ended = run()
    faults = refusals_of(ended)
    if ended.code:
        faults += faults_of(run(), codes=[0])
    for place in {path.parent for path in left_over(bed.folder)}:  # where deleting it failed as well
        remove_left_over(place)
    return faults


@pytest.mark.parametrize(("error", "mode"), CASES)
def test_a_run_goes_on_after_any_call_failed(error: str, mode: Mode, bed: Bed, empty: Path) -> None:
    def run() -> Ended:
        return bed.programs.run("engine", str(bed.folder))

    bed.begin(empty)
    calls = counted_calls(bed, run)
    said, measured = said_and_measured(bed.folder)
    assert said
    assert measured
    found = []
    for number in numbers_of_case(calls, 3, (error, mode), "run"):
        bed.begin(empty)
        faults = failed_and_repeated(bed, run, DiskFault(number, ERRORS[error], mode))
        where = f"{error} {mode} at call {number} of {calls}, {bed.disk.what_failed}"
        faults = faults or broken_invariants(bed.folder)
        if not faults and said_and_measured(bed.folder) != (said, measured):
            faults.append("the resumed run is not like an unbroken one")
        found += [f"{where}: {fault}" for fault in faults]
        count(f"disk: {error}, {mode}: a run")
    assert not found, "\n".join(found)


def said_and_measured(folder: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What the latest run said and measured, without its number: a run that failed at once is replaced."""
    with closing(sqlite3.connect(folder / "crescent.db")) as database:
        (latest,) = database.execute("SELECT max(run_id) FROM runs").fetchone()
    rows = what_was_said(folder), what_was_measured(folder)
    said, measured = ([row[1:] for row in each if row[0] == latest] for each in rows)
    return said, measured


TRAININGS = 24
"""Calls of a training that are failed in full: each trial trains twice, which takes ten seconds and more."""


@pytest.mark.faults
def test_a_training_goes_on_after_any_call_failed(bed: Bed, empty: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    settings = ("train.min_examples=2", "bait.questions=12")

    def run() -> Ended:
        return bed.programs.run("engine", str(bed.folder), *settings)

    bed.begin(empty)
    bed.disk.watch(bed.folder / "adapters")
    try:
        with bed.disk.fails(DiskFault(1, ERRORS["ENOSPC"], "from")):  # all is done but the training
            assert not refusals_of(run())
        start = Path(shutil.copytree(bed.folder, tmp_path / "start"))
        calls = counted_calls(bed, run)
        assert list((bed.folder / "adapters").rglob("*.gguf"))
        said = said_and_measured(bed.folder)
        found = []
        for trial, number in enumerate(numbers_of(min(calls, TRAININGS), 2, "training")):
            error, mode = CASES[trial % len(CASES)]
            bed.begin(start)
            fault = DiskFault(1 + number * calls // TRAININGS if calls > TRAININGS else number, ERRORS[error], mode)
            with bed.disk.fails(fault):
                ended = run()
            where = f"{fault} of {calls}, {bed.disk.what_failed}"
            faults = refusals_of(ended)
            if ended.code:
                faults += faults_of(run(), codes=[0])
            faults = faults or broken_invariants(bed.folder)
            if not faults and said_and_measured(bed.folder)[0] != said[0]:
                faults.append("the resumed run is not like an unbroken one")
            found += [f"{where}: {fault}" for fault in faults]
            count(f"disk: {error}, {mode}: a training")
    finally:
        bed.disk.watch(bed.folder)
    assert not found, "\n".join(found)


@dataclass(frozen=True)
class Case:
    """A command that writes."""

    arguments: tuple[str, ...]
    """WORKSPACE stands for the workspace, HERE for a folder beside it."""
    start: str = "finished"
    """The workspace that it begins with."""


COMMANDS = {
    "init": Case(("init", "WORKSPACE"), "nothing"),
    "export examples": Case(("export", "examples")),
    "export preference pairs": Case(("export", "examples", "--format", "messages")),
    "export parquet": Case(("export", "examples", "--format", "parquet")),
    "export adapter": Case(("export", "adapter")),
    "export gguf": Case(("export", "gguf", "--type", "f16")),
    "export gguf in 4 bits": Case(("export", "gguf", "--type", "q8_0")),
    "replace an export": Case(("export", "adapter", "--force"), "exported"),
    "merge": Case(("db", "merge", "HERE/finished"), "empty"),
    "backup": Case(("db", "backup")),
    "vacuum": Case(("db", "vacuum")),
    "report": Case(("report",)),
    "plot": Case(("query", "--plot", "question_id", "tokens", "SELECT question_id, tokens FROM questions")),
    "note": Case(("note", "1", "a note")),
    "rollback": Case(("rollback", "1")),
    "migrate": Case(("status",), "older"),
    "log": Case(("log", "--to", "tensorboard")),
    "quantise": Case(("quantise", "HERE/tiny.gguf", "--type", "q8_0", "--calibrate", "0")),
    "status": Case(("status",)),
    "forecast": Case(("run", "--dry-run", "--new")),
    "pause": Case(("pause",)),
}


def started(bed: Bed, name: str, request: pytest.FixtureRequest) -> Path:
    """The workspace that a case begins with."""
    if name in ("empty", "finished"):
        return request.getfixturevalue(name)
    folder = bed.root / f"start-{name}"
    if folder.exists():
        return folder
    if name == "nothing":
        folder.mkdir()
        return folder
    shutil.copytree(request.getfixturevalue("finished"), folder)
    if name == "older":
        for path in folder.glob("crescent.db*"):
            path.unlink()
        packed = sorted(DATABASES.glob("*.db.xz"))[0]
        (folder / "crescent.db").write_bytes(lzma.decompress(packed.read_bytes()))
    if name == "exported":
        bed.begin(folder)
        assert not faults_of(bed.programs.run("cli", "export", "adapter", "-w", str(bed.folder)), codes=[0])
        shutil.rmtree(folder)
        shutil.copytree(bed.folder, folder)
    return folder


def state_of(folder: Path) -> tuple[set[str], dict[str, int]]:
    """The names of a workspace's files, without times, and the number of rows of each table."""
    kept = (path for path in folder.rglob("*") if not path.name.startswith((".", "crescent.db-")))
    names = {re.sub(r"\d{8,}[\d.-]*|\d{6,}\.[\w.-]+", "TIME", str(path.relative_to(folder))) for path in kept}
    rows = {}
    if (folder / "crescent.db").is_file():
        with closing(sqlite3.connect(folder / "crescent.db")) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
    return names, rows


def notes_of(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "crescent.db")) as database:
        return database.execute("SELECT question_id, text FROM notes").fetchall()


def differences(state: tuple[set[str], dict[str, int]], wanted: tuple[set[str], dict[str, int]]) -> str:
    files = sorted(state[0] ^ wanted[0])
    rows = {name: (state[1].get(name), count) for name, count in wanted[1].items() if state[1].get(name) != count}
    return f"files {files}, rows {rows}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_writes_is_done_or_can_be_repeated(
    name: str, bed: Bed, request: pytest.FixtureRequest
) -> None:
    case = COMMANDS[name]
    if name == "log":
        pytest.importorskip("tensorboard")
    if "parquet" in case.arguments:
        pytest.importorskip("pyarrow")
    start = started(bed, case.start, request)
    arguments = [part.replace("WORKSPACE", str(bed.folder)).replace("HERE", str(bed.root)) for part in case.arguments]
    if name != "init":
        arguments += ["-w", str(bed.folder)]

    def run() -> Ended:
        return bed.programs.run("cli", *arguments)

    bed.begin(start)
    calls = counted_calls(bed, run)
    wanted = state_of(bed.folder)
    found = []
    for error, mode in CASES if is_full() else source("cases", name).sample(CASES, 3):
        for number in numbers_of_case(calls, 1, (error, mode), name) if calls else ():
            bed.begin(start)
            faults = failed_and_repeated(bed, run, DiskFault(number, ERRORS[error], mode))
            where = f"{name}: {error} {mode} at call {number} of {calls}, {bed.disk.what_failed}"
            if pending_notes(Workspace(bed.folder)) and not faults:
                faults = faults_of(bed.programs.run("engine", str(bed.folder)), codes=[0])  # it stores them
                faults += [] if len(notes_of(bed.folder)) == 1 else ["the note is not stored once"]
            elif not faults and (state := state_of(bed.folder)) != wanted:
                faults.append(f"not like an unbroken one: {differences(state, wanted)}")
            faults += [f"left over: {path}" for path in left_over(bed.folder)]
            found += [f"{where}: {fault}" for fault in faults]
            count(f"disk: {error}, {mode}: {name}")
    assert not found, "\n".join(found)
    if case.start != "older":
        assert not broken_invariants(bed.folder)


def left_over(folder: Path) -> list[Path]:
    """Files and folders that somebody did not finish writing."""
    return [path for pattern in ("*.unfinished*", "*.replaced", "*.taken") for path in folder.rglob(pattern)]


def test_the_library_fails_the_call_that_it_is_told_to(bed: Bed, empty: Path) -> None:
    bed.begin(empty)
    calls = {}
    for kind, number in KINDS.items():
        with bed.disk.fails(DiskFault(0, 0, kinds=number)):
            bed.programs.run("cli", "init", str(bed.folder / f"new-{kind}"))
        calls[kind] = bed.disk.seen
    assert calls["write"] and calls["open"] and calls["rename"] and calls["mkdir"] and calls["sync"]
    with bed.disk.fails(DiskFault(1, ERRORS["EDQUOT"], kinds=KINDS["rename"])):
        ended = bed.programs.run("cli", "init", str(bed.folder / "another"))
    assert bed.disk.failed == 1
    assert bed.disk.what_failed.startswith("rename")
    assert "quota exceeded; make room" in ended.err
