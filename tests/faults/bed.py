"""The frame of the fault bed: seeds, numbers of trials, `crescent` as a limited child process, and its invariants.

Every test here is `slow`: `make test-slow` runs a few trials of it, with seed 1. `make test-faults` runs all trials,
with a new seed, and the tests marked `faults` too, which are long even with few trials. A failed test prints the
variables that repeat it. Example:
    @pytest.mark.parametrize("share", shares(few=4, all_of_them=500, each=25), ids=str)
    def test_a_cut_log_loses_no_commit(share: range, tmp_path: Path) -> None:
        for trial in share:
            chance = source("cut log", trial)
            ...
            ended = crescent("run", "-w", str(folder), seconds=60)
            assert not faults_of(ended)
            assert not broken_invariants(folder)
            count("cut logs")
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import psutil
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SEED = int(os.environ.get("CRESCENT_FAULT_SEED") or 1)
TRIALS = os.environ.get("CRESCENT_FAULT_TRIALS") or "few"
"""'few', 'all' or a number."""
FIGURES = os.environ.get("CRESCENT_FAULT_FIGURES")
"""File that `count` writes to, one JSON line for each call; `make test-faults` adds them up."""
OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
"""Characters that a terminal obeys or hides: control characters except newline and tab, bidi marks, tags."""
TRACEBACK = "Traceback (most recent call last)"
UNFINISHED = ("*unfinished*", "*.replaced", "*-journal", "*.tmp", "*.part")
"""Patterns of files that somebody was writing; none is left in a workspace in which nobody is at work."""


# Seeds and trials


def is_full() -> bool:
    """Whether all trials are made, as in `make test-faults`."""
    return TRIALS == "all"


def trials(few: int, all_of_them: int) -> int:
    """The number of trials to make: `few`, or `all_of_them` in `make test-faults`, or CRESCENT_FAULT_TRIALS."""
    return int(TRIALS) if TRIALS.isdigit() else all_of_them if is_full() else few


def shares(few: int, all_of_them: int, each: int) -> list[range]:
    """The trials in shares of at most `each`, for `parametrize`, so that two processes can divide them."""
    count = trials(few, all_of_them)
    return [range(first, min(first + each, count)) for first in range(0, count, each)]


def source(*names: object) -> random.Random:
    """A random source that depends on the seed and on these names, such as the test's and the trial's number."""
    print(f"to repeat: CRESCENT_FAULT_SEED={SEED} CRESCENT_FAULT_TRIALS={TRIALS}; here: {names}")  # noqa: T201  pytest shows it where the test fails
    return random.Random(f"{SEED} {names}")


def count(what: str, number: int = 1) -> None:
    """Add to a figure that is reported at the end, such as the kills of a stage."""
    if FIGURES:
        with Path(FIGURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps([what, number]) + "\n")


# Child processes


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    arguments: tuple[str, ...]
    code: int
    """Exit code; minus the signal's number if a signal ended it."""
    out: str
    err: str
    timed_out: bool
    """Whether it had to be killed after its time."""
    peak_bytes: int
    """Most memory that it, or one of its children that have ended, had in RAM; at least that of this process."""
    seconds: float

    def __str__(self) -> str:
        command = " ".join(self.arguments)
        return f"$ {command}\nexit code {self.code} after {self.seconds:.1f} s\n{self.out}\n--\n{self.err}"


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment, with this checkout on the path. A change of None removes a variable."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tui", ROOT / "tests", ROOT / "tests" / "faults")))
    changed = {**os.environ, "PYTHONPATH": path, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def crescent_command(*arguments: str) -> list[str]:
    """The command line of `crescent` with these arguments, from this checkout."""
    return [sys.executable, "-m", "crescent_lite.cli", *arguments]


def crescent(
    *arguments: str,
    seconds: float = 60.0,
    memory_bytes: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
) -> Ended:
    """Run `crescent` to its end. See `run_limited`."""
    return run_limited(
        crescent_command(*arguments), seconds=seconds, memory_bytes=memory_bytes, env=env, cwd=cwd, stdin=stdin
    )


def run_limited(
    command: Sequence[str],
    *,
    seconds: float = 60.0,
    memory_bytes: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    at_start: Callable[[int], object] = lambda _pid: None,
) -> Ended:
    """Run a command to its end, or kill it and its process group after `seconds`.

    `memory_bytes` limits its address space, which is larger than what it has in RAM. `at_start` gets its process id.
    """
    limit = None
    if memory_bytes is not None:
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=out,
            stderr=err,
            env=environment() if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,  # so that its group can be killed as a whole
            preexec_fn=limit,
        )
        at_start(process.pid)
        timed_out, status, usage = _waited(process.pid, began + seconds)
        process.returncode = os.waitstatus_to_exitcode(status)
        taken = time.monotonic() - began
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="backslashreplace"))
    peak = usage.ru_maxrss * 1024
    return Ended(tuple(map(str, command)), process.returncode, *texts, timed_out, peak, taken)


