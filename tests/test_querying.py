"""SQL that users write can only read."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode, StorageError, UsageError
from crescent_lite.records import ModelFile, PromptText
from crescent_lite.store import QueryInterrupted, Store
from crescent_lite.store.querying import CELL_CHARACTERS, Querying, quoted
from crescent_lite.workspace import Workspace

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
PROMPT = PromptText("arithmetic/solve", "{question}", "0" * 64)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "data")
    workspace.create("")
    store = Store.open(workspace.database_path)
    store.runs.insert_prompt(PROMPT)
    base_id = store.runs.insert_model(ModelFile("base", Path("base.gguf"), "1" * 64, "embedded"))
    store.runs.insert_run("improvement", base_id, {})
    store.close()
    return workspace


@pytest.fixture
def querying(workspace: Workspace) -> Iterator[Querying]:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        yield store.querying


def test_a_query_has_columns_rows_and_a_time(querying: Querying) -> None:
    found = querying.run("SELECT run_id AS run, state FROM runs -- with a remark\n;")

    assert (found.columns, found.rows, found.truncated) == (("run", "state"), ((1, "running"),), False)
    assert 0 <= found.seconds < 5


def test_a_truncated_result_says_so(querying: Querying) -> None:
    numbers = "SELECT value FROM json_each('[1, 2, 3]')"

    assert querying.run(numbers, limit=2).rows == ((1,), (2,))
    assert querying.run(numbers, limit=2).truncated
    assert not querying.run(numbers, limit=3).truncated


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runs",
        "INSERT INTO prompts VALUES ('a', 'b', 'c')",
        "UPDATE runs SET state = 'finished'",
        "REPLACE INTO prompts VALUES ('a', 'b', 'c')",
        "UPDATE sqlite_master SET sql = ''",
        "DROP TABLE runs",
        "CREATE TABLE mine (a)",
        "CREATE TEMP TABLE mine (a)",
        "CREATE TEMP VIEW mine AS SELECT 1",
        "CREATE VIRTUAL TABLE mine USING fts5(a)",
        "ALTER TABLE runs ADD COLUMN mine",
        "ATTACH '{folder}/other.db' AS other",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '{folder}/other.db'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "SAVEPOINT mine",
        "COMMIT",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '{folder}'",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA user_version = 7",
        "SELECT * FROM pragma_journal_mode('delete')",
        "SELECT load_extension('{folder}/mine.so')",
        "SELECT fts3_tokenizer('simple')",
        "INSERT INTO questions_fts (questions_fts) VALUES ('rebuild')",
        "WITH a AS (SELECT 1) DELETE FROM runs RETURNING *",
        "EXPLAIN DELETE FROM runs",
    ],
)
def test_nothing_but_reading_is_allowed(querying: Querying, workspace: Workspace, sql: str, tmp_path: Path) -> None:
    before = workspace.database_path.read_bytes()

    with pytest.raises(UsageError):
        querying.run(sql.replace("{folder}", str(tmp_path)))

    assert workspace.database_path.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
    assert querying.run("SELECT state FROM runs").rows == (("running",),)


def test_a_connection_stays_harmless_and_readable_after_a_query(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        store.querying.run("SELECT 1")

        assert store.watching.version() > 0
        assert store.runs.fetch_run().state == "running"
        with pytest.raises(sqlite3.DatabaseError):
            store.database.rows("ATTACH ':memory:' AS other")


def test_the_full_text_index_can_be_queried(workspace: Workspace, querying: Querying) -> None:
    sql = "SELECT count(*) FROM questions_fts WHERE questions_fts MATCH 'tra*'"

    assert querying.run(sql).rows == ((0,),)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("", "the query is empty"),
        ("-- nothing", "the query is empty"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT * FROM malformed", "no such table: malformed"),
        ("SELECT ?", "has parameters"),
        ("SELECT :name", "has parameters"),
        ("SELECT '\0'", "which SQL cannot"),
        ("SELECT '\udcff'", "which SQL cannot"),
        ("SELECT json('{')", "malformed JSON"),
        ("SELECT * FROM questions_fts WHERE questions_fts MATCH '\"'", "unterminated string"),
        ("SELECT hex(randomblob(900000000))", "larger than 16 MB"),
        ("DELETE FROM runs", "a query may only read"),
    ],
)
def test_a_wrong_query_gets_one_clear_line(querying: Querying, sql: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        querying.run(sql)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_query_that_takes_too_long_is_ended(querying: Querying) -> None:
    began = time.monotonic()

    with pytest.raises(UsageError, match=r"stopped after 0\.1 s"):
        querying.run(ENDLESS, seconds=0.1)

    assert time.monotonic() - began < 5
    assert querying.run("SELECT 1").rows == ((1,),)


def test_a_query_can_be_interrupted_from_another_thread(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        timer = threading.Timer(0.2, store.database.interrupt)
        timer.start()
        with pytest.raises(QueryInterrupted):
            store.querying.run(ENDLESS, seconds=None)
        timer.join()


def test_long_cells_are_cut_when_shown_and_complete_when_saved(querying: Querying) -> None:
    sql = "SELECT printf('%.*c', 3000000, 'x') AS long, x'00ff' AS blob, zeroblob(1000000) AS zeros, NULL AS none"

    (row,) = querying.run(sql).rows
    assert [len(str(cell)) for cell in row] == [CELL_CHARACTERS, 4, CELL_CHARACTERS, 4]
    assert (str(row[0])[-1], row[1], row[3]) == ("…", "00FF", None)

    file = io.StringIO()
    written = querying.write_csv(sql, file)
    csv.field_size_limit(10_000_000)
    names, cells = csv.reader(io.StringIO(file.getvalue()))
    assert (names, written.rows) == (["long", "blob", "zeros", "none"], 1)
    assert [len(cell) for cell in cells] == [3_000_000, 4, 2_000_000, 0]


def test_a_result_of_long_cells_ends_before_it_fills_the_memory(querying: Querying) -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
    found = querying.run(f"{rows} SELECT printf('%.*c', 30000, 'x') FROM n", limit=5000)

    assert found.truncated
    assert sum(len(str(cell)) for row in found.rows for cell in row) < 21_000_000


def test_text_that_is_not_unicode_is_shown_nevertheless(querying: Querying) -> None:
    assert querying.run("SELECT CAST(x'41ff42' AS TEXT), 9e999").rows == (("A�B", "inf"),)


def test_a_saved_file_is_complete_or_not_there(querying: Querying, tmp_path: Path) -> None:
    path = tmp_path / "exports" / "runs.csv"

    assert querying.save_csv("SELECT run_id, state FROM runs", path).rows == 1
    assert path.read_text() == "run_id,state\n1,running\n"
    with pytest.raises(UsageError):
        querying.save_csv("SELECT 1 UNION ALL SELECT json('{')", path)
    assert path.read_text() == "run_id,state\n1,running\n"
    assert [each.name for each in path.parent.iterdir()] == ["runs.csv"]


def test_a_folder_that_cannot_be_written_is_an_error(querying: Querying, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("a file")

    with pytest.raises(StorageError):
        querying.save_csv("SELECT 1", tmp_path / "exports" / "one.csv")


def test_the_catalogue_has_views_first_and_nothing_of_sqlites_own(querying: Querying) -> None:
    catalogue = querying.fetch_catalogue()
    kinds = [each.kind for each in catalogue]
    names = [each.name for each in catalogue]

    assert kinds == sorted(kinds, key=lambda kind: kind != "view")
    assert names[0].startswith("v_")
    assert {"v_labels", "v_scores", "questions", "votes", "questions_fts"} <= set(names)
    assert not [name for name in names if "sqlite" in name or name.startswith("questions_fts_")]
    labels = next(each for each in catalogue if each.name == "v_labels")
    assert [name for name, _ in labels.columns][:3] == ["question_id", "run_id", "round"]
    assert querying.run(labels.query).columns[0] == "question_id"


def test_a_name_that_is_not_a_plain_identifier_is_quoted() -> None:
    assert (quoted("v_labels"), quoted('od"d name')) == ("v_labels", '"od""d name"')


def test_the_command_prints_a_table_json_or_csv(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["-w", str(workspace.folder)]
    sql = "SELECT run_id, state AS '[red]state\x1b[2J', NULL FROM runs"

    assert main(["query", sql, *where]) == ExitCode.OK
    assert {"[red]state␛[2J", "running", "NULL"} <= set(capsys.readouterr().out.split())
    assert main(["query", sql, *where, "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["rows"] == [[1, "running", None]]
    assert main(["query", "SELECT 1 AS a UNION SELECT 2", *where, "--csv", "--limit", "1"]) == ExitCode.OK
    said = capsys.readouterr()
    assert (said.out, said.err) == ("a\n1\n", "only the first 1 rows; for all of them: raise --limit\n")


def test_the_command_refuses_in_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "DROP TABLE runs", "-w", str(workspace.folder)]) == ExitCode.USAGE
    assert "may only read" in capsys.readouterr().err
    assert main(["query", "SELECT 1", "--json", "--csv", "-w", str(workspace.folder)]) == ExitCode.USAGE
    shutil.rmtree(workspace.folder)
    assert main(["query", "SELECT 1", "-w", str(workspace.folder)]) == ExitCode.WORKSPACE
