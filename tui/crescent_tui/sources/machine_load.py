"""How busy the machine is: processor, memory, and the NVIDIA GPU where there is one. Looks in a thread of its own.

Knows no widget. A machine without a GPU is asked for one once. Example:
    MachineWatch(lambda load: screen.post_message(LoadSeen(load))).watch()   # Load(cpu=0.62, memory_used=..., ...)
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from crescent_lite.workspace.machine import ask_nvidia_smi

SECONDS = 2.0
FIRST_SECONDS = 0.5
GPU_LOAD_FIELDS = "utilization.gpu,memory.used,memory.total"
MIB = 2**20


@dataclass(frozen=True)
class GpuLoad:
    """One GPU, or several together."""

    busy: float | None
    """0-1, the mean of several; None where the driver does not say."""
    used: int
    """Bytes of its memory."""
    total: int


@dataclass(frozen=True)
class Load:
    """One moment."""

    cpu: float
    """All processors together, 0-1."""
    memory_used: int
    """Bytes that are not to be had."""
    memory_total: int
    gpu: GpuLoad | None = None
    """None: there is none, or it does not answer."""


class MachineWatch:
    """Looks every two seconds, while somebody wants to know, until it is told to end."""

    def __init__(self, tell: Callable[[Load], object]) -> None:
        self._tell = tell
        self._wanted = threading.Event()
        self._end = threading.Event()
        self._has_gpu = True
        """Until it turns out otherwise."""

    def want(self, wanted: bool) -> None:
        """From any thread: whether anybody looks at it."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    def end(self) -> None:
        """From any thread: `watch` returns soon."""
        self._end.set()
        self._wanted.set()

    def watch(self) -> None:
        """Look, tell, wait; until `end`."""
        psutil.cpu_percent()  # the first answer is a meaningless zero: it is the load since the last question
        seconds = FIRST_SECONDS
        while not self._end.wait(seconds):
            self._wanted.wait()
            if not self._end.is_set():
                self._tell(self._look())
            seconds = SECONDS

    def _look(self) -> Load:
        memory = psutil.virtual_memory()
        gpu = self._ask_gpu() if self._has_gpu else None
        return Load(psutil.cpu_percent() / 100, memory.total - memory.available, memory.total, gpu)

    def _ask_gpu(self) -> GpuLoad | None:
        try:
            listed = ask_nvidia_smi(GPU_LOAD_FIELDS)
        except (OSError, subprocess.TimeoutExpired):
            listed = None
        found = gpu_load(listed[0]) if listed and listed[1] == 0 else None
        self._has_gpu = found is not None
        return found


def gpu_load(listing: str) -> GpuLoad | None:
    """What nvidia-smi listed, a line a GPU. Example: gpu_load("45 %, 1024 MiB, 23034 MiB").busy -> 0.45"""
    cards = [line.split(",") for line in listing.splitlines() if line.count(",") == 2]
    numbers = [[_number(part) for part in card] for card in cards]
    used = [(int(card[1]), int(card[2])) for card in numbers if card[1] is not None and card[2] is not None]
    busy = [card[0] for card in numbers if card[0] is not None]
    if not used:
        return None
    mean = sum(busy) / len(busy) / 100 if busy else None
    return GpuLoad(mean, sum(u for u, _ in used) * MIB, sum(t for _, t in used) * MIB)


def _number(text: str) -> float | None:
    """The number of '45 %' or '1024 MiB'; None of '[N/A]'."""
    first = text.split()[:1]
    return float(first[0]) if first and first[0].isdecimal() else None
