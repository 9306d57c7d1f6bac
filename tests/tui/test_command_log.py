"""The command log: what was done on the screens, as command lines that a shell takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from sample_workspace import filled_workspace, shown, until

from crescent_tui.app import CrescentApp
from crescent_tui.sources.command_lines import line_of

pytestmark = pytest.mark.asyncio


async def test_a_line_is_what_a_shell_takes_and_has_no_escape_code() -> None:
    text = "it's; $(x) \x1b[2J\nDROP"
    line = line_of("a folder", "query", (text,)).text
    assert "\x1b" not in line and "\n" not in line
    assert shlex.split(line)[:2] == ["crescent", "query"] and shlex.split(line)[-2:] == ["-w", "a folder"]
    assert "it's; $(x)" in shlex.split(line)[2]
    assert line_of("data", "note", ("--", "7", "-x")).text == "crescent note -w data -- 7 -x"


@pytest.mark.slow
async def test_each_key_that_does_something_leaves_its_command(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: "running" in shown(app))
            await pilot.press("p")
            await until(pilot, lambda: app.snapshot.pause_is_requested)
            await pilot.press("p", "2")
            await until(pilot, lambda: "#14" in shown(app))
            await pilot.press("enter", "ctrl+l")
            await until(pilot, lambda: "Commands that do the same" in shown(app))
            names = [line.text.split(" -w ")[0] for line in app.commands]
            assert names == ["crescent pause", "crescent resume", "crescent show question 14"]
            assert all(name in shown(app) for name in names)


@pytest.mark.slow
async def test_the_palette_opens_a_question_by_its_number(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "run 1" in shown(app))
        names = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Report", "Controls", "Headroom", "Export the kept round", "Query what-is-rejected"} <= names
        await pilot.press("ctrl+p", *"question 7")
        await until(pilot, lambda: "Go to question 7" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "votes" and app.question_id == 7)
