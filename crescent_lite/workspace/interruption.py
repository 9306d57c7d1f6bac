"""Stops and pauses processes. Ctrl-C, SIGTERM and a stop request in the workspace all raise KeyboardInterrupt.

Knows signals and processes, nothing of a run. An exception raised inside a callback from C is lost (for instance in
the callback for llama.cpp's log while a model is loading), so it is raised again until the block has ended. Example:
    with interruptible(lambda: workspace.take("stop")): ...
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
"""Time between two checks for a request."""
AGAIN_SECONDS = 4.0
"""Time until an interrupt is raised again: longer than stopping a training program takes, shorter than the 5 seconds
that a Ctrl-C may take."""


@contextmanager
def interruptible(take_request: Callable[[], bool]) -> Iterator[None]:
    """Within this block, a signal or a request raises KeyboardInterrupt. Has no effect outside the main thread.

    `take_request` returns whether there was a request, and removes it; it is called from another thread.
    """
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
                # SIGTERM, because a shell starts background jobs with SIGINT ignored.
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
    """Suspend a process for the duration of this block. Has no effect if `pid` is None or the process has ended."""
    child = psutil.Process(pid) if pid is not None and psutil.pid_exists(pid) else None
    if child is None:
        yield
        return
    child.suspend()
    try:
        yield
    finally:
        child.resume()
