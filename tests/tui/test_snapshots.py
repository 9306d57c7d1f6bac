"""Every screen on the sample run, at three sizes, dark and light, compared with checked snapshots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_run import load_sample_run
from sample_workspace import shown, until
from snapshots import compare, picture
from tour import VARIES, still, tour

from crescent_lite.workspace import Workspace
from crescent_tui.app import DARK, LIGHT, CrescentApp

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
SIZES = [((80, 24), DARK), ((120, 40), DARK), ((200, 60), DARK), ((120, 40), LIGHT)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The sample run, at a fixed path and in a fixed time zone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield load_sample_run(Path("sample"))
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("size", "theme"), SIZES, ids=lambda each: str(each).replace(" ", ""))
async def test_every_screen_is_as_it_was(workspace: Workspace, size: tuple[int, int], theme: str) -> None:
    app = CrescentApp(workspace)
    app.saved_state["theme"] = theme
    async with app.run_test(size=size) as pilot:
        async for screen in tour(pilot):
            compare(picture(app, VARIES), name(screen, size, theme))


@pytest.mark.parametrize(("size", "theme"), SIZES, ids=lambda each: str(each).replace(" ", ""))
async def test_the_first_screen_of_all_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], theme: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = CrescentApp(Workspace(Path("nothing-yet")))
    app.saved_state["theme"] = theme
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await still(pilot)
        compare(picture(app, VARIES), name("start", size, theme))


def name(screen: str, size: tuple[int, int], theme: str) -> str:
    """questions-80x24-dark"""
    return f"{screen}-{size[0]}x{size[1]}-{theme.removeprefix('textual-')}"
