"""Workers that are processes on this machine: several GPUs with one each, or one whose Python is the limit.

Each has its own GPU through CUDA_VISIBLE_DEVICES, or its share of the processors. The pipe from a worker holds
little, so a worker stands still when nobody takes its completions, as when a run is paused. Example:
    hands = LocalHands(4, config); worker = hands.start(0, opened)
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from crescent_lite.config import SamplingConfig
from crescent_lite.printable import printable
from crescent_lite.sampling.build_info import end_in_words
from crescent_lite.sampling.decoding import child_environment
from crescent_lite.sampling.machine_limits import allowed_threads, memory_now
from crescent_lite.sampling.memory_plan import MEMORY_FRACTION
from crescent_lite.sampling.nvidia import VISIBLE_DEVICES, NvidiaError, NvidiaGpu, list_gpus
from crescent_lite.sampling.workers.messages import Message
from crescent_lite.sampling.workers.worker import Hands, Worker, WorkerEnded

PIPE_BYTES = 16_384
"""What the pipe from a worker holds: some ten completions (guess)."""
READ_BYTES = 65_536
SILENT_SECONDS = 120.0
"""Time without a message or a sign of life after which a worker counts as hanging and is replaced (guess)."""
STEP_SECONDS = 1.0
"""Most of the time between two looks at a worker that counts as its silence; a longer one was a pause, or a Ctrl-Z
that stopped the worker too."""
END_SECONDS = 5.0
"""Time that a worker gets to end before it is killed; it ends at once unless the machine is overloaded."""


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of the machine that one worker may use."""

    config: SamplingConfig
    """The settings with its threads and its memory."""
    device: str | None
    """CUDA_VISIBLE_DEVICES for it; None leaves the variable as it is."""
    words: str
    """The device in words; '' without a GPU."""


def share_of(config: SamplingConfig, number: int, count: int, gpus: Sequence[NvidiaGpu]) -> Share:
    """What worker `number` of `count` may use. Several workers of one GPU, or of a computer, share its memory."""
    threads = config.threads or max(1, allowed_threads() // count)
    config = dataclasses.replace(config, threads=threads, workers=1)
    if not gpus:
        memory = config.memory_gb / count or memory_now().free_bytes * MEMORY_FRACTION / count / 1e9
        return Share(dataclasses.replace(config, memory_gb=memory), None, "")
    place = number % len(gpus)
    gpu, sharing = gpus[place], len(range(place, count, len(gpus)))
    memory = config.memory_gb / sharing
    if sharing > 1 and not memory and gpu.memory_bytes:
        memory = (gpu.memory_bytes - (gpu.used_bytes or 0)) * MEMORY_FRACTION / sharing / 1e9
    return Share(dataclasses.replace(config, memory_gb=memory), gpu.uuid or str(place), f"GPU {place}")


class LocalWorker(Worker):
    """One process."""

    def __init__(
        self, number: int, share: Share, opened: dict[str, Any], silent_seconds: float = SILENT_SECONDS
    ) -> None:
        self._silent, self._silent_seconds, self._looked = 0.0, silent_seconds, time.monotonic()
        self.name = f"worker {number + 1}" + (f" ({share.words})" if share.words else "")
        environment = child_environment() | ({VISIBLE_DEVICES: share.device} if share.device is not None else {})
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        self._process = subprocess.Popen(
            # -P keeps the working folder off sys.path, so that no module in it is imported.
            [sys.executable, "-P", "-m", "crescent_lite.sampling.workers.program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._out.fileno(), False)
        self._rest = b""
        """The beginning of a line that has not arrived whole."""
        self.send({"open": {**opened, "sampling": dataclasses.asdict(share.config)}})

    def fileno(self) -> int:
        """What `select` waits for."""
        return self._out.fileno()

    def send(self, message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):  # `take` tells of its end
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()

    def take(self) -> list[Message]:
        read = b""
        while (part := self._read()) is not None:
            if not part:
                if b"\n" in read:
                    break  # its last words first
                raise self._end()
            read += part
        self._require_life(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        return [json.loads(line) for line in lines]

    def _require_life(self, read: bytes) -> None:
        """Note what was read, and kill a worker that has been silent for too long: it holds nothing worth keeping."""
        before, self._looked = self._looked, time.monotonic()
        self._silent = 0.0 if read else self._silent + min(self._looked - before, STEP_SECONDS)
        if self._silent > self._silent_seconds:
            self._process.kill()
            raise WorkerEnded(f"{self.name} gave no sign of life for {self._silent_seconds:g} s and was killed")

    def _read(self) -> bytes | None:
        """What has arrived; None for nothing yet, and b'' for the end."""
        try:
            return os.read(self._out.fileno(), READ_BYTES)
        except BlockingIOError:
            return None

    def _end(self) -> WorkerEnded:
        """How it ended: in the words of its last line on stderr, or of the assertion that failed."""
        code = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        named = [line for line in lines if "GGML_ASSERT" in line] or lines[-1:]
        words = printable(": ".join([f"{self.name} {end_in_words(code)}", *named[:1]]))
        return WorkerEnded(words, was_killed=code == -signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._in.close()  # it ends when its stdin does
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()
        self._log.close()


class LocalHands(Hands):
    """Processes on this machine."""

    def __init__(self, config: SamplingConfig) -> None:
        """As many as `sampling.workers` says; 0 is one for each GPU, or one."""
        self._config = config
        try:
            self._gpus = list_gpus() if config.gpu_layers else ()
        except NvidiaError:
            self._gpus = ()
        self.count = config.workers or len(self._gpus) or 1

    def start(self, number: int, opened: dict[str, Any]) -> Worker:
        return LocalWorker(number, self.share(number), opened)

    def share(self, number: int) -> Share:
        """The part of the machine that worker `number` may use."""
        return share_of(self._config, number, self.count, self._gpus)

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        select.select([worker for worker in workers if isinstance(worker, LocalWorker)], [], [], seconds)
