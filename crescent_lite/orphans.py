"""Ends a child process when the process that started it has ended, however it ended.

The parent gives the child a pipe as stdin and writes nothing to it, so the pipe closes when the parent is gone; that
also works after a SIGKILL, and on every system. Example, first in the child's program: end_with_the_parent()
"""

from __future__ import annotations

import os
import threading

ORPHANED = 70
"""Exit code when the parent has ended, and so nobody is left to read it."""


def end_with_the_parent() -> None:
    """From now on, end this process at once when its stdin closes."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)
