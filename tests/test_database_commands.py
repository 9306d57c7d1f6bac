"""`crescent query` and `crescent db`: what they print, what they reject, and that they lose no data."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from small_workspace import workspace_with_adapter

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.store import Store
from crescent_lite.store.token_ids import packed
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_sample_run(tmp_path_factory.mktemp("sample") / "data").folder


@pytest.fixture
def workspace(sample: Path, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(sample, tmp_path / "data")))


def crescent(workspace: Workspace, *arguments: str) -> int:
    return main([*arguments, "-w", str(workspace.folder)])


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_saved_query_is_run_by_its_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert crescent(workspace, "query", "cost-per-label", "run=1", "--json") == ExitCode.OK

    found = json.loads(capsys.readouterr().out)
    assert found["columns"][:3] == ["round", "stage", "labels"]
    assert len(found["rows"]) == 8


def test_the_saved_queries_are_listed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert crescent(workspace, "query", "--list", "--json") == ExitCode.OK

    listed = {query["name"]: query for query in json.loads(capsys.readouterr().out)}
    assert len(listed) >= 8
    assert set(listed["what-is-rejected"]["parameters"]) == {"run", "round"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["query"], ExitCode.USAGE, "give SQL in quotes"),
        (["query", "cost-per-labels"], ExitCode.NOT_FOUND, "did you mean cost-per-label"),
        (["query", "SELECT 1", "run=1"], ExitCode.USAGE, "only a saved query takes values"),
        (["query", "find-questions", 'words="open'], ExitCode.USAGE, "unterminated string"),
        (["query", "find-questions"], ExitCode.USAGE, "give words=..."),
        (["db", "merge", "nowhere.db"], ExitCode.WORKSPACE, "this database does not exist"),
        (["db", "backup", "--output", "/dev/null/x.db"], ExitCode.STORAGE, "cannot be written"),
    ],
)
def test_an_impossible_command_fails_with_one_line(
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    exit_code: ExitCode,
    words: str,
) -> None:
    assert crescent(workspace, *arguments) == exit_code

    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") <= 1


def test_an_intact_database_is_reported_as_intact(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert crescent(workspace, "db", "check") == ExitCode.OK
    assert "is intact" in capsys.readouterr().out


def test_check_finds_missing_rows_and_triggers(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(workspace.database_path)) as connection, connection:
        connection.execute("INSERT INTO notes VALUES (99, 'key', 123456, 'about nothing', '')")
        connection.execute("DROP TRIGGER questions_fts_insert")
        connection.execute(
            """INSERT INTO questions SELECT 123457, round_id, 123457, text, raw_text, verdict, reason, duplicate_of,
            similarity, NULL, 0, prompt_sha256, model_id, seed, tokens, finish_reason, created_at, steering,
            benchmark_item, semantic_match, semantic_similarity, external_id FROM questions WHERE question_id = 1"""
        )

    assert crescent(workspace, "db", "check") == ExitCode.STORAGE
    said = capsys.readouterr()
    assert "notes: 1 row refers to missing questions" in said.out
    assert "questions_fts: contains" in said.out
    assert "is damaged" in said.err


def test_check_finds_a_damaged_database(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    raw = bytearray(workspace.database_path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 40_000] = b"\xff" * 40_000
    workspace.database_path.write_bytes(raw)

    assert crescent(workspace, "db", "check") == ExitCode.STORAGE
    assert "Traceback" not in capsys.readouterr().err


def test_a_backup_has_everything_that_is_committed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert crescent(workspace, "db", "backup") == ExitCode.OK

    (copy,) = (workspace.folder / "backups").iterdir()
    assert contents(copy) == contents(workspace.database_path)
    assert crescent(workspace, "db", "backup", "--output", str(copy)) == ExitCode.WORKSPACE
    assert "already exists" in capsys.readouterr().err
    for _ in range(3):  # some of them in the same second
        assert crescent(workspace, "db", "backup") == ExitCode.OK
    assert len(list((workspace.folder / "backups").iterdir())) == 4


def test_a_backup_is_intact_while_another_process_writes(workspace: Workspace, tmp_path: Path) -> None:
    is_over = threading.Event()

    def write() -> None:
        with closing(Store.open(workspace.database_path)) as store:
            while not is_over.is_set():
                store.runs.insert_event(1, "CsvSummary", {"text": "x" * 1000})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            assert crescent(workspace, "db", "backup", "--output", str(tmp_path / f"{number}.db")) == ExitCode.OK
    finally:
        is_over.set()
        writer.join()

    for number in range(5):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM questions").fetchone() == (248,)


def test_vacuum_shrinks_a_database_and_rebuilds_its_word_index(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.database_path)) as connection, connection:
        connection.execute("INSERT INTO questions_fts (questions_fts) VALUES ('delete-all')")
        connection.execute("CREATE TABLE large AS SELECT zeroblob(3000000) AS zeros")
        connection.execute("DROP TABLE large")
    before = workspace.database_path.stat().st_size

    assert crescent(workspace, "db", "vacuum") == ExitCode.OK

    assert workspace.database_path.stat().st_size < before - 2_000_000
    assert crescent(workspace, "db", "check") == ExitCode.OK


@pytest.mark.parametrize("command", [["vacuum"], ["merge", "other"]])
def test_a_database_is_not_changed_while_a_run_is_in_progress(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    before = contents(workspace.database_path)

    with workspace.lock():
        assert crescent(workspace, "db", *command) == ExitCode.WORKSPACE

    assert "Traceback" not in capsys.readouterr().err
    assert contents(workspace.database_path) == before


@pytest.mark.slow
def test_the_runs_of_another_database_are_copied_once(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = workspace_with_adapter(tmp_path / "other")
    before = contents(other.database_path)

    assert crescent(workspace, "db", "merge", str(other.folder)) == ExitCode.OK
    assert "run 1 of" in capsys.readouterr().out
    assert crescent(workspace, "db", "merge", str(other.database_path), "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {
        "taken": {},
        "same": {"1": 2},
        "unlike": {},
        "refused": {},
        "missing_adapters": [],
    }

    assert contents(other.database_path) == before
    assert crescent(workspace, "db", "check") == ExitCode.OK
    with closing(Store.open_read_only(workspace.database_path)) as store:
        adapter_id = store.runs.fetch_round(2, 1).adapter_id
        assert adapter_id
        adapter = store.runs.fetch_model(adapter_id)
        assert adapter.source == "trained by run-2-round-1"
        assert adapter.path == workspace.adapters / "run-2" / "round-1" / "adapter.gguf"
        assert adapter.path.read_bytes() == (other.adapters / "run-1" / "round-1" / "adapter.gguf").read_bytes()
        assert store.querying.run("SELECT name FROM v_models WHERE run_id = 2").rows == (("run-2-round-1",),)


def test_a_merged_run_has_the_same_rows_as_before(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    other.create("")
    Store.open(other.database_path).close()
    with closing(Store.open(workspace.database_path)) as store:
        store.database.write("UPDATE votes SET token_ids = ? WHERE vote_id % 2", [packed([4, 2])])
    assert main(["db", "merge", str(workspace.folder), "-w", str(other.folder)]) == ExitCode.OK

    for sql in (
        "SELECT vote_id, token_ids FROM votes ORDER BY vote_id",
        "SELECT * FROM v_questions ORDER BY question_id",
        "SELECT * FROM v_votes ORDER BY vote_id",
        "SELECT * FROM v_labels ORDER BY question_id",
        "SELECT * FROM v_examples ORDER BY training_id, question_id",
        "SELECT run_id, round, benchmark, prompt, items, right_flexible FROM v_scores ORDER BY 1, 2, 3, 4",
        "SELECT * FROM v_cost ORDER BY round, stage",
        "SELECT round_number, name, value FROM measures ORDER BY 1, 2",
        "SELECT kind, json(detail), created_at FROM events ORDER BY event_id",
    ):
        with (
            closing(Store.open_read_only(workspace.database_path)) as here,
            closing(Store.open_read_only(other.database_path)) as there,
        ):
            assert here.querying.run(sql).rows == there.querying.run(sql).rows


def test_a_missing_adapter_is_reported_and_not_replaced_by_another(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = workspace_with_adapter(tmp_path / "other")
    shutil.rmtree(other.adapters)

    assert crescent(workspace, "db", "merge", str(other.folder)) == ExitCode.OK

    assert "the adapter is missing" in capsys.readouterr().out
    with closing(Store.open_read_only(workspace.database_path)) as store:
        adapter_id = store.runs.fetch_round(2, 1).adapter_id
        assert adapter_id
        assert not store.runs.fetch_model(adapter_id).path.exists()


def test_a_run_that_continued_elsewhere_is_left_unchanged(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(workspace.folder, tmp_path / "other"))
    with closing(sqlite3.connect(workspace.database_path)) as connection, connection:
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM examples")
        connection.execute("UPDATE consensus SET chosen_vote = NULL, decision = 'rejected', reason = 'tie'")
        connection.execute("DELETE FROM votes WHERE vote_id = (SELECT max(vote_id) FROM votes)")
    before = contents(workspace.database_path)

    assert crescent(workspace, "db", "merge", str(other)) == ExitCode.OK

    assert "left unchanged" in capsys.readouterr().out
    assert contents(workspace.database_path) == before


@pytest.mark.parametrize("what", ["text", "foreign", "damaged", "newer", "itself"])
def test_a_foreign_or_damaged_database_is_rejected_and_changes_nothing(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    other = tmp_path / "other.db"
    shutil.copy(workspace.database_path, other)
    if what == "text":
        other.write_text("not a database " * 100)
    elif what == "foreign":
        other.unlink()
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE other_things (a)")
    elif what == "damaged":
        with closing(sqlite3.connect(other)) as connection, connection:
            connection.execute("DELETE FROM votes WHERE vote_id < 10")
    elif what == "newer":
        with closing(sqlite3.connect(other)) as connection, connection:
            connection.execute("UPDATE _sqlite_migrations SET name = 'm999_x' WHERE name LIKE 'm009%'")
    else:
        other = workspace.database_path
    before = contents(workspace.database_path)

    assert crescent(workspace, "db", "merge", str(other)) in (ExitCode.WORKSPACE, ExitCode.STORAGE)

    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    assert contents(workspace.database_path) == before


def on_a_read_only_disk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace of its own, with the folder mounted read-only."""
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} || exit 99"
    command = shlex.join([sys.executable, "-m", "crescent_lite.cli", *arguments, "-w", str(folder)])
    done = subprocess.run(["unshare", "-m", "bash", "-c", f"{mount}; {command}"], capture_output=True, text=True)
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("mounting is not permitted here")
    return done


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare")
@pytest.mark.parametrize("command", [["query", "cost-per-label"], ["db", "check"], ["status"], ["db", "schema"]])
def test_a_database_on_a_read_only_disk_can_be_read(workspace: Workspace, command: list[str]) -> None:
    assert [path.name for path in workspace.folder.glob("crescent.db*")] == ["crescent.db"]

    done = on_a_read_only_disk(workspace.folder, *command)

    assert done.returncode == ExitCode.OK, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare")
@pytest.mark.parametrize(
    ("command", "words"),
    [("vacuum", "cannot be written"), ("backup", "cannot be written"), ("older", "copy the workspace")],
)
def test_writing_to_a_read_only_disk_fails_with_one_line(workspace: Workspace, command: str, words: str) -> None:
    if command == "older":
        with closing(sqlite3.connect(workspace.database_path)) as connection, connection:
            connection.execute("DELETE FROM _sqlite_migrations WHERE name LIKE 'm009%'")
    before = contents(workspace.database_path)

    done = on_a_read_only_disk(workspace.folder, *(["status"] if command == "older" else ["db", command]))

    assert done.returncode in (ExitCode.WORKSPACE, ExitCode.STORAGE)
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert contents(workspace.database_path) == before


def test_the_schema_explains_itself(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert crescent(workspace, "db", "schema") == ExitCode.OK
    text = capsys.readouterr().out
    assert "v_labels\n  The questions that got a label" in text
    assert "CREATE TABLE votes" in text

    assert crescent(workspace, "db", "schema", "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert {"questions", "votes", "solutions_fts"} <= set(found["tables"])
    assert found["views"][0]["name"] == "v_runs"
