"""The Log screen: following the file until the user scrolls up; levels, filter, engine output, hostile lines."""

import json
from pathlib import Path
from typing import Any

import pytest
from sample_workspace import SampleWorkspace, shown, until

from crescent_tui.app import CrescentApp
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.workspace.logs.mkdir()
    return sample


def log(sample: SampleWorkspace, kind: str, **detail: Any) -> None:
    with sample.workspace.log_of(sample.run_id).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"at": "2026-11-26T09:29:39.665+00:00", "event": kind, **detail}) + "\n")


def log_item(sample: SampleWorkspace, done: int) -> None:
    log(sample, "StageProgressed", stage="vote", done=done, total=900, tokens=done, note="stop")


async def test_without_a_run_there_is_no_log(tmp_path: Path) -> None:
    app = CrescentApp(SampleWorkspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "No run yet; press s to start one." in shown(app))


@pytest.mark.slow
async def test_a_run_without_a_log_file_shows_the_events_of_the_database(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "run 1 started with" in shown(app))
        assert "from the database" in shown(app)
        sample.begin_round(2)
        await until(pilot, lambda: "round 2 started" in shown(app))
        log(sample, "StageStarted", round=2, stage="vote", done=0, total=900)
        await until(pilot, lambda: "vote: started, 900 to do" in shown(app))
        assert "from the database" not in shown(app)


async def test_the_level_key_steps_from_no_items_to_alarms_to_everything(sample: SampleWorkspace) -> None:
    log(sample, "StageStarted", round=1, stage="vote", done=0, total=900)
    log_item(sample, 1)
    log(sample, "AlarmFired", round=1, name="one_answer", words="it says 7")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "Events: without items, 2" in shown(app))
        assert "vote: started, 900 to do" in shown(app)
        await pilot.press("l")
        await until(pilot, lambda: "Events: alarms, 1" in shown(app))
        assert "! ALARM one answer: it says 7" in shown(app)
        await pilot.press("l")
        await until(pilot, lambda: "Events: all, 3" in shown(app))
        assert "vote: 1 of 900, stop" in shown(app)


@pytest.mark.slow
async def test_the_newest_line_is_followed_until_the_user_scrolls_up(sample: SampleWorkspace) -> None:
    for done in range(1, 101):
        log_item(sample, done)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8", "l", "l")
        await until(pilot, lambda: "vote: 100 of 900" in shown(app))
        log_item(sample, 101)
        await until(pilot, lambda: "vote: 101 of 900" in shown(app))
        await pilot.press("k", "k")
        chosen = app.screen.query_one("#log-events", RowList).key
        log_item(sample, 102)
        await until(pilot, lambda: "Events: all, 102" in shown(app))
        assert app.screen.query_one("#log-events", RowList).key == chosen
        assert "vote: 102 of" not in shown(app)
        assert "G follows the newest" in shown(app)
        await pilot.press("G")
        await until(pilot, lambda: "vote: 102 of 900" in shown(app))


@pytest.mark.slow
async def test_a_long_log_says_that_its_beginning_is_not_shown(sample: SampleWorkspace) -> None:
    for done in range(1, 3001):
        log_item(sample, done)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("8", "l", "l")
        await until(pilot, lambda: "of its end; all lines: run-1.jsonl" in shown(app))


@pytest.mark.slow
async def test_typed_words_filter_the_lines(sample: SampleWorkspace) -> None:
    log(sample, "RoundStarted", number=1)
    log(sample, "RunPaused")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "Events: without items, 2" in shown(app))
        await pilot.press("slash", *"pau")
        await until(pilot, lambda: "without items, 1" in shown(app))
        assert "round 1 started" not in shown(app)
        await pilot.press(*"xyz")
        await until(pilot, lambda: "No line matches" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "without items, 2" in shown(app))


@pytest.mark.slow
async def test_the_engines_output_has_a_key(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8", "o")
        await until(pilot, lambda: "The engine has printed nothing yet." in shown(app))
        (sample.workspace.logs / "engine-output.txt").write_text("run 1 starts\ncrescent: no disk\x1b]0;x\x07\n")
        await until(pilot, lambda: "! crescent: no disk␛]0;x␇" in shown(app))
        await pilot.press("o")
        await until(pilot, lambda: "Events: without items" in shown(app))


async def test_hostile_lines_are_shown_as_text(sample: SampleWorkspace) -> None:
    log(sample, "AlarmFired", round=1, name="[/] \x1b[2J", words="[bold]x‮y" + "z" * 100_000)
    log(sample, "StageFinished", stage=7, done={"a": 1}, seconds="x", tokens=None)
    with sample.workspace.log_of(sample.run_id).open("ab") as file:
        file.write(b"\xff\xfe\x1b[31m[red]" + b"[" * 50_000 + b"\n" + b"x" * 2_000_000 + b"\nlast\n")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "last" in shown(app))
        assert "\x1b" not in shown(app)


@pytest.mark.slow
async def test_only_the_end_of_a_huge_log_is_kept(sample: SampleWorkspace) -> None:
    line = json.dumps({"at": "2026-11-26T09:29:39.665+00:00", "event": "RoundStarted", "number": 5}) + "\n"
    with sample.workspace.log_of(sample.run_id).open("w") as file:
        file.write(line * 100_000)
    log(sample, "RoundStarted", number=6)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "round 6 started" in shown(app))
        assert len(app.screen.query_one("#log-events", RowList).keys) < 5_000
