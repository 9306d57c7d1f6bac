"""Merging another database into this one: all runs that are missing here, or nothing if anything fails.

Two runs are the same if their kind, start time and base are equal. Such a run is not copied again; if it continued in
only one of the databases, the run here is left unchanged. A prompt, model, benchmark or evaluation that is in both
databases becomes one row. Knows no files besides the two databases. Example:
    merge(database, Path("other/crescent.db"), bring).taken -> {1: 4, 2: 5}
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crescent_lite.errors import CrescentError, WorkspaceError
from crescent_lite.files import scratch_folder
from crescent_lite.store.checking import faults_of
from crescent_lite.store.database import Database, connected_to_read, storage_errors
from crescent_lite.store.schema_versions import applied_to

MAPPED: Mapping[str, Mapping[str, str]] = {
    "rounds": {"round_id": "round", "run_id": "run", "model_id": "model", "adapter_id": "model"},
    "stages": {"run_id": "run"},
    "questions": {
        "question_id": "question",
        "round_id": "round",
        "duplicate_of": "question",
        "rewritten_from": "question",
        "semantic_match": "question",
        "model_id": "model",
    },
    "votes": {"vote_id": "vote", "question_id": "question", "model_id": "model"},
    "consensus": {"question_id": "question", "chosen_vote": "vote"},
    "trainings": {"training_id": "training", "round_id": "round", "adapter_id": "model"},
    "examples": {
        "training_id": "training",
        "question_id": "question",
        "vote_id": "vote",
        "loser_vote_id": "vote",
    },
    "training_steps": {"training_id": "training"},
    "run_evaluations": {"run_id": "run", "evaluation_id": "evaluation"},
    "events": {"event_id": "event", "run_id": "run"},
    "measures": {"run_id": "run"},
    "alarms": {"run_id": "run"},
    "effective_settings": {"run_id": "run"},
    "machine_samples": {"run_id": "run"},
    "notes": {"note_id": "note", "question_id": "question"},
    "own_answers": {"question_id": "question"},
}
"""For each table whose rows belong to a run: the columns that hold ids, and the kind of row each id refers to."""
OF_A_RUN = {
    "round": "SELECT round_id AS id, run_id FROM other.rounds",
    "question": "SELECT question_id AS id, run_id FROM other.questions JOIN other.rounds USING (round_id)",
    "vote": """SELECT vote_id AS id, run_id FROM other.votes JOIN other.questions USING (question_id)
        JOIN other.rounds USING (round_id)""",
    "training": "SELECT training_id AS id, run_id FROM other.trainings JOIN other.rounds USING (round_id)",
    "event": "SELECT event_id AS id, run_id FROM other.events",
    "note": """SELECT note_id AS id, run_id FROM other.notes JOIN other.questions USING (question_id)
        JOIN other.rounds USING (round_id)""",
}
"""For each kind of row that gets a new id: a query for the ids and for the run that each belongs to."""


@dataclass(frozen=True)
class MergedAdapter:
    """The adapter of a round that both databases have after the merge."""

    model_id: int
    """Id of the adapter in this database."""
    run_id: int
    """Id of its run in this database."""
    round: int
    """Number of its round."""
    path: str
    """Path of its file according to the other database; untrusted."""
    is_new: bool
    """Whether the merge added the adapter to this database."""


Bring = Callable[[Sequence[MergedAdapter]], None]
"""Copies the adapters' files. Called before anything is committed: if it raises, nothing is merged."""


@dataclass(frozen=True)
class Merged:
    """The outcome for each run of the other database."""

    taken: dict[int, int] = field(default_factory=dict)
    """Runs that were copied: their id in the other database -> their new id here."""
    same: dict[int, int] = field(default_factory=dict)
    """Runs that were here already, with the same contents: their id in the other database -> their id here."""
    unlike: dict[int, int] = field(default_factory=dict)
    """Runs that were here already, but continued in only one of the databases: their id in the other database ->
    their id here. They are left unchanged."""
    refused: dict[int, int] = field(default_factory=dict)
    """Runs that were not copied because the run they learn from is in `unlike` or `refused`, so that their examples
    would be missing: their id -> that run's id, both in the other database."""
    models: set[int] = field(default_factory=set)
    """Ids, in this database, of the models that the merge added."""


