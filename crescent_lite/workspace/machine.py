"""The machine that a run is made on: processor, memory, GPUs and package versions. Loads no model and never torch.

Knows nothing of runs. Example: describe_machine().processor -> "AMD EPYC 7B13"
"""

from __future__ import annotations

import importlib.metadata
import platform
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
]

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
