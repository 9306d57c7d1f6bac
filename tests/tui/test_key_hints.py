"""The keys at the bottom of a screen: as many as fit, help always, and a click presses the key."""

from pathlib import Path

import pytest
from sample_workspace import filled_workspace, shown, until
from textual.content import Content

from crescent_tui.app import CrescentApp
from crescent_tui.widgets.key_hints import Hint, KeyHints, fit


def hints(*actions: str) -> list[Hint]:
    return [Hint(action[0], action, Content(f" {action} ")) for action in actions]


def test_the_last_ones_give_way_and_help_stays() -> None:
    names = ("search", "start", "help", "quit")
    assert [hint.action for hint in fit(hints(*names), 100)] == list(names)
    assert [hint.action for hint in fit(hints(*names), 22)] == ["search", "start", "help"]
    assert [hint.action for hint in fit(hints(*names), 14)] == ["search", "help"]
    assert [hint.action for hint in fit(hints(*names), 1)] == ["help"]
    assert fit([], 0) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.slow
async def test_every_screen_names_its_keys_and_help(tmp_path: Path, columns: int) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(columns, 24)) as pilot:
        for key in "123456789":
            await pilot.press("escape", key)
            await until(pilot, lambda: "? Help" in shown(app).splitlines()[-1])


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_click_on_a_key_is_as_good_as_the_key(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "? Help" in shown(app).splitlines()[-1])
        line = shown(app).splitlines()[-1]
        await pilot.click(KeyHints, offset=(line.index("Help"), 0))
        await until(pilot, lambda: "Everywhere" in shown(app))