def merge(database: Database, other: Path, bring: Bring) -> Merged:
    """Copy the missing runs of `other`, which is not changed. Raises WorkspaceError or StorageError; then nothing is
    merged."""
    if not other.is_file():
        raise WorkspaceError(f"{other}: this database does not exist; give another workspace or a database file")
    if database.path.exists() and other.samefile(database.path):
        raise WorkspaceError(f"{other}: this is the database it would be merged into")
    with scratch_folder() as place:
        copy = place / "other.db"
        _copied_and_brought_up_to_date(other, copy)
        with storage_errors(database.path):
            database.connection.execute("ATTACH ? AS other", [str(copy)])
        try:
            with database.transaction():
                merged = _take(database.connection)
                bring(_adapters(database.connection, merged))
                return merged
        finally:
            with storage_errors(database.path):
                database.connection.execute("DETACH other")


def _copied_and_brought_up_to_date(other: Path, copy: Path) -> None:
    with storage_errors(other), closing(connected_to_read(other)) as found:
        if not applied_to(found):
            raise WorkspaceError(f"{other}: not a crescent-lite database")
        with storage_errors(copy), closing(sqlite3.connect(copy)) as target:
            found.backup(target)
    with _errors_name(other, copy), closing(Database.open_to_write(copy)) as migrated:
        if faults := faults_of(migrated):
            raise WorkspaceError(f"{other}: {faults[0]}; nothing was merged")


@contextmanager
def _errors_name(other: Path, copy: Path) -> Iterator[None]:
    """Name the other database in errors about its copy."""
    try:
        yield
    except CrescentError as error:
        raise WorkspaceError(str(error).replace(str(copy), str(other))) from None
    except sqlite3.DatabaseError as error:
        raise WorkspaceError(f"{other}: cannot be brought up to date: {error}; nothing was merged") from None


def _take(connection: sqlite3.Connection) -> Merged:
    merged = Merged()
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS numbers (kind, old, new, taken, PRIMARY KEY (kind, old))")
    connection.execute("DELETE FROM temp.numbers")
    _copy_missing(connection, "prompts", {})
    _copy_missing(connection, "sweeps", {})
    _take_models(connection, merged)
    _take_benchmarks(connection)
    _take_evaluations(connection)
    _take_runs(connection, merged)
    for kind, rows in OF_A_RUN.items():
        _number(connection, kind, rows, merged)
    for table, mapped in MAPPED.items():
        _copy(connection, table, mapped)
    _rewrite_run_ids(connection, merged)
    return merged


def _take_models(connection: sqlite3.Connection, merged: Merged) -> None:
    """Copy missing models. The same model has the same kind, checksum and parent; parents come first, by id."""
    for row in connection.execute("SELECT * FROM other.models ORDER BY model_id").fetchall():
        parent = _new(connection, "model", row["parent_id"])
        here = connection.execute(
            "SELECT model_id FROM models WHERE kind = ? AND sha256 = ? AND parent_id IS ?",
            [row["kind"], row["sha256"], parent],
        ).fetchone()
        if here is None:
            model_id = _insert(connection, "models", {**dict(row), "model_id": None, "parent_id": parent})
            merged.models.add(model_id)
        _note(connection, "model", row["model_id"], here[0] if here else model_id)


def _adapters(connection: sqlite3.Connection, merged: Merged) -> list[MergedAdapter]:
    """The adapters of all runs that both databases have now, each once."""
    found: dict[int, MergedAdapter] = {}
    for there, here in (merged.taken | merged.same).items():
        rounds = connection.execute(
            """SELECT number, path, (SELECT new FROM temp.numbers WHERE kind = 'model' AND old = m.model_id) AS here
            FROM other.rounds r JOIN other.models m ON m.model_id = r.adapter_id WHERE run_id = ? ORDER BY number""",
            [there],
        )
        for row in rounds.fetchall():
            model_id = row["here"]
            is_new = model_id in merged.models
            found.setdefault(model_id, MergedAdapter(model_id, here, row["number"], row["path"], is_new))
    return list(found.values())


