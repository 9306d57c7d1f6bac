"""Workers that are Ray actors, on the machines of a cluster: each with a GPU where the cluster has some.

The only module that imports ray. A machine that has the model at the same path reads it there; to the others it is
sent once. Adapters are sent as bytes. Completions come back through a streaming generator that runs only a little
ahead, so that an actor stands still when nobody takes them. Example:
    hands = RayHands(SamplingConfig(ray="auto", workers=8), Path("model.gguf"))
Source: https://docs.ray.io, "Ray Generators"
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import queue
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported
import ray
from ray.exceptions import GetTimeoutError, RayError

from crescent_lite.config import SamplingConfig
from crescent_lite.config.names import VERSION
from crescent_lite.errors import ConfigError, ModelError, NetworkError
from crescent_lite.printable import printable
from crescent_lite.sampling.machine_limits import memory_now
from crescent_lite.sampling.memory_plan import MEMORY_FRACTION
from crescent_lite.sampling.workers.loop import WorkerLoop
from crescent_lite.sampling.workers.messages import Message
from crescent_lite.sampling.workers.worker import Hands, Worker, WorkerEnded

AHEAD = 16
"""Messages that an actor sends before the pool has taken them (guess)."""
START_SECONDS = 300.0
"""Time that the cluster gets to start an actor (guess)."""
CLEAN_SECONDS = 3.0
SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.I)
"""The end of the name of a model in several files."""
HOST_AND_PORT = re.compile(r"(ray://)?\[?(?P<host>[^\s/]+?)\]?:(?P<port>\d+)")
CONNECT_SECONDS = 10.0
LOCAL = "local"
"""The address that starts a Ray of one's own on this machine."""


class RayProgram:
    """The actor: a worker's loop in a thread, and what it sends as a stream."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="crescent-"))
        """Files that were sent."""
        self._out: queue.Queue[Message | BaseException] = queue.Queue(maxsize=1)
        self._loop = WorkerLoop(self._out.put)
        self._early: dict[int, tuple[Message, object]] = {}
        """Messages that arrived before those they follow, by number: Ray does not keep their order."""
        self._next = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._work, daemon=True).start()

    def greet(self, model: str, size: int) -> dict[str, Any]:
        """What the pool has to know before it opens a model: whether the model is here, and the version."""
        path = Path(model)
        return {"has_model": path.is_file() and path.stat().st_size == size, "version": VERSION}

    def put(self, number: int, message: Message, data: bytes | None) -> None:
        """Take a message in, with the content of the file that it names if that is sent along."""
        with self._lock:
            self._early[number] = (message, data)
            while self._next in self._early:
                message, data = self._early.pop(self._next)  # type: ignore[assignment]
                self._next += 1
                self._loop.put(self._received(message, data))

    def _received(self, message: Message, data: bytes | None) -> Message:
        if "open" in message:
            opened = {**message["open"], "sampling": dict(message["open"]["sampling"])}
            share = opened.pop("memory_share")
            if share and not opened["sampling"]["memory_gb"]:
                opened["sampling"]["memory_gb"] = memory_now().free_bytes * MEMORY_FRACTION * share / 1e9
            if data is not None:
                opened["model"] = self._saved(data, "model")
            return {"open": opened}
        return {**message, "adapter": self._saved(data, "adapter")} if data is not None else message

    def _saved(self, data: bytes, name: str) -> str:
        path = self._folder / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}.gguf"
        if not path.exists():
            path.write_bytes(data)
        return str(path)

    def messages(self) -> Iterator[Message]:
        """What the worker sends, as it comes."""
        while True:
            message = self._out.get()
            if isinstance(message, BaseException):
                raise message
            yield message

    def clean(self) -> None:
        """Delete the files that were sent."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:  # noqa: BLE001  it ends this actor, and the pool is told
            self._out.put(error)


class RayWorker(Worker):
    """The pool's side of one actor."""

    def __init__(self, number: int, actor: Any, opened: Message, model: object) -> None:
        """`model`: a reference to the model's content, or None where the machine has the file."""
        self.name = f"worker {number + 1} (Ray)"
        self._actor = actor
        self._sent = 0
        streaming = actor.messages.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
        self.stream = streaming.remote()
        """What arrives; ray.wait accepts it."""
        self._send({"open": opened}, model)

    def send(self, message: Message) -> None:
        adapter = message.get("adapter")
        data = Path(adapter).read_bytes() if adapter and Path(adapter).is_file() else None
        self._send(message, data)

    def _send(self, message: Message, data: object) -> None:
        self._actor.put.remote(self._sent, message, data)
        self._sent += 1

    def take(self) -> list[Message]:
        messages: list[Message] = []
        try:
            while ray.wait([self.stream], timeout=0)[0]:
                messages.append(ray.get(next(self.stream)))
        except (RayError, StopIteration) as error:
            if not messages:
                raise WorkerEnded(f"{self.name} ended: {_reason(error)}") from None
        return messages

    def close(self) -> None:
        try:
            ray.wait([self._actor.clean.remote()], timeout=CLEAN_SECONDS)
            ray.kill(self._actor)
        except RayError:
            pass


