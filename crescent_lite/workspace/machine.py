"""The machine that a run is made on: processor, memory, GPUs and package versions. Loads no model and never torch.

Knows nothing of runs. Example: describe_machine().processor -> "AMD EPYC 7B13"
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
from pathlib import Path

import psutil

from crescent_lite.events import MachineNoted
from crescent_lite.sampling.build_info import end_in_words
from crescent_lite.sampling.machine_limits import (
    Memory,
    allowed_processors,
    allowed_threads,
    cpu_quota,
    memory_now,
)
from crescent_lite.sampling.nvidia import NvidiaError, NvidiaGpu, list_gpus

__all__ = [
    "Memory",
    "NvidiaError",
    "NvidiaGpu",
    "OtherPrograms",
    "allowed_processors",
    "allowed_threads",
    "cpu_quota",
    "describe_machine",
    "end_in_words",
    "installed_version",
    "list_gpus",
    "memory_now",
    "physical_cores",
    "processor_name",
    "products_per_second",
]

MATRIX_SIZE, PRODUCTS_SECONDS = 768, 0.2
"""Rows of the matrices, and how long they are multiplied, to tell how fast this processor is: large enough for all
its threads, small enough for its caches (guess)."""

GIB = 2**30
PACKAGES = (
    "crescent-lite", "llama-cpp-python", "numpy", "scipy", "torch", "transformers", "peft", "unsloth", "bitsandbytes",
    "sqlite-utils", "rapidfuzz",
)  # fmt: skip
"""Packages whose version may change the numbers of a run."""


def describe_machine() -> MachineNoted:
    """This machine, for the record of a run. Never raises: a value that cannot be determined is left empty."""
    return MachineNoted(
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor_name(),
        cores=physical_cores(),
        memory_gib=round(psutil.virtual_memory().total / GIB, 1),
        gpus=_gpus(),
        packages={name: version for name in PACKAGES if (version := installed_version(name))},
    )


class OtherPrograms:
    """Measures how much of the processor other programs use inside a `with` block."""

    share: float = 0.0
    """Part of all processors' time, 0-1; known after the block."""

    def __enter__(self) -> OtherPrograms:
        self._before = self._now()
        return self

    def __exit__(self, *_error: object) -> None:
        busy, total, own = (now - before for now, before in zip(self._now(), self._before, strict=True))
        self.share = min(1.0, max(0.0, (busy - own) / total)) if total > 0 else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of all processors: busy, in all, and used by this process."""
        times, own = psutil.cpu_times(), psutil.Process().cpu_times()
        waiting = times.idle + getattr(times, "iowait", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice too
        total = sum(times) - guests
        return total - waiting, total, own.user + own.system


def products_per_second() -> float:
    """How many 32-bit numbers per second this processor multiplies and adds in products of matrices; takes 0.2 s."""
    import numpy as np  # nothing else here needs it

    matrix = np.ones((MATRIX_SIZE, MATRIX_SIZE), np.float32)
    matrix @ matrix  # starts the threads
    began, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < PRODUCTS_SECONDS:
        matrix @ matrix
        done += 1
    return done * MATRIX_SIZE**3 / spent


def processor_name() -> str:
    """The processor's own name, such as 'AMD EPYC 7B13'; its architecture where it has none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def physical_cores() -> int:
    """Physical cores of the whole machine; a container may be limited to fewer."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def installed_version(package: str) -> str | None:
    """The version in the package's metadata; None where the package is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpus() -> tuple[str, ...]:
    try:
        return tuple(gpu.description for gpu in list_gpus())
    except NvidiaError:
        return ()
