"""Keys that were meant for something else start no run: a panel asks first, and a word that is typed closes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, agree, filled_workspace, shown, until
from textual.widgets import TextArea

from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp

pytestmark = pytest.mark.asyncio


class Recorded(CrescentApp):
    """Records the arguments instead of starting an engine."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.started: list[list[str]] = []

    def start(self, arguments: Sequence[str] = ()) -> None:
        self.started.append(list(arguments))


@pytest.mark.slow
async def test_a_word_typed_into_a_list_starts_nothing(tmp_path: Path) -> None:
    app = Recorded(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "running" in shown(app) or "killed" in shown(app))
        for screen in ("1", "7"):
            await pilot.press("escape", screen, "escape")  # also from the editor to the list of views
            await pilot.press(*"select", *"LS", *"at", "enter", "escape")
            app.simulate_key("s")
            app.simulate_key("enter")  # as fast as it is typed
            await pilot.pause()
            await pilot.press("escape")
    assert app.started == []


@pytest.mark.slow
async def test_a_query_can_be_typed_as_soon_as_the_sql_screen_is_open(tmp_path: Path) -> None:
    app = Recorded(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7", *"select")
        assert app.screen.query_one(TextArea).text == "select"
    assert app.started == []


@pytest.mark.slow
async def test_the_keys_of_the_tabs_work_in_an_empty_editor(tmp_path: Path) -> None:
    app = Recorded(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: isinstance(app.focused, TextArea))
        await pilot.press("8", "7", *"1", "7", *"a1")
        assert app.current_mode == "sql"
        assert app.screen.query_one(TextArea).text == "a1"


@pytest.mark.slow
async def test_starting_is_asked_and_escape_changes_nothing(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = Recorded(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "killed" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: "Run 1 continues where it stopped." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Resume run 1?" not in shown(app))
        assert app.started == []
        await pilot.press("s")
        await agree(pilot, "Resume run 1?")
        await pilot.press("n")
        await agree(pilot, "Add a round to run 1?")
    assert app.started == [[], ["--next-round"]]


@pytest.mark.slow
async def test_ctrl_z_undoes_in_an_editor_and_suspends_elsewhere(tmp_path: Path) -> None:
    app = Recorded(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("7", "a", "b", "ctrl+z")
        assert app.screen.query_one(TextArea).text == ""
        assert not app.check_action("suspend", ())
        await pilot.press("escape")
        assert app.check_action("suspend", ())
