"""A TUI whose terminal has gone ends by itself, and its engine goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from bed import count, crescent_command, environment
from small_workspace import make_workspace

terminals = pytest.importorskip("terminal", reason="needs a pty")
pytestmark = pytest.mark.slow
SECONDS = 10.0
"""Most time that the TUI may take to end."""


def opened(folder: Path) -> object:
    terminal = terminals.Terminal(crescent_command("tui", "-w", str(folder)), environment=environment())
    terminal.wait_for_text("no run yet", 120)
    terminal.settle(0.5)
    return terminal


@pytest.mark.parametrize(
    "number",
    [None, *(pytest.param(number, marks=pytest.mark.faults) for number in (signal.SIGHUP, signal.SIGTERM))],
    ids=["no signal", "SIGHUP", "SIGTERM"],
)
def test_a_tui_ends_when_its_terminal_has_gone(number: int | None, tmp_path: Path) -> None:
    make_workspace(tmp_path, "embedded")
    terminal = opened(tmp_path)
    before = psutil.Process(terminal.process.pid).cpu_times()
    os.close(terminal._main)  # as if the window was closed, or the connection dropped
    os.close(terminal._side)
    began = time.monotonic()
    if number is not None:
        terminal.process.send_signal(number)
    try:
        while terminal.process.poll() is None and time.monotonic() < began + SECONDS:
            after = psutil.Process(terminal.process.pid).cpu_times()
            time.sleep(0.05)
        assert terminal.process.poll() is not None, "it is still there"
        assert after.user + after.system - before.user - before.system < 3.0
    finally:
        terminal.process.kill()
        terminal.process.wait()
    count("lost terminals")
