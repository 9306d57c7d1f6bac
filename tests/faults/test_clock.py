"""The clock of the day is set, the process is stopped, language and time zone change: no figure is wrong for it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from bed import (
    OBEYED,
    TRACEBACK,
    broken_invariants,
    compiled,
    count,
    crescent,
    crescent_command,
    environment,
    shares,
    source,
)
from server_stand_ins import Answer, Kind, stand_in
from sum_servers import SumLlamaServer
from test_wire import make
from tiny_model import make_tiny_gguf

from crescent_lite.following.log_tail import LoggedEvent, parse_event
from crescent_lite.following.throughput import ThroughputMeter
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow

DAY = 86_400


class SlowSums(SumLlamaServer):
    """A llama-server that takes a moment for each reply, so that a run lasts some seconds."""

    def answer(self, path: str, query: object, body: dict[str, object]) -> Answer:
        if path == "/completion":
            time.sleep(0.15)
        return super().answer(path, {}, body)  # type: ignore[arg-type]


@dataclass
class Shifted:
    """Programs whose clock of the day is moved."""

    library: Path
    file: Path

    def set(self, seconds: int) -> None:
        """Move the clock, also of programs that are at work."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", seconds))

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of such a program."""
        return environment(LD_PRELOAD=str(self.library), CRESCENT_CLOCK_SHIFT=str(self.file), **changes)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Shifted:
    folder, library = tmp_path_factory.mktemp("clock"), compiled("clock_shift.c")
    (folder / "shift").write_bytes(struct.pack("l", 0))
    return Shifted(library, folder / "shift")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture
def server(tiny: Path) -> Iterator[Kind]:
    with stand_in(SlowSums(tiny)) as server:
        yield server


def rows(workspace: Workspace, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query; none before there is a database."""
    try:
        with closing(sqlite3.connect(f"{workspace.database_path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()
    except sqlite3.Error:
        return []


def started(workspace: Workspace, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A run at work, with some votes stored."""
    command = crescent_command("run", "-w", str(workspace.folder))
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not rows(workspace, "SELECT 1 FROM votes LIMIT 1") and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return process


def assert_ended(process: subprocess.Popen[bytes], code: int = 0) -> None:
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said.decode()
    assert TRACEBACK.encode() not in said


def numbers_in(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a JSON value, with the name of its field."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers_in(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_in(each, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


def assert_times_are_right(workspace: Workspace, real_seconds: float) -> None:
    """No duration is negative or longer than the test has taken, in the database, the log and what `status` says."""
    stored = rows(workspace, "SELECT seconds, sampling_seconds FROM stages")
    assert stored
    assert all(0 <= each <= real_seconds for row in stored for each in row)  # type: ignore[operator]
    said = crescent("status", "-w", str(workspace.folder), "--json").out
    for name, number in numbers_in(json.loads(said)):
        if "second" in name or "left" in name or "minute" in name:
            assert 0 <= number < max(real_seconds, 600), (name, number)
    meter = ThroughputMeter()
    for line in (workspace.logs / "run-1.jsonl").read_text().splitlines():
        if event := parse_event(line):
            meter.feed(event)
            if now := meter.throughput():
                assert now.remaining_seconds is None or 0 <= now.remaining_seconds < 600, now
                assert now.items_per_minute is None or now.items_per_minute > 1, now
                assert now.quiet_seconds(event.at - DAY, event.seconds + 1) == 1


@pytest.mark.parametrize("share", shares(few=1, all_of_them=20, each=2), ids=str)
def test_a_clock_that_is_set_during_a_run_changes_no_duration(
    share: range, shifted: Shifted, server: Kind, tiny: Path, tmp_path: Path
) -> None:
    for trial in share:
        chance, began = source("clock", trial), time.monotonic()
        workspace = make(tmp_path / str(trial), tiny, server.url)
        shifted.set(0)
        process = started(workspace, shifted.environment())
        for shift in (chance.choice((-DAY, DAY)), chance.choice((-400 * DAY, 0, 3600, 9000 * DAY))):
            time.sleep(chance.uniform(0.2, 0.8))
            shifted.set(shift)
            count("clocks that were set during a run")
        assert_ended(process)
        assert not broken_invariants(workspace.folder)
        assert_times_are_right(workspace, time.monotonic() - began)
        second = crescent("run", "-w", str(workspace.folder), "--new", env=shifted.environment())
        assert second.code == 0, second
        listed = json.loads(crescent("runs", "-w", str(workspace.folder), "--json", env=shifted.environment()).out)
        runs = (
            listed if isinstance(listed, list) else next(each for each in listed.values() if isinstance(each, list))
        )
        assert [each["run_id"] for each in runs] == sorted(
            (each["run_id"] for each in runs), reverse=runs[0]["run_id"] == 2
        )


@pytest.mark.faults
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}, {"LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Pago_Pago"}),
        ({"LC_ALL": "C", "TZ": ""}, {"LC_ALL": "C.UTF-8", "TZ": "America/New_York"}),
        ({"LC_ALL": "xx_YY", "TZ": "nonsense/zone"}, {"LC_ALL": "fa_IR.UTF-8", "TZ": "Asia/Kathmandu"}),
    ],
)
def test_a_run_is_resumed_in_another_language_and_time_zone(
    first: dict[str, str], then: dict[str, str], server: Kind, tiny: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    workspace = make(tmp_path / "w", tiny, server.url)
    process = started(workspace, environment(**first))
    process.send_signal(signal.SIGTERM)
    assert_ended(process, 130)
    ended = crescent("run", "-w", str(workspace.folder), env=environment(**then))
    assert ended.code == 0, ended
    assert not OBEYED.search(ended.out + ended.err)
    assert not broken_invariants(workspace.folder)
    assert_times_are_right(workspace, time.monotonic() - began)
    times = [str(row[0]) for row in rows(workspace, "SELECT created_at FROM votes ORDER BY vote_id")]
    assert times == sorted(times)
    assert all(each.endswith("+00:00") for each in times)
    texts = [
        crescent(command, "-w", str(workspace.folder), env=environment(**then)).out for command in ("runs", "report")
    ]
    assert all("," not in each or "." in each for each in texts)  # no decimal commas
    count("runs that were resumed in another language and time zone")


@pytest.mark.faults
@pytest.mark.parametrize("whom", ["the engine", "the engine and its children"])
def test_a_stopped_process_continues_where_it_was(whom: str, server: Kind, tiny: Path, tmp_path: Path) -> None:
    """Stopped for longer than a server may take: what it has sent meanwhile still counts."""
    began = time.monotonic()
    workspace = make(tmp_path / "w", tiny, server.url)
    process = started(workspace, environment())
    stopped = [psutil.Process(process.pid), *(psutil.Process(process.pid).children() if "children" in whom else ())]
    for _ in range(3):
        for each in stopped:
            each.suspend()
        time.sleep(2.5)
        for each in reversed(stopped):
            each.resume()
        time.sleep(0.3)
        count("processes that were stopped and continued", len(stopped))
    assert_ended(process)
    assert not broken_invariants(workspace.folder)
    assert rows(workspace, "SELECT state FROM runs") == [("finished",)]
    assert rows(workspace, "SELECT sum(lost_servers) FROM stages") == [(0,)]
    assert_times_are_right(workspace, time.monotonic() - began)


def test_a_stop_that_is_asked_for_while_the_engine_is_stopped_takes_effect_when_it_continues(
    server: Kind, tiny: Path, tmp_path: Path
) -> None:
    workspace = make(tmp_path / "w", tiny, server.url)
    process = started(workspace, environment())
    os.kill(process.pid, signal.SIGSTOP)
    workspace.ask("stop")
    time.sleep(1.5)
    os.kill(process.pid, signal.SIGCONT)
    assert_ended(process, 130)
    assert not broken_invariants(workspace.folder)


def logged(kind: str, at: float, clock: float | None, **detail: object) -> LoggedEvent:
    """An event in a log."""
    return LoggedEvent(kind, at, "", detail, clock)


@pytest.mark.parametrize("jump", [-DAY, DAY])
@pytest.mark.parametrize("has_clock", [True, False])
def test_a_jump_leaves_the_pace_as_it_was(jump: int, has_clock: bool) -> None:
    meter = ThroughputMeter()
    meter.feed(logged("StageStarted", 0, 0, stage="vote", done=0, total=100))
    paces: list[float | None] = []
    for number in range(1, 60):
        at = number + (jump if number > 30 else 0)
        clock = float(number) if has_clock else None
        meter.feed(logged("StageProgressed", at, clock, stage="vote", done=number, total=100, tokens=10 * number))
        now = meter.throughput()
        assert now
        paces += [now.items_per_minute]
        assert now.remaining_seconds is None or now.remaining_seconds >= 0
    if has_clock:
        assert all(pace is None or 55 < pace < 65 for pace in paces)
