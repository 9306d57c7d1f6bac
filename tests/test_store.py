"""The database keeps what it is given, and its errors say what is wrong with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
from sample_run import load_sample_run

from crescent_lite.errors import NotFoundError, OutOfMemoryError, StorageError, WorkspaceError
from crescent_lite.records import (
    Attempt,
    Completion,
    Generation,
    ModelFile,
    PromptText,
    Question,
    QuestionVerdict,
    Request,
)
from crescent_lite.report import build_report, report_markdown
from crescent_lite.store import Round, StageCost, Store
from crescent_lite.store.database import storage_errors, use_write_ahead_log
from crescent_lite.store.schema import migrations
from crescent_lite.store.schema_versions import MIGRATIONS

BASE = ModelFile("base", Path("base.gguf"), "b" * 64, "embedded")


def completion(index: int, text: str = "5") -> Completion:
    return Completion("key", index, 11, text, "stop", 3, 20)


def ask(store: Store, this_round: Round, index: int, text: str, rewrites: Question | None = None) -> Question:
    request = Request("key", "ask", Generation(8))
    attempt = Attempt(request, "p" * 64, None if rewrites else index, rewrites, {"topic": "eggs"} if index else {})
    return store.questions.insert_asked(this_round, attempt, completion(index, text))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "crescent.db")


@pytest.fixture
def this_round(store: Store) -> Round:
    store.runs.insert_prompt(PromptText("set/bait", "ask", "p" * 64))
    base_id = store.runs.insert_model(BASE)
    return store.runs.insert_round(store.runs.insert_run("improvement", base_id, {}), 1, base_id)


def test_every_table_is_strict(store: Store) -> None:
    rows = store.database.rows("SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")

    assert {row["name"] for row in rows if not row["strict"]} <= {"sqlite_schema", "_sqlite_migrations"}
    assert len(rows) > 15


def test_the_safe_settings_are_on(store: Store) -> None:
    assert store.database.value("PRAGMA foreign_keys") == 1
    assert store.database.value("PRAGMA synchronous") == 2
    assert store.database.value("PRAGMA journal_mode") == "wal"


def test_a_vote_cannot_be_stored_twice(store: Store, this_round: Round) -> None:
    question_id = ask(store, this_round, 0, "What is 2 + 3?").question_id
    store.votes.insert_vote(question_id, completion(0), None, this_round.model_id, "p" * 64)

    with pytest.raises(sqlite3.IntegrityError):
        store.votes.insert_vote(question_id, completion(0), None, this_round.model_id, "p" * 64)


def test_what_is_not_stored_is_owed(store: Store, this_round: Round) -> None:
    for index in (0, 2):
        ask(store, this_round, index, f"What is {index} + 3?")

    assert store.questions.fetch_missing_indexes(this_round.round_id, 4) == (1, 3)
    first, second = store.questions.fetch_undecided(this_round.round_id)
    store.questions.set_verdict(first.question_id, QuestionVerdict("kept", "new", first.text))
    rejected = QuestionVerdict("rejected", "near_duplicate", second.text, first.question_id, 99.0)
    store.questions.set_verdict(second.question_id, rejected)
    store.votes.insert_vote(first.question_id, completion(1), None, this_round.model_id, "p" * 64)

    assert store.questions.fetch_undecided(this_round.round_id) == []
    ((question, drawn),) = store.votes.fetch_owed(this_round.round_id)
    assert (question.question_id, [vote.sample_index for vote in drawn]) == (first.question_id, [1])
    assert store.questions.fetch_to_rewrite(this_round.round_id, 1, ["same_template"]) == []
    assert store.questions.fetch_kept_or_not(this_round.round_id, latest=100) == [True, False]
    ((to_rewrite, match),) = store.questions.fetch_to_rewrite(this_round.round_id, 1, ["near_duplicate"])
    assert (to_rewrite.question_id, match.question_id) == (second.question_id, first.question_id)
    rewrite = ask(store, this_round, 0, "What is 9 + 9?", to_rewrite)
    assert (rewrite.rewritten_from, rewrite.rewrites) == (second.question_id, 1)
    assert store.questions.fetch_undecided(this_round.round_id) == [rewrite]
    assert store.questions.fetch_to_rewrite(this_round.round_id, 1, ["near_duplicate"]) == []


def test_a_round_that_stops_asking_says_why(store: Store, this_round: Round) -> None:
    store.runs.set_asking_stopped(this_round.round_id, "2 of the last 100 texts were kept")

    assert store.runs.fetch_round(this_round.run_id, 1).asking_stopped == "2 of the last 100 texts were kept"


def test_acceptance_is_counted_for_each_hundred_texts(store: Store, this_round: Round) -> None:
    for index in range(150):
        question = ask(store, this_round, index, f"What is {index} + 3?")
        kept = QuestionVerdict("kept", "new", question.text)
        duplicate = QuestionVerdict("rejected", "near_duplicate", question.text, 1, 99.0)
        store.questions.set_verdict(question.question_id, duplicate if index % 3 else kept)

    rows = store.database.rows("SELECT hundred_texts, texts, kept, near_duplicates FROM v_acceptance")
    assert [tuple(row) for row in rows] == [(1, 100, 34, 66), (2, 50, 16, 34)]


def test_a_contaminated_question_is_shown_with_its_benchmark_item(store: Store, this_round: Round) -> None:
    question = ask(store, this_round, 0, "What is 2 + 3?")
    verdict = QuestionVerdict("rejected", "contaminated", question.text, similarity=97.0, benchmark_item="sums/7")
    store.questions.set_verdict(question.question_id, verdict)

    row = store.database.row("SELECT reason, benchmark_item, similarity, match FROM v_rejections")
    assert row is not None
    assert tuple(row) == ("contaminated", "sums/7", 97.0, None)


def test_the_cost_of_a_stage_adds_up_over_processes(store: Store, this_round: Round) -> None:
    for finished in (False, True):
        store.runs.add_stage_cost(this_round.run_id, 1, StageCost("vote", 2.0, 1.5, 100, 20, finished))

    (cost,) = store.runs.fetch_stage_costs(this_round.run_id, 1)
    assert cost == StageCost("vote", 4.0, 3.0, 200, 40, True)


def test_a_database_of_a_newer_version_is_left_alone(store: Store, tmp_path: Path) -> None:
    store.database.write(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('crescent_lite', 'm999_x', '')"
    )
    store.close()

    for open_it in (Store.open, Store.open_read_only):
        with pytest.raises(WorkspaceError, match="newer crescent-lite"):
            open_it(tmp_path / "crescent.db")


def test_a_file_that_is_not_a_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "crescent.db").write_bytes(b"this is not a database" * 100)

    with pytest.raises(StorageError, match="not a crescent-lite database"):
        Store.open(tmp_path / "crescent.db")


def test_a_missing_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing or not writable"):
        Store.open(tmp_path / "nowhere" / "crescent.db")


def test_a_full_disk_is_reported_in_one_line_and_loses_nothing(store: Store, this_round: Round) -> None:
    ask(store, this_round, 0, "What is 2 + 3?")
    pages = store.database.value("PRAGMA page_count")
    store.database.value(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StorageError, match="free some space"):
        ask(store, this_round, 1, "long " * 100_000)

    assert store.database.value("SELECT count(*) FROM questions") == 1
    assert store.database.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("locking protocol", "local disk"),
        ("disk I/O error", "its quota is used up"),
        ("large file support is disabled", "local disk"),
        ("out of memory", "no memory"),
        ("database table is locked: votes", "close that program"),
        ("access permission denied", "readable and writable"),
    ],
)
def test_what_a_file_system_cannot_do_is_said_with_advice(message: str, advice: str, tmp_path: Path) -> None:
    path = tmp_path / "crescent.db"
    with pytest.raises(StorageError, match=f"crescent.db: {message}; .*{advice}"), storage_errors(path):
        raise sqlite3.OperationalError(message)


def test_a_lack_of_memory_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError, match="memory ran out"), storage_errors(tmp_path):
        raise MemoryError  # so Python reports SQLITE_NOMEM


def test_a_query_that_is_wrong_is_a_bug_and_no_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError), storage_errors(tmp_path):
        raise sqlite3.OperationalError("no such column: votse")


def test_a_file_system_without_shared_memory_is_refused(tmp_path: Path) -> None:
    """With lock files, as on some network drives, SQLite has no write-ahead log."""
    path = tmp_path / "crescent.db"
    with (
        closing(sqlite3.connect(f"file:{path}?vfs=unix-dotfile", uri=True)) as connection,
        pytest.raises(StorageError, match=r"journal mode delete.*local disk"),
    ):
        use_write_ahead_log(connection, path)


def test_a_reader_keeps_the_write_ahead_log_and_it_is_emptied_after_it(
    store: Store, this_round: Round, tmp_path: Path
) -> None:
    log = tmp_path / "crescent.db-wal"
    with closing(sqlite3.connect(tmp_path / "crescent.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        ask(store, this_round, 0, "What is 2 + 3?")
        store.database.shrink_log()
        assert log.stat().st_size > 0
        reader.rollback()
    store.database.shrink_log()
    assert log.stat().st_size == 0


def test_a_run_that_was_killed_is_stored_as_stopped(store: Store, this_round: Round) -> None:
    finished = store.runs.insert_run("improvement", this_round.model_id, {})
    store.runs.set_state(finished, "finished")
    store.trainings.start_training(this_round.round_id, [])

    store.runs.end_killed_runs()

    assert store.database.value("SELECT state FROM trainings") == "interrupted"

    states = store.database.rows("SELECT run_id, state, reason FROM runs ORDER BY run_id")
    killed = (this_round.run_id, "stopped", "its engine was killed")
    assert [tuple(row) for row in states] == [killed, (finished, "finished", None)]


@pytest.mark.parametrize(("before", "generalises"), [("0.26", False), ("0.3", True), (None, True), ("inf", True)])
def test_a_training_whose_held_out_loss_never_fell_is_recognised(
    before: str | None, generalises: bool, tmp_path: Path
) -> None:
    with closing(Store.open(load_sample_run(tmp_path / "data").database_path)) as store:
        store.database.write(
            "UPDATE trainings SET details = json_set(details, '$.held_out_loss_before', ?) WHERE training_id = 2",
            [before],
        )
        training = store.trainings.fetch_latest(store.runs.fetch_round(1, 2).round_id)
        assert min(training.held_out) == pytest.approx(0.264, abs=0.001)
        assert training.generalises is generalises
        said = report_markdown(build_report(store, 1))
    assert (f"on held-out examples {float(before or 0):.3f} before, then" in said) is (before in ("0.26", "0.3"))


def test_an_unknown_row_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no run yet"):
        store.runs.fetch_run()


def test_readers_cannot_write(store: Store, this_round: Round, tmp_path: Path) -> None:
    reader = Store.open_read_only(tmp_path / "crescent.db")

    with pytest.raises(StorageError, match="read-only"):
        reader.runs.set_state(this_round.run_id, "finished")


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "crescent.db"
    old = sqlite_utils.Database(path)
    migrations.apply(old, stop_before="m002_adaptive_votes")
    with old.conn:
        for table, values in OLD_ROWS:
            old.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    old.close()

    store = Store.open(path)

    row = store.database.row("SELECT votes_planned, votes, votes_saved, stopped, share FROM v_questions")
    assert row is not None
    assert tuple(row) == (3, 3, 0, "all_drawn", 1.0)
    assert store.runs.fetch_stage_costs(1, 1) == [
        StageCost("ask", 10.5, 8.0, 1100, 220, True),  # judging was a separate stage then
        StageCost("vote", 2.0, 1.5, 100, 20, False),
    ]
    assert store.questions.fetch_detail(1)["margin"] is None  # type: ignore[index]


OLD_ROWS: list[tuple[str, list[object]]] = [
    ("prompts", ["p", "set/bait", "ask"]),
    ("models", [1, "base", "base", "embedded", "base.gguf", "b", None, "2026-01-01"]),
    ("runs", [1, "improvement", "stopped", None, 1, 1, "{}", "{}", "0.1.0", "2026-01-01", None]),
    ("rounds", [1, 1, 1, 1, None, None, "2026-01-01", None]),
    ("stages", [1, 1, "ask", 10.0, 8.0, 1000, 200, "2026-01-01"]),
    ("stages", [1, 1, "diversify", 0.5, 0.0, 100, 20, "2026-01-01"]),
    ("stages", [1, 1, "vote", 2.0, 1.5, 100, 20, None]),
    (
        "questions",
        [1, 1, 0, "What is 2 + 3?", "2 + 3?", "kept", "new", None, None, None, 0, "p", 1, 7, 5, "stop", "2026-01-01"],
    ),
    ("consensus", [1, "rejected", "cut_off", "n:5", 1.0, 3, 0, 1, None]),
]
"""A question and its votes as the first version stored them."""


def test_the_listed_migrations_are_those_in_the_schema() -> None:
    assert tuple(migration.name for migration in migrations._migrations) == MIGRATIONS
