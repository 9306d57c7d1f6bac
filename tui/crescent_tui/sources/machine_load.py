"""Measures, in a separate thread, how busy the machine is: processor, memory, and NVIDIA GPUs if it has any.

Knows no widget. A machine without a GPU is asked for one only once. Example:
    LoadMonitor(lambda load: screen.post_message(LoadMeasured(load))).watch()   # MachineLoad(cpu=0.62, ...)
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from crescent_lite.workspace.machine import ask_nvidia_smi

SECONDS = 2.0
"""Between two measurements."""
FIRST_SECONDS = 0.5
"""Before the first measurement."""
GPU_LOAD_FIELDS = "utilization.gpu,memory.used,memory.total"
MIB = 2**20


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
            listed = ask_nvidia_smi(GPU_LOAD_FIELDS)
        except (OSError, subprocess.TimeoutExpired):
            listed = None
        found = gpu_load(listed[0]) if listed and listed[1] == 0 else None
        self._has_gpu = found is not None
        return found


def gpu_load(listing: str) -> GpuLoad | None:
    """The load in the output of nvidia-smi, one GPU per line; None if it lists no memory.

    Example: gpu_load("45 %, 1024 MiB, 23034 MiB").busy -> 0.45
    """
    cards = [line.split(",") for line in listing.splitlines() if line.count(",") == 2]
    numbers = [[_number(part) for part in card] for card in cards]
    used = [(int(card[1]), int(card[2])) for card in numbers if card[1] is not None and card[2] is not None]
    busy = [card[0] for card in numbers if card[0] is not None]
    if not used:
        return None
    mean = sum(busy) / len(busy) / 100 if busy else None
    return GpuLoad(mean, sum(u for u, _ in used) * MIB, sum(t for _, t in used) * MIB)


def _number(text: str) -> float | None:
    """The number in '45 %' or '1024 MiB'; None for '[N/A]'."""
    first = text.split()[:1]
    return float(first[0]) if first and first[0].isdecimal() else None
