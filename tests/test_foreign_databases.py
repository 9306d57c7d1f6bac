"""A database that somebody else made cannot change what is stored, hang a reader, or name a file of its own."""

from __future__ import annotations

import lzma
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from small_workspace import workspace_with_adapter

from crescent_lite.errors import StorageError, WorkspaceError
from crescent_lite.store import Store
from crescent_lite.store.database import Database
from crescent_lite.store.own_schema import TABLES, strange_trigger, strange_view
from crescent_lite.workspace.merging import merge_workspace

OLD = sorted((Path(__file__).parent / "databases").glob("*.db.xz"))
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_every_table_is_known() -> None:
    new = Database.open_to_write(Path(":memory:"))
    names = {row[0] for row in new.rows("SELECT name FROM pragma_table_list WHERE type IN ('table', 'virtual')")}
    assert {name for name in names if not name.startswith(("sqlite_", "_sqlite"))} == TABLES


@pytest.mark.parametrize("packed", [*OLD, None], ids=lambda path: path.name.split("_")[0] if path else "new")
def test_no_own_trigger_or_view_is_strange(packed: Path | None, tmp_path: Path) -> None:
    path = tmp_path / "crescent.db"
    if packed:
        path.write_bytes(lzma.decompress(packed.read_bytes()))
        with closing(sqlite3.connect(path)) as database:
            assert strange_trigger(database) is None
    with closing(Database.open_to_write(path)) as database:
        assert strange_trigger(database.connection) is None
        assert strange_view(database.connection) is None
        assert database.value("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'") == 7


@pytest.mark.parametrize(
    "trigger",
    [
        "CREATE TRIGGER x AFTER INSERT ON votes BEGIN DELETE FROM votes; END",
        "CREATE TRIGGER questions_fts_delete AFTER DELETE ON questions BEGIN DELETE FROM votes; END",
        f"CREATE TRIGGER x BEFORE UPDATE ON runs BEGIN SELECT ({ENDLESS}); END",
    ],
)
def test_a_trigger_of_somebody_else_is_refused_before_anything_is_written(trigger: str, tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "DROP TRIGGER questions_fts_delete", trigger)
    before = path.read_bytes()
    with pytest.raises(WorkspaceError, match=r"crescent\.db: has a trigger that crescent-lite did not make, '"):
        Store.open(path)
    with closing(Store.open_read_only(path)) as store:  # reading fires no trigger
        assert store.runs.fetch_run().run_id == 1
    assert path.read_bytes() == before
    with (
        closing(Store.open(workspace_with_adapter(tmp_path / "mine").database_path)) as mine,
        pytest.raises(WorkspaceError, match="has a trigger that crescent-lite did not make"),
    ):
        merge_workspace(mine, workspace_with_adapter(tmp_path / "mine"), path)


def test_a_view_without_end_is_refused_by_readers_and_made_again_by_a_writer(tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "DROP VIEW v_runs", f"CREATE VIEW v_runs AS {ENDLESS}")
    with pytest.raises(WorkspaceError, match="its view v_runs is not this version's; `crescent db vacuum`"):
        Store.open_read_only(path)
    Store.open(path).close()
    with closing(Store.open_read_only(path)) as store:
        assert len(store.database.rows("SELECT * FROM v_runs")) == 1


def test_a_view_in_the_place_of_a_table_is_refused(tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "PRAGMA foreign_keys = OFF", "DROP TABLE notes", f"CREATE VIEW Notes AS {ENDLESS}")
    began = time.monotonic()
    for open_it in (Store.open_read_only, Store.open):
        with pytest.raises(WorkspaceError, match="Notes is a view there, not a table"):
            open_it(path)
    assert time.monotonic() - began < 5


def test_a_database_that_lacks_a_part_says_so(tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "DROP VIEW v_runs")
    with (
        closing(Store.open_read_only(path)) as store,
        pytest.raises(StorageError, match="view v_runs is missing; restore a backup"),
    ):
        store.run_rows.fetch()


def test_tables_without_the_list_of_migrations_are_no_older_version(tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "DELETE FROM _sqlite_migrations")
    with pytest.raises(WorkspaceError, match="cannot be brought up to date: table prompts already exists"):
        Store.open(path)


def test_a_run_that_names_itself_as_its_parent_is_listed_once(tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, "UPDATE runs SET teacher_id = run_id, control_of = run_id")
    with closing(Store.open_read_only(path)) as store:
        assert [row.run_id for row in store.run_rows.fetch([1])] == [1]
    change(path, "PRAGMA foreign_keys = OFF", "UPDATE runs SET base_id = 99")
    with (
        closing(Store.open_read_only(path)) as store,
        pytest.raises(StorageError, match="a run refers to rows that are missing"),
    ):
        store.run_rows.fetch([1])


@pytest.mark.parametrize("text", ["{", "[]", "7", "[" * 100_000, '"x\x1b[2J"'])
def test_a_column_of_json_that_holds_something_else_is_one_line(text: str, tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, f"UPDATE trainings SET details = '{text}'")
    with (
        closing(Store.open_read_only(path)) as store,
        pytest.raises(StorageError, match=r"where .* in JSON should be; restore a backup") as raised,
    ):
        store.trainings.fetch_finished(1)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 200


@pytest.mark.parametrize("made", ["load_extension('/tmp/never.so')", "hex(zeroblob(900000000))"])
def test_a_view_of_somebody_else_is_left_alone_and_can_do_nothing(made: str, tmp_path: Path) -> None:
    path = workspace_with_adapter(tmp_path).database_path
    change(path, f"CREATE VIEW mine AS SELECT {made}")
    with closing(Store.open_read_only(path)) as store:
        assert store.runs.fetch_run().run_id == 1
        with pytest.raises((StorageError, sqlite3.Error), match=r"unsafe use|too big|no such function"):
            store.database.rows("SELECT * FROM mine")