class RayHands(Hands):
    """The actors of a cluster."""

    def __init__(self, config: SamplingConfig, model: Path) -> None:
        """Join the cluster and ask for the actors: one for each GPU, or for each machine, if workers = 0.

        Raises NetworkError or ConfigError.
        """
        self._model, self._model_ref = model, None
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _join(config.ray)
        resources, machines = ray.cluster_resources(), max(1, len(ray.nodes()))
        gpus, cpus = int(resources.get("GPU", 0)) if config.gpu_layers else 0, int(resources.get("CPU", 1))
        self.count = config.workers or gpus or machines
        if gpus and self.count > gpus:
            self.close()
            raise ConfigError(f"sampling.workers = {self.count}: the Ray cluster has {gpus} GPUs; lower it")
        if self.count > cpus:
            self.close()
            raise ConfigError(f"sampling.workers = {self.count}: the Ray cluster has {cpus} processors; lower it")
        threads = config.threads or max(1, cpus // self.count)
        self._config = dataclasses.replace(config, threads=threads, workers=1, ray="")
        self._memory_share = 0.0 if gpus else min(1.0, machines / self.count)
        """Part of a machine's free memory for one worker; 0 where each has a GPU of its own."""
        kind = ray.remote(RayProgram)
        needs = {"num_cpus": 1, "num_gpus": 1} if gpus else {"num_cpus": max(1, min(threads, cpus // self.count))}
        self._kind = kind.options(max_concurrency=4, **needs)
        self._first = [self._kind.remote() for _ in range(self.count)]
        """Actors that have been asked for and not started yet."""

    def start(self, number: int, opened: dict[str, Any]) -> Worker:
        actor = self._first.pop() if self._first else self._kind.remote()
        size = self._model.stat().st_size if self._model.is_file() else 0
        try:
            greeting = ray.get(actor.greet.remote(opened["model"], size), timeout=START_SECONDS)
        except GetTimeoutError:
            ray.kill(actor)
            raise NetworkError(
                f"the Ray cluster did not start worker {number + 1} within {START_SECONDS:g} s; see `ray status`, or "
                "lower sampling.workers"
            ) from None
        except RayError as error:
            raise NetworkError(
                f"worker {number + 1} does not start on the Ray cluster: {_reason(error)}; install "
                f"crescent-lite[ray] {VERSION} on each machine"
            ) from None
        if greeting["version"] != VERSION:
            raise ConfigError(
                f"a machine of the Ray cluster has crescent-lite {greeting['version']}; install {VERSION} there"
            )
        content = None if greeting["has_model"] else self._content()
        sampling = dataclasses.asdict(self._config)
        return RayWorker(number, actor, {**opened, "sampling": sampling, "memory_share": self._memory_share}, content)

    def _content(self) -> object:
        """The model's content in the cluster's object store; it is put there once."""
        if SPLIT.search(self._model.name):
            raise ModelError(f"{self._model}: is one of several files; copy them to the same path on each machine")
        if self._model_ref is None and self._model.is_file():
            self._model_ref = ray.put(self._model.read_bytes())
        return self._model_ref

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        streams = [worker.stream for worker in workers if isinstance(worker, RayWorker)]
        ray.wait(streams, num_returns=1, timeout=seconds)

    def close(self) -> None:
        if self._is_ours and ray.is_initialized():
            ray.shutdown()


def _join(address: str) -> None:
    """Join a cluster, or start one. Raises NetworkError."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        if place := HOST_AND_PORT.fullmatch(address):  # Ray itself would try for minutes
            socket.create_connection((place["host"], int(place["port"])), CONNECT_SECONDS).close()
        ray.init(
            address=None if address == LOCAL else address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (OSError, OverflowError, RuntimeError, ValueError, RayError) as error:
        raise NetworkError(
            f"sampling.ray = {address!r}: no Ray cluster answers ({_reason(error)}); run `ray start --head`, "
            "or write 'local'"
        ) from None
    finally:
        if in_main_thread and before is not None:  # Ray takes SIGTERM, by which a run is stopped
            signal.signal(signal.SIGTERM, before)


def _reason(error: BaseException) -> str:
    """The first sentence of an error's last line, which names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[-1]).partition(". ")[0][:200] if lines else type(error).__name__
