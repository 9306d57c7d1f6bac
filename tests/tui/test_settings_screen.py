"""The Settings screen: settings of the run and of the file, differences, a filter, a broken file, hostile values."""

from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, shown, until

from crescent_lite.config import load_config
from crescent_tui.app import CrescentApp

pytestmark = pytest.mark.asyncio


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    return SampleWorkspace(tmp_path)


@pytest.mark.slow
async def test_without_a_run_the_file_is_shown(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: "Settings of crescent.toml: " in shown(app))
        await until(pilot, lambda: "run.patience" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "No run yet; press f to show crescent.toml." in shown(app))


@pytest.mark.slow
async def test_the_runs_settings_are_marked_where_the_file_differs_now(sample: SampleWorkspace) -> None:
    sample.begin_run(votes=8)
    sample.workspace.config_path.write_text("[vote]\nvotes_per_question = 5\n")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: "Settings of run 1: " in shown(app) and "run.rounds" in shown(app))
        await pilot.press("slash", *"votes_per_question", "enter")
        await until(pilot, lambda: "≠  vote.votes_per_question" in shown(app))
        assert "in crescent.toml now: 5" in shown(app)
        assert "Solutions drawn for each kept question, at most." in shown(app)
        await pilot.press("f")
        await until(pilot, lambda: "Settings of crescent.toml: 1" in shown(app))
        assert "in run 1: 8" in shown(app)


@pytest.mark.slow
async def test_only_the_differences_can_be_listed(sample: SampleWorkspace) -> None:
    sample.begin_run()
    sample.store.runs.set_plan(sample.run_id, load_config(sample.workspace.config_path).as_dict(), 2)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: "run.rounds" in shown(app))
        await pilot.press("d")
        await until(pilot, lambda: "The run and crescent.toml have the same settings." in shown(app))
        sample.workspace.config_path.write_text("[bait]\nquestions = 7\n")
        sample.begin_round()
        await until(pilot, lambda: "differences only: 1" in shown(app))
        await until(pilot, lambda: "in crescent.toml now: 7" in shown(app))


@pytest.mark.slow
async def test_words_that_no_setting_has_show_how_to_go_back(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9", "slash", *"zzzz")
        await until(pilot, lambda: "No setting matches; press escape to show all." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "run.rounds" in shown(app))


@pytest.mark.slow
async def test_a_broken_file_is_shown_as_its_error(sample: SampleWorkspace) -> None:
    sample.begin_run()
    sample.workspace.config_path.write_text("[vote]\nvotes = '\x7f[red]'\n")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: "not valid TOML" in shown(app))
        sample.workspace.config_path.write_text("[vote]\nvotes = 3\n")
        sample.begin_round()
        await until(pilot, lambda: "'votes_per_question'?" in shown(app))
        assert "Settings of run 1" in shown(app)


@pytest.mark.slow
async def test_hostile_values_are_shown_as_text(sample: SampleWorkspace) -> None:
    sample.workspace.config_path.write_text(
        '[bait]\nassistant_prefix = "[/bold]\\u001b[31m\\u202e' + "x" * 100_000 + '"\n', encoding="utf-8"
    )
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9", "slash", *"assistant_prefix")
        await until(pilot, lambda: "[/bold]␛[31m�xxx" in shown(app))
        assert "\x1b" not in shown(app)
