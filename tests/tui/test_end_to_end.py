"""A first session by keyboard in a real terminal, with a real engine and the embedded model."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

terminals = pytest.importorskip("terminal", reason="needs a pty")
pytest.importorskip("torch")

pytestmark = pytest.mark.slow
SMALL = """\
preset = "quick"

[bait]
questions = 80
temperature = 0.5

[diversify]
near_duplicate = 85.0

[vote]
votes_per_question = 4

[train]
epochs = 1.0
rank = 4
min_examples = 3

[evaluate.benchmarks.sums]
source = "reasoning-gym"
items = 10
tasks = { chain_sum = { min_terms = 2, max_terms = 2, min_digits = 1, max_digits = 1 } }
"""
COMMAND = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w"]


def engines(folder: Path) -> str:
    """The name of the process that holds the lock of the workspace."""
    return Workspace(folder)._holder()


def test_a_first_session_from_an_empty_workspace_to_an_exported_adapter(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create(SMALL)

    with terminals.Terminal([*COMMAND, str(tmp_path)], columns=120, lines=40) as first:
        first.wait_for_text("no run yet", 120)
        first.press("s")
        first.wait_for_text("Start a new run?", 60)
        first.settle(0.5)
        first.press("enter")
        first.wait_for_text("running", 180)
        first.press("p")
        first.wait_for_text("paused", 180)
        engine = engines(tmp_path)
        os.kill(first.process.pid, signal.SIGKILL)

    assert workspace.is_busy()
    with terminals.Terminal([*COMMAND, str(tmp_path)], columns=120, lines=40) as second:
        second.wait_for_text("paused", 120)
        assert engines(tmp_path) == engine != ""
        second.press("p")
        second.wait_for_text("running", 120)
        second.wait_for_text("finished", 900)
        rejected = duplicate(workspace)
        second.press("2", "v", "v")
        second.wait_for_text("rejected", 60)
        second.press("g")
        for _ in range(100):
            if f"#{rejected} " in second.text():
                break
            second.press("j")
            second.settle(0.1)
        second.wait_for_text("Too close to", 60)
        second.press("5")
        second.settle()
        second.press("G")
        second.wait_for_text("adapter · run 1, round 1", 60)
        second.press("e")
        second.wait_for_text("enter exports", 60)
        second.press("enter")
        second.wait_for(lambda: any(workspace.exports.glob("**/*.gguf")), 180)
        second.settle()
        second.press("escape", "q")
        assert second.process.wait(60) == 0
        assert second.modes_are_restored()
        assert b"\x1b[?1049l" in second.output[-400:]


def duplicate(workspace: Workspace) -> int:
    """The newest question that was rejected as a duplicate."""
    with closing(Store.open_read_only(workspace.database_path)) as store:
        return int(store.database.value("SELECT max(question_id) FROM questions WHERE duplicate_of IS NOT NULL"))