def _take_benchmarks(connection: sqlite3.Connection) -> None:
    for row in connection.execute("SELECT * FROM other.benchmarks").fetchall():
        here = connection.execute(
            "SELECT benchmark_id FROM benchmarks WHERE name = ? AND sha256 = ?", [row["name"], row["sha256"]]
        ).fetchone()
        new = here[0] if here else _insert(connection, "benchmarks", {**dict(row), "benchmark_id": None})
        _note(connection, "benchmark", row["benchmark_id"], new)
    _copy_missing(connection, "benchmark_items", {"benchmark_id": "benchmark"})


def _take_evaluations(connection: sqlite3.Connection) -> None:
    """Copy missing evaluations, and the missing items of evaluations that both databases have."""
    for row in connection.execute("SELECT * FROM other.evaluations").fetchall():
        mine = {
            **dict(row),
            "evaluation_id": None,
            "model_id": _new(connection, "model", row["model_id"]),
            "benchmark_id": _new(connection, "benchmark", row["benchmark_id"]),
        }
        here = connection.execute(
            """SELECT evaluation_id FROM evaluations
            WHERE model_id = ? AND benchmark_id = ? AND prompt_sha256 = ? AND settings = ?""",
            [mine["model_id"], mine["benchmark_id"], mine["prompt_sha256"], mine["settings"]],
        ).fetchone()
        new = here[0] if here else _insert(connection, "evaluations", mine)
        if here:
            connection.execute(
                "UPDATE evaluations SET finished_at = coalesce(finished_at, ?) WHERE evaluation_id = ?",
                [row["finished_at"], new],
            )
        _note(connection, "evaluation", row["evaluation_id"], new)
    _copy_missing(connection, "evaluated_items", {"evaluation_id": "evaluation"})


def _take_runs(connection: sqlite3.Connection, merged: Merged) -> None:
    """Copy missing runs. A run's teacher, and the run that it is a control of, have smaller ids and come first."""
    for row in connection.execute("SELECT * FROM other.runs ORDER BY run_id").fetchall():
        base = _new(connection, "model", row["base_id"])
        here = connection.execute(
            "SELECT run_id FROM runs WHERE started_at = ? AND base_id = ? AND kind = ?",
            [row["started_at"], base, row["kind"]],
        ).fetchone()
        if here:
            is_same = _extent(connection, "main", here[0]) == _extent(connection, "other", row["run_id"])
            (merged.same if is_same else merged.unlike)[row["run_id"]] = here[0]
            _note(connection, "run", row["run_id"], here[0])
            continue
        if row["teacher_id"] in merged.unlike or row["teacher_id"] in merged.refused:
            merged.refused[row["run_id"]] = row["teacher_id"]
            continue
        new = _insert(
            connection,
            "runs",
            {
                **dict(row),
                "run_id": None,
                "base_id": base,
                "teacher_id": _new(connection, "run", row["teacher_id"]),
                "control_of": _new(connection, "run", row["control_of"]),
            },
        )
        merged.taken[row["run_id"]] = new
        _note(connection, "run", row["run_id"], new, taken=True)


def _extent(connection: sqlite3.Connection, schema: str, run_id: int) -> tuple[int, ...]:
    """Counts by which two copies of a run are compared: rounds, adapters, questions, votes, evaluations, finished."""
    row = connection.execute(
        f"""SELECT count(DISTINCT round_id), count(DISTINCT adapter_id), count(DISTINCT question_id), count(vote_id),
            (SELECT count(*) FROM {schema}.run_evaluations e WHERE e.run_id = :run),
            (SELECT state = 'finished' FROM {schema}.runs r WHERE r.run_id = :run)
        FROM {schema}.rounds LEFT JOIN {schema}.questions USING (round_id)
        LEFT JOIN {schema}.votes USING (question_id) WHERE run_id = :run""",
        {"run": run_id},
    ).fetchone()
    return tuple(row)


