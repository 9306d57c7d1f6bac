"""Databases, adapters, checkpoints, benchmarks, settings and notes that others made or damaged: read, or refused."""

from __future__ import annotations

import functools
import io
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from bed import OBEYED, count, shares, source
from file_mutations import VALUES, mutated_json, mutated_safetensors, mutated_text
from forked import Forked, forked
from gguf_mutations import mutate
from gguf_parts import Gguf
from sample_run import load_sample_run
from tiny_model import as_base, make_tiny_adapter, make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.config import BaitConfig, BenchmarkConfig, load_config
from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.evaluation import load_benchmark
from crescent_lite.models import find_adapter
from crescent_lite.questions.own import load_questions
from crescent_lite.sampling.decode_program import try_model
from crescent_lite.store import own_schema
from crescent_lite.training.adapter_gguf import write_adapter_gguf
from crescent_lite.training.base_gguf import read_base
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.notes import add_note, pending_notes

pytestmark = pytest.mark.slow
SECONDS = 60.0
MEMORY_BYTES = 1 << 30
LONGEST_LINE = 2000


def faults(what: object, done: Forked, *, prints: bool = False) -> list[str]:
    """What reading a file did that it must not do."""
    found = [done.problem] if done.problem else []
    if "\n" in done.error or len(done.error) > LONGEST_LINE:
        found.append(f"its error is not a line: {done.error[:300]!r}")
    if prints and (control := OBEYED.search(done.said)):
        found.append(f"printed {control[0]!r}")
    return [f"{what}: {each}" for each in found]


def check(trials: range, kind: str, make: Callable[[random.Random], Callable[[], object]]) -> None:
    """Make a flawed file for each trial, and read it in a copy of this process with limits."""
    found = []
    for trial in trials:
        work = make(source(kind, trial))
        found += faults(f"{kind} {trial}", forked(work, seconds=SECONDS, memory_bytes=MEMORY_BYTES))
        count(f"flawed files: {kind}")
    assert not found, "\n\n".join(found[:20])


BENCHMARK: list[dict[str, Any]] = [
    {"id": n, "question": f"What is {n} + 1?", "answer": str(n + 1), "options": ["2", "3", "x"], "solution": "so"}
    for n in range(4)
]


