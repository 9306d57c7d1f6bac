"""Children that hang, are killed or lose their parent: stop and pause work, and nothing is lost or left over."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from bed import (
    broken_invariants,
    count,
    crescent,
    crescent_command,
    environment,
    faults_of,
    orphans_of,
    processes_of,
    shares,
    source,
)
from processes import training_process
from sample_run import load_sample_run
from scripted_workspace import make_scripted_workspace
from tiny_model import as_base, make_tiny_gguf

from crescent_lite.config import SamplingConfig, TrainConfig
from crescent_lite.errors import ExitCode
from crescent_lite.records import Generation, Request, TokenExample, TrainingStep
from crescent_lite.sampling.worker_pool import PooledSampler
from crescent_lite.sampling.workers.local import LocalHands, LocalWorker
from crescent_lite.sampling.workers.worker import Worker
from crescent_lite.stages.frame import PauseAsked
from crescent_lite.training import finetune

pytestmark = pytest.mark.slow
HOT = TrainConfig(loader="peft", precision="float32", learning_rate=0.01, epochs=1000, batch_size=4, rank=4)
EXAMPLES = [TokenExample(number, (1, 5, 6, 7 + number), 2) for number in range(6)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


# Trainings that hang


def test_a_training_that_hangs_is_told_of_and_goes_on_when_it_can(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = finetune(EXAMPLES, base=as_base(tiny), config=HOT, seed=1, out_dir=tmp_path, silent_seconds=1.0)
    assert isinstance(next(events), TrainingStep)
    caplog.clear()
    child = training_process()
    child.suspend()
    timer = threading.Timer(4.0, child.resume)
    timer.start()
    with caplog.at_level(logging.WARNING, "crescent_lite.training"):
        while "reports again" not in caplog.text:
            assert isinstance(next(events), TrainingStep)
    timer.join()
    told = [record.getMessage() for record in caplog.records]
    events.close()  # type: ignore[attr-defined]

    assert len(told) == 2
    assert f"`kill -CONT {child.pid}` continues it" in told[0]
    count("hung trainings")


def test_a_training_that_hangs_is_ended_by_a_pause_and_by_a_stop(tiny: Path, tmp_path: Path) -> None:
    hangs = threading.Event()

    def pause() -> None:
        if hangs.is_set():  # the program is also silent for a second while it starts
            raise PauseAsked

    events = finetune(
        EXAMPLES, base=as_base(tiny), config=HOT, seed=1, out_dir=tmp_path, silent=pause, silent_seconds=1.0
    )
    next(events)
    child = training_process()
    child.suspend()
    hangs.set()
    with pytest.raises(PauseAsked):
        list(events)
    assert not child.is_running()

    events = finetune(EXAMPLES, base=as_base(tiny), config=HOT, seed=1, out_dir=tmp_path)
    next(events)
    child = training_process()
    child.suspend()
    began = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 5
    assert not child.is_running()
    count("hung trainings", 2)


def test_a_run_whose_training_hangs_can_be_stopped_and_resumed(tmp_path: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data", epochs=200.0).folder
    with running(folder) as run:
        trains(folder).suspend()
        stopped = crescent("stop", "-w", str(folder))
        assert not faults_of(stopped, [ExitCode.OK])
        assert run.wait(10) == ExitCode.INTERRUPTED
    set_epochs(folder, 1.0)
    ended = crescent("run", "-w", str(folder), seconds=120)
    assert not faults_of(ended, [ExitCode.OK])
    assert not broken_invariants(folder)
    count("hung trainings")


# Children that are killed


def test_a_training_killed_for_memory_is_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data", epochs=200.0).folder
    with running(folder, stderr=subprocess.PIPE) as run:
        trains(folder).kill()
        _, said = run.communicate(timeout=30)
    last = said.decode().splitlines()[-1]

    assert run.returncode == ExitCode.MEMORY
    assert last.startswith("crescent: the training program was killed, probably because memory ran out: ")
    assert "lower train.micro_batch_size or train.max_example_tokens" in last
    assert not broken_invariants(folder)
    set_epochs(folder, 1.0)
    assert not faults_of(crescent("run", "-w", str(folder), seconds=120), [ExitCode.OK])
    assert not broken_invariants(folder)
    count("children killed")


@pytest.mark.parametrize("share", shares(few=2, all_of_them=30, each=5), ids=str)
def test_whichever_child_is_killed_or_stopped_a_run_ends_or_says_why(share: range, tmp_path: Path) -> None:
    for trial in share:
        chance = source("children", trial)
        folder = make_scripted_workspace(tmp_path / f"{trial}").folder
        workers = chance.choice((1, 2))
        arguments = ["run", "-w", str(folder), "--set", f"sampling.workers={workers}"]
        sent = Counter[str]()
        with running(folder, *arguments[3:], stderr=subprocess.PIPE) as run:
            until = time.monotonic() + chance.uniform(0.5, 12)
            while run.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            for child in children_of(run.pid):
                signalled = chance.choice((signal.SIGKILL, signal.SIGTERM))
                sent[signalled.name] += 1
                child.send_signal(signalled)
            _, said = run.communicate(timeout=150)
        assert b"Traceback" not in said, said.decode()
        assert run.returncode in list(ExitCode) and run.returncode != ExitCode.BUG, said.decode()
        assert not broken_invariants(folder)
        if run.returncode:
            assert not faults_of(crescent(*arguments, seconds=150), [ExitCode.OK])
            assert not broken_invariants(folder)
        count("children killed", sum(sent.values()))


class QuickHands(LocalHands):
    """Workers that count as hanging after some seconds."""

    def start(self, number: int, opened: dict[str, Any]) -> Worker:
        return LocalWorker(number, self.share(number), opened, silent_seconds=8.0)


def test_a_worker_that_hangs_is_replaced_and_every_sample_comes_once(tiny: Path) -> None:
    config = SamplingConfig(workers=2, slots=4, threads=1)
    asked = [Request(f"q{n}", f"What is {n} + 2?", Generation(max_tokens=24), (0, 1, 2), seed=5) for n in range(30)]
    sampler, seen = PooledSampler(tiny, QuickHands(config), config), Counter[tuple[str, int]]()
    try:
        for completion in sampler.sample(asked):
            if not seen:
                hung = workers_of(psutil.Process())[0]
                hung.suspend()
            seen[completion.key, completion.sample_index] += 1
        assert hung not in workers_of(psutil.Process())
    finally:
        sampler.close()
    assert seen == {(request.key, index): 1 for request in asked for index in request.sample_indexes}
    count("hung workers")


# Parents that die


def test_no_child_outlives_an_engine_that_was_killed(tmp_path: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data", epochs=200.0).folder
    with running(folder) as run:
        trains(folder)
        run.kill()
    assert not orphans_of(folder, seconds=5)
    set_epochs(folder, 1.0)
    assert not faults_of(crescent("run", "-w", str(folder), seconds=120), [ExitCode.OK])
    assert not broken_invariants(folder)
    count("parents killed")


def test_no_worker_outlives_an_engine_that_was_killed(tmp_path: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data", questions=400).folder
    with running(folder, "--set", "sampling.workers=2") as run:
        found = wait_for(lambda: workers_of(psutil.Process(run.pid)))
        run.kill()
    psutil.wait_procs(found, timeout=5)
    assert not [worker for worker in found if worker.is_running()]
    count("parents killed")


def test_datasette_does_not_outlive_the_command_that_serves(tmp_path: Path) -> None:
    folder = load_sample_run(tmp_path / "data").folder
    for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        served = subprocess.Popen(
            crescent_command("serve", "-w", str(folder), "--port", "8917"),
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        wait_for(lambda: processes_of(folder)[1:])
        served.send_signal(sent)
        assert served.wait(20) in (ExitCode.OK, -signal.SIGKILL)
        assert not orphans_of(folder, seconds=5)
        count("parents killed")


# Signals


@pytest.mark.parametrize("share", shares(few=2, all_of_them=40, each=5), ids=str)
def test_a_signal_at_any_moment_stops_a_run_cleanly(share: range, tmp_path: Path) -> None:
    for trial in share:
        chance = source("signals", trial)
        folder = make_scripted_workspace(tmp_path / f"{trial}").folder
        sent = chance.choice(
            (
                [signal.SIGINT],
                [signal.SIGTERM],
                [signal.SIGHUP],
                [signal.SIGINT] * 2,
                [signal.SIGINT, signal.SIGTERM] * 2,
            )
        )
        with running(folder, stderr=subprocess.PIPE) as run:
            wait_for((folder / "logs" / "run-1.jsonl").exists)  # before, a signal ends it as it ends any program
            until = time.monotonic() + chance.uniform(0, 12)
            while run.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            for number in sent:
                run.send_signal(number)
                time.sleep(chance.choice((0.0, 0.1, 1.0)))
            _, said = run.communicate(timeout=60)
        assert b"Traceback" not in said, said.decode()
        after_the_run = [-number for number in sent if b"done: " in said]  # while its report is printed
        allowed = (ExitCode.OK, ExitCode.INTERRUPTED, *after_the_run)
        assert run.returncode in allowed, (sent, run.returncode, said.decode())
        assert not broken_invariants(folder)
        assert not faults_of(crescent("run", "-w", str(folder), seconds=150), [ExitCode.OK, ExitCode.WORKSPACE])
        assert not broken_invariants(folder)
        count("signals", len(sent))


# What the tests share


@contextmanager
def running(folder: Path, *arguments: str, stderr: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """`crescent run` in a folder, which is killed at the end if it is still there."""
    command = crescent_command("run", "-w", str(folder), *arguments)
    run = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment()
    )
    try:
        yield run
    finally:
        if run.poll() is None:
            run.kill()
        run.wait()
        if run.stderr:
            run.stderr.close()


def wait_for(found: Any, seconds: float = 60.0) -> Any:
    """What a function finds, as soon as it finds something."""
    until = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < until, f"nothing after {seconds:g} s"
        time.sleep(0.05)
    return what


def trains(folder: Path) -> psutil.Process:
    """The training program of a run in a folder, once it has done a step."""

    def found() -> list[psutil.Process]:
        log = folder / "logs" / "run-1.jsonl"
        if not log.exists() or '"TrainingStepped"' not in log.read_text(encoding="utf-8"):
            return []
        return [each for each in processes_of(folder) if "crescent_lite.training.program" in " ".join(each.cmdline())]

    return wait_for(found)[0]


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The local workers that a process has started."""
    found = []
    for child in parent.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if child.status() != psutil.STATUS_ZOMBIE and "sampling.workers.program" in " ".join(child.cmdline()):
                found.append(child)
    return found


def children_of(pid: int) -> list[psutil.Process]:
    """Every process that a process has started; none if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def set_epochs(folder: Path, epochs: float) -> None:
    """Change the passes of the trainings to come."""
    path = folder / "crescent.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("epochs = 200.0", f"epochs = {epochs}"), encoding="utf-8"
    )
