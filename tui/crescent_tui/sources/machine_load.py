"""Measures, in a separate thread, how busy the machine is: processor, memory, and NVIDIA GPUs if it has any.

Knows no widget. A machine without a GPU is asked for one only once. Example:
    LoadMonitor(lambda load: screen.post_message(LoadMeasured(load))).watch()   # MachineLoad(cpu=0.62, ...)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from crescent_lite.workspace.machine import NvidiaGpu, NvidiaSmiError, list_gpus

SECONDS = 2.0
"""Time between two measurements."""
FIRST_SECONDS = 0.5
"""Time before the first measurement."""


@dataclass(frozen=True)
class GpuLoad:
    """The load of all GPUs together."""

    busy: float | None
    """Utilisation, 0-1, averaged over the GPUs; None if the driver does not report it."""
    used: int
    """Memory in use, in bytes."""
    total: int
    """Memory, in bytes."""


@dataclass(frozen=True)
class MachineLoad:
    """The load of the machine at one moment."""

    cpu: float
    """Utilisation of all processors together, 0-1."""
    memory_used: int
    """Bytes that are not available to a new process."""
    memory_total: int
    """Bytes."""
    gpu: GpuLoad | None = None
    """None without an NVIDIA GPU, or if nvidia-smi does not answer."""


class LoadMonitor:
    """Measures every two seconds while it is active, until `end`."""

    def __init__(self, on_load: Callable[[MachineLoad], object]) -> None:
        self._on_load = on_load
        self._active = threading.Event()
        self._end = threading.Event()
        self._has_gpu = True
        """Assumed until nvidia-smi fails."""

    def set_active(self, active: bool) -> None:
        """From any thread: measure only while the load is shown."""
        if active:
            self._active.set()
        else:
            self._active.clear()

    def end(self) -> None:
        """From any thread: make `watch` return soon."""
        self._end.set()
        self._active.set()

    def watch(self) -> None:
        """In a separate thread: measure, report and wait, until `end`."""
        psutil.cpu_percent()  # the load since the last call; the first call returns a meaningless 0
        seconds = FIRST_SECONDS
        while not self._end.wait(seconds):
            self._active.wait()
            if not self._end.is_set():
                self._on_load(self._measure())
            seconds = SECONDS

    def _measure(self) -> MachineLoad:
        memory = psutil.virtual_memory()
        gpu = self._ask_gpu() if self._has_gpu else None
        return MachineLoad(psutil.cpu_percent() / 100, memory.total - memory.available, memory.total, gpu)

    def _ask_gpu(self) -> GpuLoad | None:
        try:
            found = gpu_load(list_gpus())
        except NvidiaSmiError:
            found = None
        self._has_gpu = found is not None
        return found


def gpu_load(gpus: Sequence[NvidiaGpu]) -> GpuLoad | None:
    """The load of all GPUs together; None if none of them reports its memory."""
    memory = [(gpu.used_bytes, gpu.memory_bytes) for gpu in gpus]
    known = [(used, total) for used, total in memory if used is not None and total is not None]
    busy = [gpu.busy for gpu in gpus if gpu.busy is not None]
    if not known:
        return None
    mean = sum(busy) / len(busy) if busy else None
    return GpuLoad(mean, sum(used for used, _ in known), sum(total for _, total in known))