@pytest.mark.parametrize("share", shares(few=30, all_of_them=300, each=100), ids=str)
def test_benchmarks_and_questions(share: range, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"

    def make(chance: random.Random) -> Callable[[], object]:
        shots = chance.choice((0, 1))
        lines = [json.dumps(row).encode() for row in BENCHMARK]
        at = chance.randrange(len(lines))
        lines[at] = mutated_json(BENCHMARK[at], chance)
        path.write_bytes(b"\n".join(lines))
        config = BenchmarkConfig(
            source=str(path),
            kind=chance.choice(("answers", "choices")),  # type: ignore[arg-type]
            unreadable=chance.choice(("refuse", "leave-out")),  # type: ignore[arg-type]
            choices_field="options",
        )
        if chance.random() < 0.5:
            return lambda: len(load_benchmark("rows", config, shots=shots).items)
        return lambda: len(load_questions(BaitConfig(file=str(path), question_field="question")).questions)

    check(share, "benchmark or question file", make)


@pytest.mark.parametrize("share", shares(few=30, all_of_them=200, each=100), ids=str)
def test_settings(share: range, tmp_path: Path) -> None:
    from crescent_lite.config.text import starter_toml

    path = tmp_path / "crescent.toml"

    def make(chance: random.Random) -> Callable[[], object]:
        text = starter_toml(chance.choice(("quick", "default"))) + "\n[evaluate.benchmarks.sums]\nsource = 'x'\n"
        path.write_bytes(mutated_text(text, chance))
        return lambda: str(load_config(path))

    check(share, "settings", make)


@pytest.mark.parametrize("share", shares(few=30, all_of_them=100, each=100), ids=str)
def test_notes_and_other_state(share: range, tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "work")
    add_note(workspace, 7, "the majority is wrong")
    good = workspace.notes.read_text(encoding="utf-8")
    names = (".checksums.json", ".engine.json", "notes.jsonl", "logs/run-1.jsonl", "exports/x/crescent.json")

    def make(chance: random.Random) -> Callable[[], object]:
        workspace.notes.write_bytes(mutated_text(good, chance))
        for name in names:
            (workspace.folder / name).parent.mkdir(parents=True, exist_ok=True)
            if chance.random() < 0.5:
                (workspace.folder / name).write_bytes(
                    mutated_json({"run": 1, "rounds": {"1": 1.0}, "pid": 1}, chance)
                )
        command = chance.choice((("status",), ("show", "question", "7"), ("runs",), ("log", "--to", "x")))
        return lambda: (len(pending_notes(workspace)), run(workspace, *command))

    check(share, "notes and state", make)


def peft_adapter(folder: Path, base: Path) -> None:
    """A PEFT adapter that fits the tiny llama."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    shapes = read_base(base).shapes
    tensors = {}
    for layer in range(2):
        rows, columns = shapes[f"blk.{layer}.attn_q.weight"]
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors |= {f"{name}.lora_A.weight": np.ones((4, columns), np.float32)}
        tensors |= {f"{name}.lora_B.weight": np.ones((rows, 4), np.float32)}
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(PEFT_SETTINGS), encoding="utf-8")


PEFT_SETTINGS = {
    "lora_alpha": 8, "r": 4, "peft_type": "LORA", "bias": "none", "use_rslora": False, "rank_pattern": {},
    "modules_to_save": None, "target_modules": ["q_proj"], "base_model_name_or_path": "x",
}  # fmt: skip


@pytest.mark.parametrize("share", shares(few=30, all_of_them=200, each=100), ids=str)
def test_peft_adapters(share: range, tmp_path: Path) -> None:
    base, good, flawed = make_tiny_gguf(tmp_path / "base.gguf"), tmp_path / "good", tmp_path / "flawed"
    peft_adapter(good, base)
    write_adapter_gguf(good, read_base(base), tmp_path / "out.gguf", "")
    tensors = (good / "adapter_model.safetensors").read_bytes()

    def make(chance: random.Random) -> Callable[[], object]:
        shutil.copytree(good, flawed, dirs_exist_ok=True)
        if chance.random() < 0.6:
            (flawed / "adapter_model.safetensors").write_bytes(mutated_safetensors(tensors, chance))
        else:
            (flawed / "adapter_config.json").write_bytes(mutated_json(PEFT_SETTINGS, chance))
        return lambda: write_adapter_gguf(flawed, read_base(base), tmp_path / "out.gguf", "")

    check(share, "PEFT adapter", make)


@pytest.mark.parametrize("share", shares(few=39, all_of_them=195, each=39), ids=str)
def test_gguf_adapters(share: range, tmp_path: Path) -> None:
    """In a fresh process, since decoding hangs in a copy of one where an earlier test left threads of OpenMP."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        found = fresh.submit(flaws_of_gguf_adapters, share, tmp_path).result()
    assert not found, "\n\n".join(found)


def flaws_of_gguf_adapters(share: range, folder: Path) -> list[str]:
    """What flawed adapters did that they must not do. A signal is what the trial in a child is there for."""
    base = make_tiny_gguf(folder / "base.gguf")
    good = Gguf.parse(make_tiny_adapter(folder / "good.gguf").read_bytes())
    flawed, found, model = folder / "flawed.gguf", [], as_base(base)
    for trial in share:
        try:
            flaw, raw = mutate(good, source("GGUF adapter", trial), trial)
        except (StopIteration, IndexError):  # a flaw of a tokenizer, which an adapter does not have
            continue
        flawed.write_bytes(raw)
        done = forked(lambda: str(find_adapter(flawed, model)), seconds=SECONDS, memory_bytes=MEMORY_BYTES)
        tried = forked(lambda: try_model(base, flawed, tokens=3, mapped=True), seconds=SECONDS, memory_bytes=4 << 30)
        found += faults(f"{trial} {flaw}", done)
        if not tried.signal:
            found += faults(f"{trial} {flaw}; trial", tried)
        count("flawed files: GGUF adapter")
    return found


@pytest.mark.parametrize("share", shares(few=30, all_of_them=150, each=150), ids=str)
def test_checkpoints(share: range, tmp_path: Path) -> None:
    """Checkpoints with right checksums and wrong contents, as only intent makes them. No pickle is read."""
    torch = pytest.importorskip("torch")
    from crescent_lite.training import checkpoints

    good = checkpoints.Checkpoint(3, {"a": torch.zeros(4, 4), "b": torch.ones(2)}, {"tokens": 5, "seconds": 1.0})
    folder = tmp_path / "checkpoints"

    def make(chance: random.Random) -> Callable[[], object]:
        shutil.rmtree(folder, ignore_errors=True)
        checkpoints.save(folder, good, "fingerprint")
        place = folder / "step-000003"
        tensors, progress = (place / checkpoints.TENSORS).read_bytes(), {"step": 3, **good.progress}
        match chance.randrange(4):
            case 0:
                (place / checkpoints.TENSORS).write_bytes(mutated_safetensors(tensors, chance))
            case 1:
                (place / checkpoints.PROGRESS).write_bytes(mutated_json(progress, chance))
            case 2:
                evil = b"\x80\x04cos\nsystem\n(S'touch /tmp/never'\ntR."  # a pickle that would run a program
                (place / checkpoints.TENSORS).write_bytes(evil)
        sums = {name: checkpoints._sha256(place / name) for name in (checkpoints.TENSORS, checkpoints.PROGRESS)}
        complete = {"fingerprint": "fingerprint", "sha256": sums}
        text = mutated_json(complete, chance) if chance.random() < 0.2 else json.dumps(complete).encode()
        (place / checkpoints.COMPLETE).write_bytes(text)
        return lambda: str(checkpoints.load(folder, "fingerprint"))[:50]

    check(share, "checkpoint", make)


# Databases


def run(workspace: Workspace, *arguments: str) -> int:
    return main([*arguments, "-w", str(workspace.folder)])


COMMANDS = (
    ("status",), ("runs",), ("report",), ("show", "run"), ("show", "round", "1"), ("show", "question", "1"),
    ("db", "check"), ("compare", "1", "1"), ("why",), ("export", "examples"), ("status", "--json"),
    ("query", "SELECT * FROM v_runs"), ("query", "SELECT * FROM v_labels"), ("note", "1", "x"), ("rollback", "1"),
    ("db", "vacuum"), ("plan",),
)  # fmt: skip
SQL = (
    "PRAGMA application_id = 1234567", "PRAGMA user_version = -1", "DROP TABLE notes", "DROP VIEW v_runs",
    "ALTER TABLE votes RENAME TO votes_before", "ALTER TABLE runs DROP COLUMN differs", "DELETE FROM runs",
    "DELETE FROM models", "DELETE FROM rounds", "DELETE FROM _sqlite_migrations", "CREATE TABLE sweep_x (a, b)",
    "CREATE TRIGGER x AFTER INSERT ON notes BEGIN DELETE FROM votes; END",
    "CREATE TRIGGER x BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'no\x1b[2J'); END",
    "CREATE VIEW mine AS SELECT hex(randomblob(100000000))", "UPDATE rounds SET number = number + 1000000",
    "UPDATE rounds SET run_id = 99", "INSERT INTO runs SELECT * FROM runs", "UPDATE votes SET question_id = 1",
    "UPDATE _sqlite_migrations SET name = name || '\x1b[2J'", "UPDATE models SET path = '/dev/zero'",
    "UPDATE models SET path = '../../../../etc/passwd', sha256 = 'x'",
    "UPDATE questions SET rewritten_from = question_id",
    "UPDATE models SET parent_id = model_id", "UPDATE runs SET teacher_id = run_id, control_of = run_id",
    "CREATE VIRTUAL TABLE x USING fts5(y)", "UPDATE events SET detail = '[]'",
    "UPDATE questions SET steering = '[1]'",
)  # fmt: skip


def make_flawed(path: Path, chance: random.Random) -> str:
    """Change a database as somebody with a program for SQLite could; return how."""
    done = []
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        tables = sorted(own_schema.TABLES - {"questions_fts", "solutions_fts"})
        for _ in range(chance.choice((1, 1, 2, 3))):
            if chance.random() < 0.4:
                sql, values = chance.choice(SQL), []
            else:
                table = chance.choice(tables)
                column = chance.choice([row[1] for row in database.execute(f"PRAGMA table_info({table})")])
                value = chance.choice(VALUES)
                if isinstance(value, str):
                    value = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
                if isinstance(value, list | dict):
                    value = json.dumps(value)
                if isinstance(value, int) and not -(2**63) <= value < 2**63:
                    value = float("inf")
                cast = chance.choice(("?", "?", "CAST(? AS BLOB)", "CAST(CAST(? AS BLOB) AS TEXT)"))
                sql, values = f"UPDATE {table} SET {column} = {cast}", [value]
                if chance.random() < 0.5:
                    sql += " WHERE rowid % 2"
            try:
                database.execute(sql, values)
                done.append(f"{sql} {values!s:.60}")
            except sqlite3.Error:
                continue
    if chance.random() < 0.25:
        raw = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 8, 100))):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        path.write_bytes(raw[: chance.choice((len(raw), len(raw), chance.randrange(len(raw))))])
        done.append("bytes")
    return "; ".join(done)


