"""Merging databases: of untrusted origin, incomplete, or with adapters that cannot be copied."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from small_workspace import workspace_with_adapter

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

ADAPTER = Path("adapters", "run-1", "round-1", "adapter.gguf")


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "here")
    workspace.create("")
    Store.open(workspace.database_path).close()
    return workspace


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    return workspace_with_adapter(tmp_path / "other")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_sample_run(tmp_path_factory.mktemp("sample") / "data").folder


def merge(other: Path, here: Workspace) -> int:
    return main(["db", "merge", str(other), "-w", str(here.folder)])


def changed(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def runs(workspace: Workspace) -> int:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        return int(store.database.value("SELECT count(*) FROM runs"))


def test_an_adapter_that_was_missing_is_copied_the_next_time(
    here: Workspace, other: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = other.folder / "aside"
    other.adapters.rename(aside)
    assert merge(other.folder, here) == ExitCode.OK
    assert "the adapter is missing" in capsys.readouterr().out

    aside.rename(other.adapters)
    assert merge(other.folder, here) == ExitCode.OK

    assert "not there" not in capsys.readouterr().out
    assert (here.folder / ADAPTER).read_bytes() == (other.folder / ADAPTER).read_bytes()


def test_where_an_adapter_cannot_be_stored_nothing_is_merged(
    here: Workspace, other: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(here.adapters, ignore_errors=True)
    here.adapters.write_text("in the way")

    assert merge(other.folder, here) == ExitCode.STORAGE
    assert capsys.readouterr().err.count("\n") == 1
    assert runs(here) == 0

    here.adapters.unlink()
    assert merge(other.folder, here) == ExitCode.OK
    assert (here.folder / ADAPTER).is_file()


def test_nothing_but_a_runs_adapter_is_copied_whatever_path_a_database_names(
    here: Workspace, other: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "adapter.gguf").write_text("key")
    (secret / "id").write_text("key")
    (other.folder / ADAPTER.parent / "link").symlink_to(secret)
    assert merge(other.folder, here) == ExitCode.OK
    assert not (here.folder / ADAPTER.parent / "link").exists()

    for number, path in enumerate((f"{secret}/adapter.gguf", "/tmp/\x1b]0;named\x07x")):
        changed(
            other.database_path,
            f"UPDATE models SET path = '{path}', sha256 = 'other{number}' WHERE kind = 'adapter'",
            f"UPDATE runs SET started_at = 'another time {number}'",
        )
        assert merge(other.folder, here) == ExitCode.OK
        said = capsys.readouterr().out
        assert "the adapter is missing" in said
        assert "\x1b" not in said
    assert [path.name for path in here.folder.rglob("*") if path.name == "id"] == []


def test_a_run_that_was_not_finished_here_is_not_the_same(
    here: Workspace, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = Workspace(Path(shutil.copytree(sample, tmp_path / "earlier")))
    changed(
        earlier.database_path,
        "UPDATE rounds SET adapter_id = NULL WHERE number = 2",
        "UPDATE runs SET state = 'stopped'",
    )

    assert merge(sample, earlier) == ExitCode.OK

    assert "continued in one of the two" in capsys.readouterr().out


def test_a_run_that_learns_from_one_that_is_not_the_same_here_is_refused(
    here: Workspace, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(sample, tmp_path / "other"))
    columns = "kind, state, rounds, base_id, config, inputs, version"
    changed(
        other / "crescent.db",
        f"INSERT INTO runs ({columns}, started_at, teacher_id) SELECT {columns}, 'later', 1 FROM runs",
    )
    assert merge(sample, here) == ExitCode.OK
    changed(here.database_path, "UPDATE runs SET state = 'stopped'")

    assert merge(other, here) == ExitCode.OK

    assert "run 2 of" in (said := capsys.readouterr().out)
    assert "not copied: it learns from run 1, and the copy of that run here differs" in said
    assert runs(here) == 1


def test_two_runs_with_the_same_adapter_keep_their_names(here: Workspace, other: Workspace, tmp_path: Path) -> None:
    assert merge(other.folder, here) == ExitCode.OK
    changed(other.database_path, "UPDATE runs SET started_at = 'another time'")
    assert merge(other.folder, here) == ExitCode.OK

    with closing(Store.open_read_only(here.database_path)) as store:
        models = store.database.rows("SELECT name, run_id FROM v_models WHERE kind = 'adapter'")
    assert [tuple(row) for row in models] == [("run-1-round-1", 1)]


FOREIGN = {
    "a table of that name": ("CREATE TABLE runs (id)",),
    "no table": ("DROP TABLE alarms",),
    "no view": ("DROP VIEW v_rounds",),
    "no index of words": ("DROP TABLE solutions_fts",),
    "broken words": ("DELETE FROM questions_fts_data WHERE id > 10",),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_damaged_database_is_refused_in_one_line_that_names_it(
    here: Workspace, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    path = tmp_path / "foreign.db"
    if what != "a table of that name":
        shutil.copy(sample / "crescent.db", path)
    changed(path, *FOREIGN[what])

    assert merge(path, here) == ExitCode.WORKSPACE

    said = capsys.readouterr().err
    assert str(path) in said
    assert said.count("\n") == 1
    assert runs(here) == 0


@pytest.mark.parametrize("what", [each for each in FOREIGN if each != "a table of that name"])
def test_a_check_finds_what_a_database_lacks(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    folder = Path(shutil.copytree(sample, tmp_path / "data"))
    changed(folder / "crescent.db", *FOREIGN[what])

    assert main(["db", "check", "-w", str(folder)]) == ExitCode.STORAGE
    assert "missing" in (said := capsys.readouterr().out) or "cannot be read" in said

    mended = what == "broken words"
    assert main(["db", "vacuum", "-w", str(folder)]) == (ExitCode.OK if mended else ExitCode.STORAGE)
    if mended:
        assert main(["db", "check", "-w", str(folder)]) == ExitCode.OK
