"""What the machine has: Python, processors, memory, disk and NVIDIA GPUs, as far as this process may use them.

Example: cores_in_words(2, 8) -> "2 of 8 cores"
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from crescent_lite.cli.doctor.finding import Finding
from crescent_lite.sampling.nvidia import VISIBLE_DEVICES, NvidiaError, NvidiaGpu, installed_gpus, visible_gpus
from crescent_lite.workspace.machine import GIB, allowed_threads, memory_now, physical_cores

LITTLE_MEMORY = 2 * GIB
"""Free memory, bytes, below which there is a warning (guess). Enough for the embedded model, too little for 3B."""
LITTLE_DISK = 2 * GIB
"""Free disk space, bytes, below which there is a warning (guess): a database, adapters and a training's files."""


def machine(workspace: Path) -> list[Finding]:
    """Python, the processors and the memory that may be used, and free space on the disk of the workspace."""
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    memory, there = memory_now(), _nearest_folder(workspace)
    whose = ", the limit of this process" if memory.is_limited else ""
    return [
        Finding("Python", "ok", f"{python}, {cores_in_words(allowed_threads(), physical_cores())}"),
        amount(
            "memory",
            memory.free_bytes,
            memory.total_bytes,
            LITTLE_MEMORY,
            "use a smaller model or fewer sampling.slots",
            whose,
        ),
        amount("disk", *_free_and_total(there), LITTLE_DISK, f"make room on the disk of {there}"),
    ]


def cores_in_words(allowed: int, installed: int) -> str:
    """'8 cores', or '2 of 8 cores' where the affinity or a cgroup allows fewer."""
    number = installed if allowed >= installed else allowed
    return f"{number}{f' of {installed}' if number < installed else ''} {'core' if installed == 1 else 'cores'}"


def amount(name: str, free: int, total: int, little: int, advice: str, whose: str = "") -> Finding:
    """A finding about bytes, with a warning and the advice if less than `little` is free."""
    value = f"{free / GIB:.1f} GiB free of {total / GIB:.1f}{whose}"
    return Finding(name, "warning", value, advice) if free < little else Finding(name, "ok", value)


def find_gpu(
    ask: Callable[[], tuple[NvidiaGpu, ...]] = installed_gpus,
) -> tuple[Finding, tuple[NvidiaGpu, ...]]:
    """The NVIDIA GPUs that CUDA may use, as a finding and as they are; or what is wrong with their driver."""
    setting = os.environ.get(VISIBLE_DEVICES)
    try:
        installed = ask()
    except NvidiaError as error:
        return Finding("GPU", "warning", str(error), error.advice), ()
    return gpu_finding(installed, setting), tuple(visible_gpus(installed, setting))


def gpu_finding(installed: Sequence[NvidiaGpu], setting: str | None) -> Finding:
    """The GPUs that a value of CUDA_VISIBLE_DEVICES leaves (None: all), and which of them trains."""
    if not installed:
        return Finding("GPU", "optional", "no NVIDIA GPU", "a GPU makes larger models practical")
    visible = visible_gpus(installed, setting)
    found = "; ".join(gpu.description for gpu in visible) + ("; the first trains" if len(visible) > 1 else "")
    if setting is None:
        return Finding("GPU", "ok", found)
    limited = f"{VISIBLE_DEVICES}={setting} leaves {len(visible)} of {len(installed)}"
    if not visible:
        return Finding("GPU", "warning", limited, f"no GPU is used; unset {VISIBLE_DEVICES} to use all")
    return Finding("GPU", "ok", f"{found} ({limited})")


def _nearest_folder(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _free_and_total(folder: Path) -> tuple[int, int]:
    disk = psutil.disk_usage(str(folder))
    return disk.free, disk.total
