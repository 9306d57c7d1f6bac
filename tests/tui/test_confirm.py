"""The panel before a run starts or stops says what it takes and what differs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sample_workspace import SampleWorkspace, agree, shown, until
from textual import events

from crescent_lite.following.throughput import Throughput
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.content.starting import ESTIMATING, estimate_lines, stopping_question
from crescent_tui.screens.confirm import TYPED_ON_SECONDS
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot


def amount(likely: float, low: float, high: float) -> dict[str, float]:
    return {"likely": likely, "low": low, "high": high}


FOUND: dict[str, Any] = {
    "run": None, "rounds": 1, "model": "tiny", "texts": amount(714, 700, 728), "votes": amount(2670, 2000, 3000),
    "items": amount(1400, 1400, 1400), "minutes": amount(11, 8, 95), "memory_bytes": 1_700_000_000,
    "compared_with": 1, "differs": [
        {"name": "vote.min_share", "there": 0.5, "here": 0.4},
        {"name": "model.source", "there": "embedded", "here": "b\u001b.gguf"},
    ],
}  # fmt: skip


def test_an_estimate_is_told_in_two_lines() -> None:
    taking, differing = estimate_lines(0, json.dumps(FOUND), "")
    assert taking == (
        "It takes about 11 min (8 min to 1 h 35 min): 710 texts, 2,700 votes, 1,400 items; 1.7 GB of memory. "
        "Model: tiny."
    )
    assert differing.startswith("Other than in run 1: model.source = ")
    assert differing.endswith("vote.min_share = 0.4.")
    assert "\u001b" not in differing


def test_the_rest_of_the_run_that_is_looked_at_differs_in_nothing() -> None:
    assert len(estimate_lines(0, json.dumps({**FOUND, "run": 1}), "")) == 1
    assert estimate_lines(0, json.dumps({**FOUND, "differs": []}), "")[1] == "Its settings are those of run 1."


def test_without_a_speed_the_time_is_not_known() -> None:
    assert estimate_lines(0, json.dumps({**FOUND, "minutes": None}), "")[0].startswith(
        "How long it takes is not known"
    )


def test_a_run_that_would_be_refused_says_why() -> None:
    assert estimate_lines(4, "", "model.source: no such file") == ["It would be refused: model.source: no such file"]
    assert estimate_lines(-15, "", "terminated") == []
    assert estimate_lines(0, "not JSON", "") == []


def test_stopping_says_how_long_the_stage_still_takes() -> None:
    at_work = WorkspaceSnapshot(throughput=Throughput("vote", remaining_seconds=720.0))
    assert stopping_question(at_work).lines[0] == "The stage vote has about 12 min left."
    assert len(stopping_question(WorkspaceSnapshot()).lines) == 2


class Estimated(CrescentApp):
    """Answers the estimate at once, and records the arguments instead of starting an engine."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.asked: list[tuple[str, ...]] = []
        self.started: list[list[str]] = []

    def start(self, arguments: Sequence[str] = ()) -> None:
        self.started.append(list(arguments))

    def command(
        self,
        then: Callable[[CommandResult], object],
        command: str,
        *arguments: str,
        read_only: bool = False,
        on_start: Callable[[subprocess.Popen[bytes]], object] = lambda _process: None,
    ) -> None:
        self.asked.append((command, *arguments))
        then(CommandResult(0, json.dumps(FOUND), ""))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_the_panel_shows_the_estimate_of_what_would_start(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = Estimated(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "killed" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: ESTIMATING in shown(app) or "It takes about 11 min" in shown(app))
        await until(pilot, lambda: "It takes about 11 min" in shown(app))
        await agree(pilot, "Resume run 1?")
        await until(pilot, lambda: bool(app.started))
    assert app.asked == [("run", "--dry-run", "--json", "--against", "1")]


@pytest.mark.asyncio
async def test_an_enter_that_was_pressed_before_the_panel_was_seen_starts_nothing(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = Estimated(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "killed" in shown(app))
        early = events.Key("enter", "\r")
        await pilot.press("s")
        await until(pilot, lambda: "Resume run 1?" in shown(app))
        await pilot.pause(TYPED_ON_SECONDS + 0.1)  # however late the key is handled
        app.post_message(early)
        await pilot.pause()
        assert "Resume run 1?" in shown(app)
        app.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: "Resume run 1?" not in shown(app))
    assert app.started == [[]]
