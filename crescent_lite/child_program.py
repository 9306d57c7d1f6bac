"""What every child program of this project does beside its work: it ends with its parent, and gives signs of life.

The child's stdin is a pipe from its parent. It closes when the parent ends, even by SIGKILL, and on every system. Its
stdout carries whole lines for the parent, and nothing else. Example, first in a child's program:
    lines = Lines(claimed_stdout()); end_with_the_parent(); give_signs_of_life(lines, "alive")
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TextIO

ORPHANED = 70
"""Exit code when the parent has ended, and so nobody is left to read it."""
ALIVE_SECONDS = 5.0
"""Time between two signs of life."""


class Lines:
    """The lines for the parent. Several threads write them, so each is written whole."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._one_at_a_time = threading.Lock()

    def write(self, line: str) -> None:
        """Write a line, given without its newline."""
        with self._one_at_a_time:
            self._stream.write(f"{line}\n")
            self._stream.flush()


def claimed_stdout() -> TextIO:
    """Keep stdout for the parent; whatever else is printed, by C code too, goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def give_signs_of_life(lines: Lines, line: str) -> None:
    """From now on, write this line every few seconds."""
    threading.Thread(target=_give_signs_of_life, args=(lines, line), daemon=True).start()


def _give_signs_of_life(lines: Lines, line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent has ended, and so does this process
        while True:
            lines.write(line)
            time.sleep(ALIVE_SECONDS)


def end_with_the_parent() -> None:
    """From now on, end this process at once when its stdin closes. Nothing is to be written to that stdin."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)
