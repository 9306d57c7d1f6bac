"""Every screen on the sample run, at three sizes, dark and light, as it was looked at and found good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_run import load_sample_run
from sample_workspace import shown, until
from snapshots import compare, picture
from textual.pilot import Pilot
from textual.widgets import TextArea

from crescent_lite.workspace import Workspace
from crescent_tui.app import DARK, LIGHT, CrescentApp

pytestmark = pytest.mark.asyncio
QUERY = "SELECT question, label, share FROM v_labels ORDER BY share DESC, question_id LIMIT 20"
VARIES = ("#machine", "#machine-check")
REJECTED, DISPUTED = 244, 230
"""A rewrite that was no better than what it rewrites; a label that half of the votes are for."""
SIZES = [((80, 24), DARK), ((120, 40), DARK), ((200, 60), DARK), ((120, 40), LIGHT)]
READY = {
    "1": "Last events", "2": "Too close to", "3": "Solution", "4": "against the base", "5": "round 2", "6": "base",
    "7": "20 rows", "8": "run 1 finished", "9": "run.rounds",
}  # fmt: skip
"""What stands on each screen when all of it has been read."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The sample run, at a path and in a time zone that are always the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield load_sample_run(Path("sample"))
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("size", "theme"), SIZES, ids=lambda each: str(each).replace(" ", ""))
async def test_every_screen_is_as_it_was(workspace: Workspace, size: tuple[int, int], theme: str) -> None:
    app = CrescentApp(workspace)
    app.memory["theme"] = theme
    app.set_reactive(CrescentApp.question_id, REJECTED)
    async with app.run_test(size=size) as pilot:
        for key, ready in READY.items():
            await pilot.press("escape", "escape", key)
            if key == "3":
                app.question_id = DISPUTED
            if key == "7":
                app.screen.query_one(TextArea).text = QUERY
                await pilot.press("f5")
            await until(pilot, lambda ready=ready: ready in shown(app), 30)  # type: ignore[misc]
            await still(pilot)
            compare(picture(app, VARIES), name(app.current_mode, size, theme))
        await pilot.press("escape", "escape", "1", "question_mark")
        await still(pilot)
        compare(picture(app, VARIES), name("help", size, theme))
        await pilot.press("escape", "r")
        await still(pilot)
        compare(picture(app, VARIES), name("runs", size, theme))
        await pilot.press("escape", "S")
        await still(pilot)
        compare(picture(app, VARIES), name("start-form", size, theme))


@pytest.mark.parametrize(("size", "theme"), SIZES, ids=lambda each: str(each).replace(" ", ""))
async def test_the_first_screen_of_all_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], theme: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = CrescentApp(Workspace(Path("nothing-yet")))
    app.memory["theme"] = theme
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await still(pilot)
        compare(picture(app, VARIES), name("start", size, theme))


async def still(pilot: Pilot[None]) -> None:
    """Wait until nothing changes any more."""
    before, same = "", 0
    for _ in range(100):
        await pilot.pause(0.15)
        now = picture(pilot.app, VARIES)
        same = same + 1 if now == before else 0
        if same == 4:
            return
        before = now


def name(screen: str, size: tuple[int, int], theme: str) -> str:
    """questions-80x24-dark"""
    return f"{screen}-{size[0]}x{size[1]}-{theme.removeprefix('textual-')}"