def _number(connection: sqlite3.Connection, kind: str, rows: str, merged: Merged) -> None:
    """Record the id here of each row of the other database: a new id if its run is copied."""
    table = f"{kind}s"
    last = connection.execute(f"SELECT coalesce(max({kind}_id), 0) FROM main.{table}").fetchone()[0]
    for old_run in merged.taken:
        connection.execute(
            f"INSERT INTO temp.numbers SELECT ?, id, id + ?, 1 FROM ({rows}) WHERE run_id = ?", [kind, last, old_run]
        )
    for old_run, here in merged.same.items():
        # A new run may learn from a run that was here already; both databases have that run's rows in the same order.
        connection.execute(
            f"""INSERT INTO temp.numbers SELECT ?, o.id, m.id, 0 FROM
                (SELECT id, row_number() OVER (ORDER BY id) AS place FROM ({rows}) WHERE run_id = ?) o
                JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place
                    FROM ({rows.replace("other.", "main.")}) WHERE run_id = ?) m USING (place)""",
            [kind, old_run, here],
        )


def _copy(connection: sqlite3.Connection, table: str, mapped: Mapping[str, str]) -> None:
    """Copy the rows of a table that belong to copied runs."""
    first, kind = next(iter(mapped.items()))
    taken = f"WHERE t.{first} IN (SELECT old FROM temp.numbers WHERE kind = '{kind}' AND taken)"
    connection.execute(f"INSERT INTO {_rows_for_here(connection, table, mapped)} {taken}")


def _rewrite_run_ids(connection: sqlite3.Connection, merged: Merged) -> None:
    """Put the new run ids into events and into the names of adapters, which contain them as text."""
    for run_id in merged.taken.values():
        connection.execute(
            """UPDATE events SET detail = json_set(detail, '$.run_id', run_id)
            WHERE run_id = ? AND json_valid(detail) AND json_extract(detail, '$.run_id') IS NOT NULL""",
            [run_id],
        )
    for model_id in merged.models:
        connection.execute(
            """UPDATE models SET name = d.name,
                source = iif(source = 'trained by ' || models.name, 'trained by ' || d.name, source)
            FROM (SELECT 'run-' || run_id || '-round-' || number AS name FROM rounds WHERE adapter_id = ?
                ORDER BY round_id LIMIT 1) d
            WHERE model_id = ?""",
            [model_id, model_id],
        )


def _copy_missing(connection: sqlite3.Connection, table: str, mapped: Mapping[str, str]) -> None:
    """Copy the rows of a table that are missing here."""
    connection.execute(f"INSERT OR IGNORE INTO {_rows_for_here(connection, table, mapped)}")


def _rows_for_here(connection: sqlite3.Connection, table: str, mapped: Mapping[str, str]) -> str:
    """The part of a statement after INSERT INTO: all rows of the other database's table, with their ids here."""
    names = _columns(connection, table)
    values = ", ".join(_mapped(name, mapped) for name in names)
    return f"main.{table} ({', '.join(names)}) SELECT {values} FROM other.{table} t"


def _mapped(name: str, mapped: Mapping[str, str]) -> str:
    if name not in mapped:
        return f"t.{name}"
    return f"(SELECT new FROM temp.numbers WHERE kind = '{mapped[name]}' AND old = t.{name})"


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row["name"] for row in connection.execute(f"PRAGMA main.table_info({table})")]


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    marks = ", ".join("?" for _ in row)
    cursor = connection.execute(f"INSERT INTO main.{table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    return cursor.lastrowid or 0


def _note(connection: sqlite3.Connection, kind: str, old: int, new: int, *, taken: bool = False) -> None:
    connection.execute("INSERT INTO temp.numbers VALUES (?, ?, ?, ?)", [kind, old, new, taken])


def _new(connection: sqlite3.Connection, kind: str, old: int | None) -> int | None:
    row = connection.execute("SELECT new FROM temp.numbers WHERE kind = ? AND old = ?", [kind, old]).fetchone()
    return row[0] if row else None
