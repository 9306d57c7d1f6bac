"""Every screen on the sample run, at three sizes, dark and light, compared with checked snapshots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from sample_workspace import shown, until
from snapshots import compare, picture
from textual.pilot import Pilot
from textual.widgets import Static
from tour import VARIES, still, tour

from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.app import DARK, LIGHT, CrescentApp

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
SIZES = ((80, 24), (120, 40), (200, 60))
THEMES = (DARK, LIGHT)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The sample run, at a fixed path and in a fixed time zone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    workspace = load_sample_run(Path("sample"))
    add_family(workspace)
    yield workspace
    monkeypatch.undo()
    time.tzset()


def add_family(workspace: Workspace) -> None:
    """Add a control and a distillation of the sample run, for the Runs screen."""
    with closing(Store.open(workspace.database_path)) as store:
        run = store.runs.fetch_run(1)
        control = store.runs.insert_run("evaluation", run.base_id, {}, control="coin", control_of=1)
        student = store.runs.insert_run("improvement", run.base_id, {}, teacher_id=1)
        for run_id in (control, student):
            store.runs.set_plan(run_id, {**run.config, "run": {**run.config["run"], "seed": run_id}}, 1)
            store.runs.set_state(run_id, "finished", None)
        store.database.write("UPDATE runs SET started_at = '2026-11-26T15:00:00+00:00' WHERE run_id > 1")


@pytest.mark.parametrize("theme", THEMES)
async def test_every_screen_is_as_it_was(workspace: Workspace, theme: str) -> None:
    """One app for all sizes, because its start takes longer than a picture."""
    app = CrescentApp(workspace)
    app.saved_state["theme"] = theme
    app._follower.choose_run(1)
    async with app.run_test(size=SIZES[0]) as pilot:
        async for screen in tour(pilot):
            await compare_at_all_sizes(pilot, screen, theme)


@pytest.mark.parametrize("theme", THEMES)
async def test_the_first_screen_of_all_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = CrescentApp(Workspace(Path("nothing-yet")))
    app.saved_state["theme"] = theme
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        check = app.screen.query_one("#machine-check", Static)
        await until(pilot, lambda: str(check.render()) and "Checking this machine" not in str(check.render()), 120)
        check.update("")  # what it says, and how long it is, depends on the machine
        await compare_at_all_sizes(pilot, "start", theme)


async def compare_at_all_sizes(pilot: Pilot[None], screen: str, theme: str) -> None:
    """Compare the screen at each size, the first one last, which is the one that the tour goes on with."""
    for size in (*SIZES[1:], SIZES[0]):
        await pilot.resize_terminal(*size)
        await still(pilot)
        compare(picture(pilot.app, VARIES), name(screen, size, theme))


def name(screen: str, size: tuple[int, int], theme: str) -> str:
    """questions-80x24-dark"""
    return f"{screen}-{size[0]}x{size[1]}-{theme.removeprefix('textual-')}"
