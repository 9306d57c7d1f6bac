"""Stops and pauses processes. Ctrl-C, SIGTERM, SIGHUP and a request in the workspace raise KeyboardInterrupt.

Knows signals and processes, nothing of a run. An exception raised inside a callback from C is lost (for instance in
the callback for llama.cpp's log while a model is loading), so it is raised again until the block has ended. Example:
    with interruptible(lambda: workspace.take("stop")): ...
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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

    watcher = threading.Thread(target=watch, daemon=True)
    with ExitStack() as afterwards, _handled_by(interrupt):
        watcher.start()
        afterwards.callback(watcher.join)  # after the handlers are as before, so that a late request does nothing
        try:
            yield
        finally:
            ended.set()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within this block, what asks a process to stop is ignored: it stops already, and has something to store."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Within this block, the signals that ask a process to stop have this handler. Only for the main thread."""
    before = {number: signal.signal(number, handler) for number in _signals_to_stop()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _signals_to_stop() -> Iterator[signal.Signals]:
    """The signals that ask a process to stop: Ctrl-C, kill, and the end of its terminal unless nohup ignores that."""
    yield from (signal.SIGINT, signal.SIGTERM)
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        yield hang_up


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
