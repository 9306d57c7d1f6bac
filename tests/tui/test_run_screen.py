"""The Run screen on a real database that is written while it is watched."""

import sys
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace, shown, until

from crescent_lite.workspace import Workspace
from crescent_tui.app import LIGHT, CrescentApp
from crescent_tui.child import crescent

pytestmark = pytest.mark.asyncio


async def test_an_empty_workspace_shows_how_to_start(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Press  s  to start a run" in shown(app))
        assert "no run yet" in shown(app)
    assert not (tmp_path / "nothing-here").exists()


async def test_a_run_that_begins_appears_without_a_key_press(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        sample = SampleWorkspace(tmp_path)
        sample.begin_run()
        await until(pilot, lambda: "Base, then 2 round(s)" in shown(app))


async def test_a_new_vote_appears_without_a_key_press(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    question_id = sample.ask("What is 2 + 3?")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "0 of 8" in shown(app))
        sample.vote(question_id, "It is 5.", "5", 0)
        await until(pilot, lambda: "1 of 8" in shown(app))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_whole_round_fits_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "round 1   35.8%" in shown(app))
        text = shown(app)
    assert [len(line) for line in text.splitlines()] == [size[0]] * size[1]
    for fact in ("40 of 40", "14 of 40", "112 of 112", "11 of 14", "120 of 120", "181 of 240", "0.46", "q Quit"):
        assert fact in text


async def test_light_and_dark_change_with_a_key(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        assert app.theme == LIGHT


async def test_help_opens_and_closes(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "start a run, or go on with the unfinished one" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Press  s  to start" in shown(app))


async def test_a_run_without_its_engine_was_killed(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "killed" in shown(app))
        with sample.workspace.lock():
            await until(pilot, lambda: "measuring the base · running" in shown(app))


async def test_stop_asks_whatever_engine_is_at_work(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "running" in shown(app))
            await pilot.press("x")
            await until(pilot, lambda: "stopping" in shown(app))
            assert sample.workspace.is_asked("stop")


async def test_stop_without_an_engine_asks_nobody(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: "No run is at work here" in shown(app))
    assert not sample.workspace.is_asked("stop")


async def test_an_engine_that_fails_at_once_says_why(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create("[bait]\nquestion = 3\n")
    app = CrescentApp(workspace)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await pilot.press("s")
        assert "starting" in shown(app)
        await until(pilot, lambda: "did you mean" in shown(app), seconds=20)
        assert "no run yet" in shown(app)
    assert "bait.question" in (workspace.logs / "engine-output.txt").read_text()


async def test_a_database_that_is_none_is_reported_and_not_fatal(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.database_path.write_text("this is no database, but it is long enough to be looked at" * 20)
    app = CrescentApp(workspace)
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "file is not a database" in shown(app))
        assert "unreadable" in shown(app)


async def test_the_engine_is_the_command_a_user_would_type(tmp_path: Path) -> None:
    arguments = ["-m", "crescent_lite.cli", "run", "-w", str(tmp_path)]
    assert crescent(Workspace(tmp_path), "run") == [sys.executable, *arguments]
