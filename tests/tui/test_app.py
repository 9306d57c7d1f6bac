"""The app around the screens: its palette, signals, exit codes, and a database that is removed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sample_workspace import filled_workspace, shown, shown_words, until
from terminal import Terminal

from crescent_lite.errors import ExitCode
from crescent_tui.app import CrescentApp
from crescent_tui.screens.models import free_name

TUI = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w"]


@pytest.mark.asyncio
@pytest.mark.slow
async def test_the_palette_has_every_tab_and_the_keys_of_the_screen(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        names = [command.title for command in app.get_system_commands(app.screen)]
        assert {"Go to Run", "Go to Settings", "Pause", "Export", "Keep best", "Theme"} <= set(names)
        assert len(names) == len(set(names))
        await pilot.press("ctrl+p", *"go to log")
        await until(pilot, lambda: "key 8" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "log")


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_database_that_goes_away_is_told_and_what_comes_back_is_shown(tmp_path: Path) -> None:
    workspace = filled_workspace(tmp_path).workspace
    aside = tmp_path / "aside.db"
    app = CrescentApp(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "run 1" in shown(app))
        workspace.database_path.rename(aside)
        await until(pilot, lambda: "the database has been removed" in shown_words(app))
        assert "run 1" in shown(app)
        aside.rename(workspace.database_path)
        await until(pilot, lambda: "the database has been removed" not in shown_words(app))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_ends_it_with_the_terminal_as_it_was_and_the_place_kept(tmp_path: Path, number: int) -> None:
    workspace = filled_workspace(tmp_path).workspace
    with Terminal([*TUI, str(workspace.folder)]) as terminal:
        terminal.wait_for_text("run 1", 60)
        terminal.press("8")
        terminal.wait_for_text("8 Log", 60)
        os.kill(terminal.process.pid, number)
        assert terminal.process.wait(60) == ExitCode.OK
        terminal.wait_for(terminal.modes_are_restored)
        assert b"\x1b[?1049l" in terminal.output
    assert '"tab": "log"' in (workspace.folder / ".tui.json").read_text()


def test_without_a_terminal_it_says_so_and_ends(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*TUI, str(tmp_path)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (ExitCode.USAGE, "")
    assert "needs a terminal" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Terminal([*TUI, str(tmp_path / "file")], columns=200) as terminal:
        terminal.wait_for_text("is not a folder; give the folder of a workspace with -w", 60)
        assert terminal.process.wait(60) == ExitCode.WORKSPACE


def test_an_export_takes_a_name_that_is_free(tmp_path: Path) -> None:
    assert free_name(tmp_path / "a") == tmp_path / "a"
    (tmp_path / "a").mkdir()
    (tmp_path / "a-2").mkdir()
    assert free_name(tmp_path / "a") == tmp_path / "a-3"
