"""The ways to stop an engine made one: Ctrl-C, SIGTERM and a request in the workspace all raise KeyboardInterrupt.

Knows signals and processes, nothing of a run. An interrupt that falls into a callback from C is swallowed there
(llama.cpp's log while it loads a model, for one), so it is raised again until the engine has ended.
Example: with stop_requests(lambda: workspace.take("stop")): ...
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

POLL_SECONDS = 0.5
AGAIN_SECONDS = 4.0
"""Longer than a training program takes to be stopped, shorter than the five seconds a Ctrl-C may take."""


@contextmanager
def stop_requests(take_request: Callable[[], bool]) -> Iterator[None]:
    """Inside, a signal or a taken request raises KeyboardInterrupt. Outside the main thread it changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked, ended = threading.Event(), threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        asked.set()
        raise KeyboardInterrupt

    def watch() -> None:
        while not ended.wait(POLL_SECONDS):
            if (asked.is_set() and not ended.wait(AGAIN_SECONDS)) or take_request():
                # SIGTERM and not SIGINT: a shell starts background jobs with SIGINT ignored.
                _thread.interrupt_main(signal.SIGTERM)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        watcher.join()


@contextmanager
def suspended(pid: int | None) -> Iterator[None]:
    """Inside, the child process stands still. None is no process; one that has ended is none either."""
    child = psutil.Process(pid) if pid is not None and psutil.pid_exists(pid) else None
    if child is None:
        yield
        return
    child.suspend()
    try:
        yield
    finally:
        child.resume()
