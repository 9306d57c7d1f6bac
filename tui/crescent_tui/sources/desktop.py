"""A notification of the desktop, where there is one: through notify-send, or osascript on a Mac.

The programs are given a list of arguments, and no shell. Example: notify_desktop("crescent", "Run 3 has finished.")
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

SECONDS = 10.0
"""Time that the program has."""


def desktop_command(title: str, text: str, environment: Mapping[str, str]) -> list[str] | None:
    """The program that shows a notification, with its arguments; None without a desktop."""
    path = environment.get("PATH")
    if sys.platform == "darwin" and (found := shutil.which("osascript", path=path)):
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        return [found, "-e", script, title, text]
    has_desktop = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if has_desktop and (found := shutil.which("notify-send", path=path)):
        return [found, "--", title, text]
    return None


def notify_desktop(title: str, text: str) -> None:
    """Show a notification, without waiting for it. A program that fails is ignored."""
    if command := desktop_command(title, text, os.environ):
        threading.Thread(target=_run, args=(command,), daemon=True).start()


def _run(command: list[str]) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
