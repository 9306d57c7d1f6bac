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
    Ended,
    broken_invariants,
    count,
    faults_of,
    is_one_line,
    source,
    trials,
    what_was_measured,
    what_was_said,
)
from disk import ERRORS, KINDS, FaultyDisk, Mode, WarmPrograms, c_compiler
from disk import Fault as DiskFault
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter

from crescent_lite.errors import ExitCode
from crescent_lite.store import Store

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


def give_adapter(folder: Path, adapter: Path) -> None:
    """Store an adapter for round 1 of run 1, as if it had been trained."""
    from crescent_lite.models import sha256_of
    from crescent_lite.records import ModelFile, TrainedAdapter

    with closing(Store.open(folder / "crescent.db")) as store:
        run = store.runs.fetch_run(1)
        this = store.runs.fetch_round(1, 1)
        training_id = store.trainings.start_training(this.round_id, [])
        file = ModelFile("run-1-round-1", adapter, sha256_of(adapter), "trained by run-1-round-1", "adapter")
        adapter_id = store.runs.insert_model(file, store.runs.insert_model(store.runs.fetch_base(run)))
        trained = TrainedAdapter(adapter, Path("peft"), "peft", 1.0)
        store.trainings.finish_training(training_id, this.round_id, trained, adapter_id)


def refusals_of(ended: Ended) -> list[str]:
    """What is wrong with how a command ended that may have failed because of the disk."""
    faults = faults_of(ended, codes=[ExitCode.OK, ExitCode.STORAGE])
    if "Exception ignored" in ended.err or "Exception in thread" in ended.err:
        faults += ["an exception was ignored", str(ended)]
    if not faults and ended.code and not (is_one_line(ended) and ended.err.strip().splitlines()[-1].count("; ")):
        faults += ["it does not say in one line what to do", str(ended)]
    return faults


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


@pytest.mark.parametrize(("error", "mode"), CASES)
def test_a_run_goes_on_after_any_call_failed(error: str, mode: Mode, bed: Bed, empty: Path) -> None:
    def run() -> Ended:
        return bed.programs.run("engine", str(bed.folder))

    bed.begin(empty)
    calls = counted_calls(bed, run)
    said, measured = what_was_said(bed.folder), what_was_measured(bed.folder)
    assert said
    assert measured
    for number in numbers_of(calls, 3, "run", error, mode):
        bed.begin(empty)
        with bed.disk.fails(DiskFault(number, ERRORS[error], mode)):
            ended = run()
        where = f"{error} {mode} at call {number} of {calls}: {bed.disk.what_failed}"
        assert not refusals_of(ended), where
        if ended.code:
            assert not faults_of(run(), codes=[0]), where
        assert what_was_said(bed.folder) == said, where
        assert what_was_measured(bed.folder) == measured, where
        assert not broken_invariants(bed.folder), where
        count(f"disk: {error}, {mode}: a run")


@dataclass(frozen=True)
class Case:
    """A command that writes."""

    arguments: tuple[str, ...]
    """WORKSPACE stands for the workspace, HERE for a folder beside it."""
    start: str = "finished"
    """The workspace that it begins with."""
    again: tuple[str, ...] | None = None
    """What is added when it is repeated although it may have been done."""


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
    "forecast": Case(("run", "--dry-run")),
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
    for error, mode in CASES:
        for number in numbers_of(calls, 1, name, error, mode) if calls else ():
            bed.begin(start)
            with bed.disk.fails(DiskFault(number, ERRORS[error], mode)):
                ended = run()
            where = f"{name}: {error} {mode} at call {number} of {calls}: {bed.disk.what_failed}"
            assert not refusals_of(ended), where
            if ended.code:
                assert not faults_of(run(), codes=[0]), where
            assert state_of(bed.folder) == wanted, where
            assert not hidden_left_over(bed.folder), where
            count(f"disk: {error}, {mode}: {name}")
    if case.start != "older":
        assert not broken_invariants(bed.folder)


def hidden_left_over(folder: Path) -> list[str]:
    """Unfinished exports and files of this folder."""
    patterns = (".export-*", ".before-*", "*.unfinished", "*.taken")
    return [path.name for pattern in patterns for path in folder.rglob(pattern)]


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