@pytest.mark.parametrize("share", shares(few=12, all_of_them=400, each=50), ids=str)
def test_databases(share: range, tmp_path: Path) -> None:
    found = []
    whole = load_sample_run(tmp_path / "whole").database_path.read_bytes()
    first = load_sample_run(tmp_path / "first")
    for command in COMMANDS:  # imports what the copies of this process need
        run(first, *command)
    for trial in share:
        chance, folder = source("database", trial), tmp_path / "work"
        shutil.rmtree(folder, ignore_errors=True)
        workspace = load_sample_run(folder)
        workspace.database_path.write_bytes(whole)
        how = make_flawed(workspace.database_path, chance)
        for command in chance.sample(COMMANDS, 2):
            done = forked(
                functools.partial(run, workspace, *command),
                seconds=SECONDS,
                memory_bytes=MEMORY_BYTES,
            )
            found += faults(f"database {trial}, {command}: {how}", done, prints=True)
            if done.value == ExitCode.BUG:
                found.append(f"database {trial}, {command}: {how}: ended with 1: {done.said[-300:]}")
        count("flawed files: database")
    assert not found, f"{len(found)} faults\n" + "\n\n".join(each[-1500:] for each in found)


@pytest.mark.parametrize("share", shares(few=10, all_of_them=60, each=30), ids=str)
def test_merging_a_database_of_somebody_else(share: range, tmp_path: Path) -> None:
    """It is merged whole, or refused and this one is unchanged."""
    found, mine = [], load_sample_run(tmp_path / "mine")
    whole = load_sample_run(tmp_path / "whole").database_path.read_bytes()
    for trial in share:
        chance, other = source("merge", trial), tmp_path / "other.db"
        other.write_bytes(whole)
        how = make_flawed(other, chance)
        target = Workspace(shutil.copytree(mine.folder, tmp_path / f"target-{trial}"))
        merge = functools.partial(run, target, "db", "merge", str(other))
        done = forked(merge, seconds=SECONDS, memory_bytes=MEMORY_BYTES)
        found += faults(f"merge {trial}: {how}", done, prints=True)
        ended = forked(functools.partial(run, target, "db", "check"), seconds=SECONDS, memory_bytes=MEMORY_BYTES)
        if ended.value != ExitCode.OK:
            found.append(f"merge {trial}: {how}: the database is damaged: {ended.said}")
        count("flawed files: database to merge")
    assert not found, "\n\n".join(each[-1500:] for each in found)


def test_the_watch_sees_code_that_runs() -> None:
    """The audit hook of these tests notices what it is there to notice."""
    attempts: dict[str, Callable[[], object]] = {
        "exec": lambda: exec("x = 1"),  # noqa: S102
        "os.system": lambda: os.system("true"),
        "subprocess": lambda: os.popen("true").read(),
        "pickle.find_class": lambda: __import__("pickle").loads(b"cos\ngetpid\n(tR."),
        "socket.connect": lambda: __import__("socket").socket().connect_ex(("127.0.0.1", 9)),
    }
    for name, attempt in attempts.items():
        assert " ran [" in forked(attempt, seconds=20, memory_bytes=MEMORY_BYTES).problem, name

    def refused() -> None:
        raise CrescentError("a line")

    assert forked(refused, seconds=20, memory_bytes=MEMORY_BYTES).error == "CrescentError: a line"
    assert forked(io.StringIO, seconds=20, memory_bytes=MEMORY_BYTES).problem == ""
