"""A database of any earlier version is migrated, completely or not at all, and a copy of it is kept."""

from __future__ import annotations

import lzma
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.errors import StorageError
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.store import Store
from crescent_lite.store.checking import faults_of
from crescent_lite.store.saved_queries import saved_queries
from crescent_lite.store.schema_versions import MIGRATIONS, applied_to
from crescent_lite.store.views import VIEWS

OLD = sorted((Path(__file__).parent / "databases").glob("*.db.xz"))
"""Databases of small runs, each written by the engine of an earlier version."""
COUNTS = {
    "questions": "SELECT verdict, reason, count(*) FROM questions GROUP BY 1, 2 ORDER BY 1, 2",
    "votes": "SELECT question_id, sample_index, text, answer_key FROM votes ORDER BY 1, 2",
    "consensus": "SELECT question_id, decision, reason, answer_key, share, votes FROM consensus ORDER BY 1",
    "steps": "SELECT training_id, step, loss FROM training_steps ORDER BY 1, 2",
    "items": "SELECT evaluation_id, item_id, text, flexible FROM evaluated_items ORDER BY 1, 2",
}


def unpacked(packed: Path, folder: Path) -> Path:
    path = folder / "crescent.db"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


def facts(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {name: connection.execute(sql).fetchall() for name, sql in COUNTS.items()}


def migrations_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return applied_to(connection)


def test_there_is_a_database_of_every_earlier_version() -> None:
    assert [path.name.removesuffix(".db.xz") for path in OLD] == list(MIGRATIONS[:-1])


@pytest.mark.parametrize("packed", OLD, ids=lambda path: path.name[:4])
def test_an_older_database_answers_as_before_and_has_all_new_views(packed: Path, tmp_path: Path) -> None:
    path = unpacked(packed, tmp_path)
    before = facts(path)
    assert all(before.values())

    with closing(Store.open(path)) as store:
        assert migrations_of(path) == list(MIGRATIONS)
        assert faults_of(store.database) == []
        for name, view in VIEWS.items():
            store.database.rows(f"SELECT * FROM {name}")
            store.database.rows(view.example)
        labels = store.database.rows("SELECT question_id FROM v_labels ORDER BY 1")
        assert [row[0] for row in labels] == [row[0] for row in before["consensus"] if row[1] == "labelled"]
        rounds = store.database.rows("SELECT round, texts, votes, score FROM v_rounds ORDER BY round")
        assert sum(row["texts"] or 0 for row in rounds) == sum(row[2] for row in before["questions"])
        assert sum(row["votes"] or 0 for row in rounds) == len(before["votes"])
        assert rounds[0]["score"] is not None
        close = "SELECT count(*) FROM consensus WHERE answer_key IS NOT NULL AND margin IS NULL"
        assert store.database.value(close) == 0
        assert store.database.value("SELECT count(*) FROM v_disputed")
        for query in saved_queries():
            values = query.values(["words=what"] if "words" in query.parameters else [])
            store.querying.run(query.sql, values=values)
    assert facts(path) == before


@pytest.mark.parametrize("packed", (OLD[0], OLD[8]), ids=lambda path: path.name[:4])  # later ones have the ids
def test_the_votes_of_an_older_database_are_trained_on_by_their_text(packed: Path, tmp_path: Path) -> None:
    with closing(Store.open(unpacked(packed, tmp_path))) as store:
        labels = store.votes.fetch_labels(run_id=1)
        assert labels
        assert store.votes.fetch_token_ids([label.vote_id for label in labels]) == {}
    model = GgufModel(make_tiny_gguf(tmp_path / "tiny.gguf"))
    for label in labels:
        ids, prompt_length = ChatTemplate(model).encode_example(label.question, label.solution, None)
        assert b"".join(map(model.piece, ids[prompt_length:])).decode() == label.solution
    model.close()


@pytest.mark.parametrize("packed", OLD, ids=lambda path: path.name[:4])
def test_an_unchanged_copy_of_an_older_database_is_kept(packed: Path, tmp_path: Path) -> None:
    path = unpacked(packed, tmp_path)
    before, had = facts(path), migrations_of(path)

    Store.open(path).close()

    (copy,) = tmp_path.glob("crescent.db.before-*")
    assert copy.name == f"crescent.db.before-{MIGRATIONS[len(had)][:4]}"
    assert (facts(copy), migrations_of(copy)) == (before, had)


def test_a_new_database_and_one_of_this_version_leave_no_copy(tmp_path: Path) -> None:
    for _ in range(2):
        Store.open(tmp_path / "crescent.db").close()

    assert [path.name for path in tmp_path.iterdir()] == ["crescent.db"]


def test_where_the_copy_cannot_be_written_nothing_is_changed(tmp_path: Path) -> None:
    path = unpacked(OLD[0], tmp_path)
    before = facts(path)
    (tmp_path / f"crescent.db.before-{MIGRATIONS[1][:4]}").mkdir()
    (tmp_path / f"crescent.db.before-{MIGRATIONS[1][:4]}" / "file").touch()

    with pytest.raises(StorageError, match="before-m002"):
        Store.open(path)

    assert migrations_of(path) == [MIGRATIONS[0]]
    assert facts(path) == before


@pytest.mark.slow
def test_a_kill_while_a_database_is_brought_up_to_date_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    small = unpacked(OLD[0], tmp_path)
    with closing(sqlite3.connect(small)) as connection, connection:
        # Longer texts, so that the migration takes a while.
        connection.execute("UPDATE votes SET text = text || replace(hex(zeroblob(10000)), '00', ' word')")
    before = facts(small)
    opening = [sys.executable, "-c", "import sys; from pathlib import Path; from crescent_lite.store import Store; "
        "print('begins', flush=True); Store.open(Path(sys.argv[1])).close()"]  # fmt: skip
    seen = set()
    began = time.monotonic()
    whole = tmp_path / "whole"
    whole.mkdir()
    shutil.copy(small, whole / "crescent.db")
    subprocess.run([*opening, str(whole / "crescent.db")], check=True, capture_output=True)
    takes = time.monotonic() - began
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = Path(shutil.copy(small, folder / "crescent.db"))
        child = subprocess.Popen([*opening, str(path)], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        time.sleep(takes * number / 8)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        had = migrations_of(path)
        assert had in (list(MIGRATIONS[:1]), list(MIGRATIONS))
        seen.add(len(had))
        assert facts(path) == before
        with closing(Store.open(path)) as store:
            assert faults_of(store.database) == []
        assert facts(path) == before
    assert 1 in seen  # at least one was killed before it finished


HALF_A_TRANSACTION = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE votes SET text = text || text")
database.execute("UPDATE questions SET raw_text = raw_text || raw_text")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_database_whose_writer_was_killed_before_it_had_a_log_is_recovered_by_any_command(tmp_path: Path) -> None:
    workspace, path = load_workspace(tmp_path), unpacked(OLD[0], tmp_path)
    before = facts_of_votes(path)
    subprocess.run([sys.executable, "-c", HALF_A_TRANSACTION, str(path)], check=False)
    assert path.with_name("crescent.db-journal").stat().st_size

    assert main(["status", "-w", str(workspace)]) == 0

    assert facts_of_votes(path) == before


def load_workspace(folder: Path) -> Path:
    (folder / "crescent.toml").write_text('preset = "quick"\n')
    return folder


def facts_of_votes(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(COUNTS["votes"]).fetchall()


def test_any_command_brings_an_older_database_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = load_sample_run(tmp_path / "data")
    unpacked(OLD[-1], workspace.folder)

    assert main(["status", "-w", str(workspace.folder)]) == 0

    assert migrations_of(workspace.database_path) == list(MIGRATIONS)
    assert "run: 1" in capsys.readouterr().out
