"""The Rounds screen: the list, the panels of the chosen round, its keys and its empty states."""

import unicodedata
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, each_size, filled_workspace, fills, shown, shown_words, until

from crescent_lite.round_facts import Alarm
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.screens.rounds import RoundPanels
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio
HOSTILE = "[red]\x1b[2J\x9b31m\u202e" + "x" * 100_000


@pytest.mark.slow
async def test_scores_stand_on_top_with_their_intervals(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    facts = ("▸ round 1   35.8%", "27.8 to 44.7", "q Quit", "base      24.2%")
    async with app.run_test() as pilot:
        await pilot.press("4")
        async for size in each_size(pilot):
            await until(pilot, lambda size=size: fills(app, size) and all(fact in shown(app) for fact in facts))  # type: ignore[misc]


async def test_without_a_run_the_key_to_start_one_is_named(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "No run yet; press s to start one" in shown(app))
        await pilot.press("y", "j", "enter")


@pytest.mark.slow
async def test_a_run_without_a_round_shows_the_base(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "Nothing has been evaluated yet" in shown(app))
        await until(pilot, lambda: "No round has an adapter yet" in shown(app))
        assert len(app.screen.query_one(RowList).keys) == 1


@pytest.mark.slow
async def test_the_arrows_choose_a_round_and_its_panels_follow(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "Round 1: yield" in shown(app))
        await until(pilot, lambda: "nats per token" in shown(app))
        await pilot.press("k")
        await until(pilot, lambda: "The base, before any training" in shown(app))
        assert "▸ base" in shown(app)
        assert "yield" not in shown(app)
        await pilot.press("down")
        await until(pilot, lambda: "Round 1: yield" in shown(app))


@pytest.mark.slow
async def test_a_cursor_on_the_latest_round_follows_it(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(RowList).key == 1)
        sample.begin_round(2)
        await until(pilot, lambda: app.screen.query_one(RowList).key == 2)
        await until(pilot, lambda: "Round 2: unfinished" in shown(app))
        await pilot.press("g")
        sample.begin_round(3)
        await until(pilot, lambda: len(app.screen.query_one(RowList).keys) == 4)
        assert app.screen.query_one(RowList).key == 0


@pytest.mark.slow
async def test_the_loss_grows_while_the_training_runs(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.train([2.5, 2.4], planned=50, finished=False)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "step 2 of 50" in shown(app))
        sample.train([2.5, 2.4, 2.3], planned=50, finished=False)
        await until(pilot, lambda: "step 3 of 50" in shown(app))


@pytest.mark.slow
async def test_differences_appear_when_the_last_item_is_answered(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "is compared when all 120 items are answered" in shown(app))
        for row in sample.store.database.rows("SELECT evaluation_id FROM evaluations"):
            sample.store.evaluations.finish_evaluation(row[0])
        await until(pilot, lambda: "Round 1 against the base: +11.7 points" in shown(app))
        assert "Kept: round 1, the only trained round" in shown(app) or "kept" in shown(app)


@pytest.mark.slow
async def test_enter_goes_to_the_panels_and_escape_back(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "▸ round 1" in shown(app))
        await until(pilot, lambda: app.screen.query_one(RoundPanels).max_scroll_y > 40)
        panels = app.screen.query_one(RoundPanels)
        await pilot.press("J")
        await until(pilot, lambda: panels.scroll_y > 10)
        await pilot.press("K")
        await until(pilot, lambda: panels.scroll_y == 0)
        await pilot.press("enter", "G")
        await until(pilot, lambda: panels.scroll_y == panels.max_scroll_y > 0)
        assert app.focused is panels
        await pilot.press("escape")
        assert app.focused is app.screen.query_one(RowList)


async def test_the_numbers_are_copied_as_text(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "Which round is kept" in shown(app) and "kept" in shown(app))
        await until(pilot, lambda: app.screen.query_one(RowList).key == 1)
        await pilot.press("y")
        await until(pilot, lambda: "numbers of this round was sent" in shown_words(app))
        text = app.clipboard
    assert text.startswith("Run 1, round 1")
    for fact in ("35.8%", "27.8 to 44.7", "nats per token", "mean share", "labelled"):
        assert fact in text


@pytest.mark.slow
async def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    sample.store.database.write("UPDATE benchmarks SET name = ?", [HOSTILE])
    assert sample.round
    sample.store.runs.finish_round(sample.round.round_id, HOSTILE)
    sample.store.measures.replace_measures_and_alarms(sample.run_id, 1, {}, [Alarm(HOSTILE[:40], True, HOSTILE)])
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "! fired" in shown(app))
        await until(pilot, lambda: "Round 1: [red]␛[2J�31m�" in shown(app))
        assert {c for c in shown(app) if unicodedata.category(c) in ("Cc", "Cf", "Cs")} <= {"\n"}