def _waited(pid: int, until: float) -> tuple[bool, int, resource.struct_rusage]:
    """Whether a child had to be killed, its status, and what it used."""
    timed_out, pause = False, 0.002
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return timed_out, status, usage
        if not timed_out and time.monotonic() > until:
            timed_out = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)


def c_compiler() -> str | None:
    """The path of a C compiler; None where there is none."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@functools.cache
def compiled(source: str) -> Path:
    """A library of this folder that LD_PRELOAD loads, compiled. Skips the test where there is no C compiler."""
    compiler = c_compiler()
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = Path(tempfile.mkdtemp(prefix="crescent-compiled-")) / f"{source}.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", library, HERE / source, "-ldl"]
    subprocess.run(command, check=True)
    return library


class AnsweringProgram:
    """A Python program that answers each request with one line, both JSON. It ends when this object is closed."""

    def __init__(self, program: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(env), text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return cast("dict[str, Any]", json.loads(self.next_line()))

    def next_line(self) -> str:
        """The next line that the program writes."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def close(self) -> None:
        """Let the program end, and wait for that."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def faults_of(ended: Ended, codes: Sequence[int] | None = None) -> list[str]:
    """What a command did that none may do: a traceback, control characters, no end in its time, a code of a bug.

    `codes`: exit codes that are expected; None for every documented one.
    """
    from crescent_lite.errors import ExitCode

    expected = [code for code in ExitCode if code != ExitCode.BUG] if codes is None else codes
    said = ended.out + ended.err
    found = {
        "it hung": ended.timed_out,
        f"it ended with {ended.code}": not ended.timed_out and ended.code not in expected,
        "it showed a traceback": TRACEBACK in said,
        f"it printed control characters: {OBEYED.findall(said)[:5]}": OBEYED.search(said) is not None,
    }
    faults = [words for words, is_so in found.items() if is_so]
    return [*faults, str(ended)] if faults else []


def is_one_line(ended: Ended) -> bool:
    """Whether a command that failed said so in one line on stderr, after what it may have warned of."""
    lines = [line for line in ended.err.splitlines() if line.strip()]
    return sum(line.startswith("crescent: ") for line in lines) == 1 and lines[-1].startswith("crescent: ")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes that are at work in a folder: those that name it in their command line, or work in it."""
    place, found = str(folder.resolve()), []
    for process in psutil.process_iter():
        try:
            is_here = process.cwd().startswith(place) or any(place in part for part in process.cmdline())
            if is_here and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def orphans_of(folder: Path, seconds: float = 10.0) -> list[str]:
    """Command lines of processes that are still at work in a folder after `seconds`."""
    until = time.monotonic() + seconds
    while (found := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return [f"process {process.pid} is still there: {' '.join(process.cmdline())}" for process in found]


# Invariants

ONCE_A_RUN_IS_FINISHED = {
    "a round is not finished": """SELECT run_id, number FROM rounds JOIN runs USING (run_id)
        WHERE state = 'finished' AND reason IS NULL AND rounds.finished_at IS NULL""",
    "a text has no verdict": """SELECT question_id FROM questions JOIN rounds USING (round_id)
        WHERE verdict IS NULL AND rounds.finished_at IS NOT NULL""",
    "a question of a finished round has no decision": """SELECT question_id FROM questions
        JOIN rounds USING (round_id) LEFT JOIN consensus USING (question_id)
        WHERE verdict = 'kept' AND rounds.finished_at IS NOT NULL AND decision IS NULL""",
    "an evaluation of a finished run is not finished": """SELECT evaluation_id FROM run_evaluations
        JOIN runs USING (run_id) JOIN evaluations e USING (evaluation_id)
        WHERE state = 'finished' AND e.finished_at IS NULL""",
    "a step of a finished training is missing": """SELECT training_id, count(*), max(step) FROM training_steps
        JOIN trainings USING (training_id) WHERE state = 'finished' GROUP BY training_id
        HAVING count(*) <> max(step) OR min(step) <> 1""",
}
AT_ANY_MOMENT = {
    "two texts have one place": """SELECT round_id, ask_index FROM questions WHERE ask_index IS NOT NULL
        GROUP BY 1, 2 HAVING count(*) > 1""",
    "a decision does not count its votes": """SELECT question_id, consensus.votes, count(vote_id) FROM consensus
        LEFT JOIN votes USING (question_id) GROUP BY question_id HAVING consensus.votes <> count(vote_id)""",
    "a label rests on another question's vote": """SELECT c.question_id FROM consensus c
        JOIN votes v ON v.vote_id = c.chosen_vote WHERE v.question_id <> c.question_id""",
    "a rejected text has votes": """SELECT vote_id FROM votes JOIN questions USING (question_id)
        WHERE verdict IS NOT 'kept'""",
    "an evaluation is finished and lacks replies": """SELECT e.evaluation_id, count(i.item_id), e.samples * b.items
        FROM evaluations e JOIN benchmarks b USING (benchmark_id) LEFT JOIN evaluated_items i USING (evaluation_id)
        WHERE e.finished_at IS NOT NULL AND b.kind = 'answers' GROUP BY e.evaluation_id
        HAVING count(i.item_id) <> e.samples * b.items""",
    "a reply belongs to no item": """SELECT i.evaluation_id, i.item_id FROM evaluated_items i
        JOIN evaluations USING (evaluation_id) LEFT JOIN benchmark_items b USING (benchmark_id, item_id)
        WHERE b.item_id IS NULL""",
    "a finished training has no adapter": """SELECT training_id FROM trainings JOIN rounds USING (round_id)
        WHERE state = 'finished' AND (trainings.adapter_id IS NULL OR rounds.adapter_id IS NULL)""",
    "a round has an adapter that no training made": """SELECT round_id FROM rounds WHERE adapter_id IS NOT NULL
        AND round_id NOT IN (SELECT round_id FROM trainings WHERE state = 'finished')
        AND run_id IN (SELECT run_id FROM runs WHERE kind = 'improvement')""",
    "two trainings of a round are finished": """SELECT round_id FROM trainings WHERE state = 'finished'
        GROUP BY round_id HAVING count(*) > 1""",
    "a training is at work in a run that is not": """SELECT training_id FROM trainings JOIN rounds USING (round_id)
        JOIN runs USING (run_id) WHERE trainings.state = 'running' AND runs.state <> 'running'""",
}


def broken_invariants(folder: Path, *, at_rest: bool = True) -> list[str]:
    """What must hold in a workspace and does not: in the database, its adapters, its logs and its files.

    `at_rest`: the last command has ended by itself, so that no run is under way and no file is half-written. After a
    kill, before the next command, give False.
    """
    from crescent_lite.workspace import Workspace

    database = folder / "crescent.db"
    faults = [] if not database.is_file() else _faults_in_database(database, at_rest)
    faults += _faults_in_logs(folder)
    if at_rest:
        faults += [f"{path.relative_to(folder)} is left over" for path in left_over(folder)]
        faults += orphans_of(folder)
        if Workspace(folder).is_busy():
            faults.append("the lock is held")
    return faults


def left_over(folder: Path) -> list[Path]:
    """Files and folders that somebody did not finish writing."""
    return sorted({path for pattern in UNFINISHED for path in folder.rglob(pattern)})


def _faults_in_database(path: Path, at_rest: bool) -> list[str]:
    from crescent_lite.store import Store, checking

    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        faults = [str(row[0]) for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        if faults or database.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone() is None:
            return faults  # an empty database: nothing was committed yet
        faults += [f"a row refers to nothing: {row}" for row in database.execute("PRAGMA foreign_key_check")]
    if Store.is_older(path):
        return faults
    with closing(Store.open_read_only(path)) as store:
        faults += checking.faults_of(store.database)
        for words, sql in {**AT_ANY_MOMENT, **(ONCE_A_RUN_IS_FINISHED if at_rest else {})}.items():
            faults += [f"{words}: {tuple(row)}" for row in store.database.rows(sql)[:3]]
        if at_rest:
            running = store.database.rows("SELECT run_id FROM runs WHERE state = 'running'")
            faults += [f"run {row[0]} is still 'running'" for row in running]
        faults += _faults_in_adapters(store)
    return faults


def _faults_in_adapters(store: object) -> list[str]:
    """Adapters of finished rounds whose file is missing or is not the one that was stored."""
    from crescent_lite.models import sha256_of
    from crescent_lite.store import Store

    assert isinstance(store, Store)
    faults = []
    for row in store.database.rows("SELECT DISTINCT adapter_id FROM rounds WHERE adapter_id IS NOT NULL"):
        model = store.runs.fetch_model(row[0])
        if not model.path.is_file():
            faults.append(f"{model.path} is missing")
        elif len(set(model.sha256)) > 1 and sha256_of(model.path) != model.sha256:
            faults.append(f"{model.path} is not the adapter that was stored")
    return faults


def _faults_in_logs(folder: Path) -> list[str]:
    faults = []
    for log in sorted((folder / "logs").glob("run-*.jsonl")):
        *lines, _cut = log.read_bytes().split(b"\n")  # the next engine cuts half a line of a killed one
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line)
            except ValueError:
                faults.append(f"{log.name}, line {number} is not JSON: {line[:80]!r}")
    return faults


def what_was_said(folder: Path) -> list[tuple[object, ...]]:
    """Every text, verdict, vote and label of a workspace in order, without ids and times, to compare workspaces."""
    with closing(sqlite3.connect(f"{(folder / 'crescent.db').resolve().as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(
            """SELECT d.run_id, d.number, q.raw_text, q.verdict, q.reason, v.sample_index, v.text, v.seed,
                v.answer_key, c.decision, c.answer_key, c.share
            FROM questions q JOIN rounds d USING (round_id) LEFT JOIN votes v USING (question_id)
            LEFT JOIN consensus c USING (question_id) ORDER BY 1, 2, 3, 4, 5, 6, 7"""
        ).fetchall()


def what_was_measured(folder: Path) -> list[tuple[object, ...]]:
    """Every reply to a benchmark with its scores in order, without ids and times, to compare workspaces."""
    with closing(sqlite3.connect(f"{(folder / 'crescent.db').resolve().as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(
            """SELECT r.run_id, r.round_number, b.name, e.prompt, i.item_id, i.sample_index, i.text, i.answer_key,
                i.strict, i.flexible
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            JOIN evaluated_items i USING (evaluation_id) ORDER BY 1, 2, 3, 4, 5, 6"""
        ).fetchall()
