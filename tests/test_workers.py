"""Several workers as one sampler: the same replies as in one process, and nothing lost when a worker is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf

from crescent_lite import errors
from crescent_lite.config import SamplingConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, CrescentError, MissingPackageError, ModelError, OutOfMemoryError
from crescent_lite.events import RunFinished
from crescent_lite.models import embedded_path
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.nvidia import NvidiaGpu
from crescent_lite.sampling.worker_pool import MOST_DEATHS, PooledSampler, hands_of
from crescent_lite.sampling.workers.local import share_of
from crescent_lite.sampling.workers.messages import (
    Message,
    completion_fields,
    completion_of,
    error_fields,
    error_of,
    request_fields,
    request_of,
)
from crescent_lite.sampling.workers.worker import Hands, Worker, WorkerEnded

TWO = SamplingConfig(workers=2, slots=4, threads=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@contextlib.contextmanager
def opened(model: Path, config: SamplingConfig = TWO) -> Iterator[PooledSampler]:
    sampler = PooledSampler(model, hands_of(config, model), config)
    try:
        yield sampler
    finally:
        sampler.close()


@pytest.fixture(scope="module")
def pool(tiny: Path) -> Iterator[PooledSampler]:
    with opened(tiny) as sampler:
        yield sampler


def requests(count: int, samples: int = 3, **generation: Any) -> list[Request]:
    drawn = Generation(**{"max_tokens": 12, **generation})
    return [Request(f"q{n}", f"What is {n} + {n * n}?", drawn, tuple(range(samples)), seed=5) for n in range(count)]


def programs(parent: psutil.Process | None = None) -> list[psutil.Process]:
    """The workers that a process has started; this one by default."""
    return [
        child
        for child in (parent or psutil.Process()).children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "sampling.workers.program" in " ".join(child.cmdline())
    ]


def new_programs(before: list[psutil.Process]) -> list[psutil.Process]:
    """The workers that this process has started since."""
    return [program for program in programs() if program not in before]


def each_once(completions: list[Completion], asked: list[Request]) -> bool:
    return Counter((c.key, c.sample_index) for c in completions) == Counter(
        (request.key, index) for request in asked for index in request.sample_indexes
    )


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_sent_arrives_as_it_was() -> None:
    request = Request("q", "Δ?", Generation(5, stop=("\n", "Q:"), logprobs=True), (1, 4), "It is", ("a", "b"), 7)
    completion = Completion("q", 1, 9, "<think>\x1b\ufffd", "length", 5, 12, -0.5, (1, 2))

    assert request_of(json.loads(json.dumps(request_fields(request)))) == request
    assert completion_of(json.loads(json.dumps(completion_fields(completion)))) == completion
    for name in ("ModelError", "OutOfMemoryError"):
        error = error_of(json.loads(json.dumps(error_fields(getattr(errors, name)("why")))))
        assert (type(error).__name__, str(error)) == (name, "why")
    assert type(error_of({"class": "ExitCode", "message": "x"})) is CrescentError


def test_workers_share_processors_and_memory_or_have_a_gpu_each() -> None:
    one = share_of(SamplingConfig(workers=4, threads=2, memory_gb=8), 1, 4, [])
    assert (one.config.memory_gb, one.config.threads, one.device) == (2, 2, None)

    cards = [NvidiaGpu("A", "1", 10 * 10**9, 0, None, f"GPU-{n}") for n in "ab"]
    shares = [share_of(SamplingConfig(workers=3), number, 3, cards) for number in range(3)]
    assert [share.device for share in shares] == ["GPU-a", "GPU-b", "GPU-a"]
    assert [round(share.config.memory_gb, 2) for share in shares] == [3.5, 0, 3.5]


def test_servers_and_workers_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"sampling\.servers: cannot be used together with sampling\.workers"):
        SamplingConfig(servers=("gpu1",), workers=2)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_a_missing_ray_is_one_line(tiny: Path) -> None:
    with pytest.raises(MissingPackageError, match=r"sampling\.ray needs: pip install 'crescent-lite\[ray\]'"):
        hands_of(SamplingConfig(ray="auto"), tiny)


# ── two workers ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_workers_draw_and_each_sample_comes_once(pool: PooledSampler) -> None:
    asked = requests(12)

    completions = list(pool.sample(asked))

    assert each_once(completions, asked)
    assert all(c.seed == asked[int(c.key[1:])].sample_seed(c.sample_index) for c in completions)
    assert all(place.usage.tokens > 0 for place in pool._places)
    assert pool.usage.tokens == sum(c.tokens for c in completions)
    assert (pool.effective["sampling.workers"], pool.effective["sampling.slots"]) == (2, 4)


def test_waves_reach_the_workers_too(pool: PooledSampler) -> None:
    first, *others = requests(6)
    waiting, seen = deque([first]), list[Completion]()
    for completion in pool.sample(waiting):
        seen.append(completion)
        if len(seen) == 2:
            waiting.extend(others)

    assert each_once(seen, [first, *others])


def test_what_was_abandoned_does_not_come_later(pool: PooledSampler) -> None:
    stream = pool.sample(requests(12, max_tokens=64))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    asked = [Request("new", "What is 2?", Generation(max_tokens=4), (0, 1))]

    assert each_once(list(pool.sample(asked)), asked)


def test_an_adapter_is_put_on_every_worker(tiny: Path, pool: PooledSampler, tmp_path: Path) -> None:
    adapter = make_tiny_adapter(tmp_path / "adapter.gguf")
    asked = requests(8, samples=1, temperature=0, max_tokens=4)
    here = LlamaSampler(tiny, SamplingConfig(slots=4, threads=1))
    said = {}
    for path in (None, adapter, None):
        here.use_adapter(path)
        pool.use_adapter(path)
        ours, theirs = ({c.key: c.text for c in each.sample(asked)} for each in (here, pool))
        assert sum(theirs[key] == ours[key] for key in ours) >= 7  # of 8; a random model is full of near ties
        said[path] = theirs
    here.close()
    assert said[None] != said[adapter]

    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="cannot use it as an adapter"):
        pool.use_adapter(tmp_path / "broken.gguf")
    pool.use_adapter(None)
    assert each_once(list(pool.sample(asked)), asked)


def test_a_model_that_cannot_be_loaded_is_one_line_and_leaves_no_worker(tmp_path: Path) -> None:
    with pytest.raises(ModelError), opened(tmp_path / "no.gguf"):
        pass


@pytest.mark.slow
def test_a_worker_stands_still_while_nobody_takes_its_completions(tiny: Path) -> None:
    asked, others = requests(300, samples=8, max_tokens=8), programs()
    with opened(tiny) as sampler:
        stream = sampler.sample(asked)
        first = next(iter(stream))
        workers = new_programs(others)
        before = [-1.0]
        for _ in range(100):
            time.sleep(0.3)
            now = [round(sum(worker.cpu_times()[:2]), 2) for worker in workers]
            if now == before:
                break
            before = now
        else:
            pytest.fail("the workers never stood still")
        assert each_once([first, *stream], asked)


# ── workers that end ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked, others = requests(30, max_tokens=16), programs()
    with opened(tiny) as sampler:
        seen = []
        for completion in sampler.sample(asked):
            seen.append(completion)
            if len(seen) in (5, 40):
                new_programs(others)[0].kill()
        assert each_once(seen, asked)

    assert [record.getMessage() for record in caplog.records if "signal 9" in record.getMessage()]
    assert not new_programs(others)


class Dying(Worker):
    name = "worker 1"

    def send(self, message: Message) -> None:
        pass

    def take(self) -> list[Message]:
        raise WorkerEnded("worker 1 was ended by signal 9 (Killed)", was_killed=True)

    def close(self) -> None:
        pass


class DyingHands(Hands):
    count = 2
    started = 0

    def start(self, number: int, opened: dict[str, Any]) -> Worker:
        self.started += 1
        return Dying()

    def wait(self, workers: object, seconds: float) -> None:
        pass


@pytest.mark.slow
def test_workers_that_end_again_and_again_are_one_line(tiny: Path) -> None:
    hands = DyingHands()
    with pytest.raises(
        OutOfMemoryError, match=r"worker 1 was ended by signal 9 \(Killed\), 3 times in a row; .*lower"
    ):
        PooledSampler(tiny, hands, TWO)
    assert hands.started == 2 * MOST_DEATHS


@pytest.mark.slow
def test_a_killed_pool_leaves_no_worker_behind(tiny: Path) -> None:
    program = f"""
        import time
        from pathlib import Path
        from crescent_lite.config import SamplingConfig
        from crescent_lite.sampling.worker_pool import PooledSampler, hands_of
        config = SamplingConfig(workers=2, slots=4, threads=1)
        model = Path({str(tiny)!r})
        sampler = PooledSampler(model, hands_of(config, model), config)
        print("ready", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdout.readline() == b"ready\n"
        workers = programs(psutil.Process(parent.pid))
        assert len(workers) == 2
        os.kill(parent.pid, signal.SIGKILL)
        _, left = psutil.wait_procs(workers, timeout=20)
        assert not left


# ── the real model, whole runs ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_two_workers_say_what_one_says_although_one_is_killed(temperature: float) -> None:
    ask = "What is {} + {}? Reply with the number only."
    drawn = Generation(max_tokens=12, temperature=temperature)
    asked = [Request(f"q{n}", ask.format(n, 2 * n), drawn, tuple(range(4)), seed=5) for n in range(6)]
    said, others = [], programs()
    for workers, kills in ((1, 0), (2, 1)):
        config = SamplingConfig(workers=workers, slots=8, threads=1)
        with opened(embedded_path(), config) as sampler:
            replies = {}
            for completion in sampler.sample(asked):
                replies[completion.key, completion.sample_index] = completion.text
                if len(replies) == 4 and kills:
                    new_programs(others)[0].kill()
        said.append(replies)

    assert said[0].keys() == said[1].keys()
    # Other batches round otherwise, so a token may differ; over 100 replies none did.
    assert sum(said[0][key] == said[1][key] for key in said[0]) >= 0.9 * len(said[0])


@pytest.mark.slow
def test_a_run_with_two_workers_from_end_to_end(tiny: Path, tmp_path: Path) -> None:
    workspace, others = make_workspace(tmp_path, tiny, min_examples=100_000), programs()
    options = RunOptions(overrides=("sampling.workers=2", "sampling.threads=1"))

    assert isinstance(list(run_engine(workspace, options))[-1], RunFinished)
    assert not new_programs(others)
