"""Ends the app when its terminal has gone: a closed window or a dropped connection, also without a signal.

Without it, the app would try to draw for ever: reading from such a terminal returns nothing at once, and what writes
to it ends at the first error and leaves the others waiting. Knows nothing of the app. Example:
    end_with_the_terminal(0, app.exit)
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

SECONDS_TO_END = 2.0
"""Time that the app has to save its state and end by itself, before the process ends (guess)."""
HUNG_UP = 129
"""Exit code after a hang-up, as a shell reports the signal SIGHUP."""


def end_with_the_terminal(
    descriptor: int, end: Callable[[], object], seconds: float = SECONDS_TO_END
) -> threading.Thread | None:
    """Call `end` in another thread when the terminal hangs up, and end the process after `seconds`.

    Returns the thread that waits, which costs nothing; None where the system cannot wait for it.
    """
    if not hasattr(select, "poll"):
        return None

    def wait() -> None:
        waiting = select.poll()
        waiting.register(descriptor, 0)  # a hang-up is always reported
        if any(events & (select.POLLHUP | select.POLLERR) for _, events in waiting.poll()):
            threading.Timer(seconds, os._exit, [HUNG_UP]).start()
            end()

    thread = threading.Thread(target=wait, name="hang-up", daemon=True)
    thread.start()
    return thread
