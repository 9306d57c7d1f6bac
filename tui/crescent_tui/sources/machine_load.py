"""Measures, in a separate thread, how busy the part of the machine is that this process may use.

Knows no widget. Example:
    LoadMonitor(lambda load: screen.post_message(LoadMeasured(load))).watch()   # MachineLoad(cpu=0.62, ...)
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from crescent_lite.workspace.machine_load import CpuLoad, GpuLoad, LoadMeter, MachineLoad, gpu_load

__all__ = ["CpuLoad", "GpuLoad", "LoadMonitor", "MachineLoad", "gpu_load"]

SECONDS = 2.0
"""Time between two measurements."""
FIRST_SECONDS = 0.5
"""Time before the first measurement."""


class LoadMonitor:
    """Measures every two seconds while it is active, until `end`."""

    def __init__(self, on_load: Callable[[MachineLoad], object]) -> None:
        self._on_load = on_load
        self._active = threading.Event()
        self._end = threading.Event()

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
        meter = LoadMeter()
        seconds = FIRST_SECONDS
        while not self._end.wait(seconds):
            self._active.wait()
            if not self._end.is_set():
                self._on_load(meter.measure())
            seconds = SECONDS
