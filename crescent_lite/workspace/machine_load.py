"""Measures how busy the part of the machine is that this process may use.

Its affinity and cgroup limit the processors and the memory, CUDA_VISIBLE_DEVICES the GPUs. A machine without a GPU is
asked for one only once. Example:
    meter = LoadMeter(); time.sleep(2); meter.measure()   # MachineLoad(cpu=0.62, ...): since the call before
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from crescent_lite.sampling.machine_limits import allowed_processors, cpu_quota, memory_now
from crescent_lite.sampling.nvidia import NvidiaError, NvidiaGpu, list_gpus


@dataclass(frozen=True)
class GpuLoad:
    """The load of all GPUs that CUDA may use, together."""

    busy: float | None
    """Utilisation, 0-1, averaged over the GPUs; None if the driver does not report it."""
    used: int
    """Memory in use, in bytes."""
    total: int
    """Memory, in bytes."""
    count: int = 1
    """Number of GPUs."""


@dataclass(frozen=True)
class MachineLoad:
    """The load of what may be used of the machine, at one moment."""

    cpu: float
    """Utilisation of the allowed processors together, 0-1; with a CPU quota, the used part of it."""
    memory_used: int
    """Bytes that are not available to a new process."""
    memory_total: int
    """Bytes of the machine, or the limit of the cgroup."""
    gpu: GpuLoad | None = None
    """None without an NVIDIA GPU that CUDA may use, or if its driver does not answer."""


class LoadMeter:
    """Measures the load of everything that this process may use."""

    def __init__(self) -> None:
        self._cpu = CpuLoad()
        self._has_gpu = True
        """Assumed until none is found."""

    def measure(self) -> MachineLoad:
        """The load now; of the processors, since the last call."""
        memory = memory_now()
        gpu = self._ask_gpu() if self._has_gpu else None
        used = memory.total_bytes - memory.free_bytes
        return MachineLoad(self._cpu.since_last_call(), used, memory.total_bytes, gpu)

    def _ask_gpu(self) -> GpuLoad | None:
        try:
            found = gpu_load(list_gpus())
        except NvidiaError:
            found = None
        self._has_gpu = found is not None
        return found


class CpuLoad:
    """The utilisation of the processors that this process may use."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Begin to measure. `root`: the folder that holds /proc and /sys."""
        quota = cpu_quota(root)
        self._quota = quota if quota and quota.processors < len(allowed_processors()) else None
        psutil.cpu_percent(percpu=True)  # the load since the last call; the first call returns a meaningless 0
        self._used, self._at = self._used_seconds(), time.monotonic()

    def since_last_call(self) -> float:
        """Utilisation since the last call, 0-1: of the CPU quota if there is one, else of the allowed processors."""
        percents: list[float] = psutil.cpu_percent(percpu=True)
        before, self._used = self._used, self._used_seconds()
        began, self._at = self._at, time.monotonic()
        if self._quota and before is not None and self._used is not None and self._at > began:
            return min(1.0, (self._used - before) / (self._at - began) / self._quota.processors)
        allowed = [percents[number] for number in allowed_processors() if number < len(percents)] or percents
        return sum(allowed) / len(allowed) / 100

    def _used_seconds(self) -> float | None:
        return self._quota.used_seconds() if self._quota else None


def gpu_load(gpus: Sequence[NvidiaGpu]) -> GpuLoad | None:
    """The load of all GPUs together; None if none of them reports its memory."""
    memory = [(gpu.used_bytes, gpu.memory_bytes) for gpu in gpus]
    known = [(used, total) for used, total in memory if used is not None and total is not None]
    busy = [gpu.busy for gpu in gpus if gpu.busy is not None]
    if not known:
        return None
    mean = sum(busy) / len(busy) if busy else None
    return GpuLoad(mean, sum(used for used, _ in known), sum(total for _, total in known), len(gpus))
