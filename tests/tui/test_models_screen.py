"""The Models screen: the tree, one model in full, exports and the choice of a round."""

import unicodedata
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace, shown, until

from crescent_lite.export.provenance import write_provenance
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio
COMMAND_SECONDS = 60.0
"""A command starts another Python process."""


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.slow
async def test_the_tree_has_sizes_kept_marks_and_scores(tmp_path: Path, size: tuple[int, int]) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=size) as pilot:
        await pilot.press("5")
        for fact in ("Models: 2", "SmolLM2-135M-Instruct", "└─⠀run 1", "round 1", "file missing", "kept", "q Quit"):
            await until(pilot, lambda fact=fact: fact in shown(app), 30)  # type: ignore[misc]
        await until(pilot, lambda: "24.2%" in shown(app) and "35.8%⠀⠀+11.7" in shown(app))
        assert [len(line) for line in shown(app).splitlines()] == [size[0]] * size[1]


async def test_without_a_model_the_screen_says_where_models_come_from(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "No model yet" in shown(app))
        await pilot.press("e", "b", "B", "y")
        assert app.screen.is_current


async def test_the_arrows_choose_a_model_and_it_is_shown_in_full(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("j")
        await until(pilot, lambda: "run 1, running" in shown(app))
        await pilot.press("down")
        await until(pilot, lambda: "adapter · run 1, round 1" in shown(app))
        assert "sha256  2222" in shown(app)


@pytest.mark.slow
async def test_a_model_that_is_trained_appears_without_a_key_press(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "No model yet" in shown(app))
        sample.begin_run()
        await until(pilot, lambda: "Models: 1" in shown(app))
        sample.begin_round()
        sample.train([2.0], 1)
        await until(pilot, lambda: "round 1" in shown(app))


@pytest.mark.slow
async def test_an_export_is_listed_under_its_round(tmp_path: Path) -> None:
    workspace = filled_workspace(tmp_path).workspace
    app = CrescentApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        folder = workspace.exports / "mine"
        folder.mkdir(parents=True)
        write_provenance(folder, 1, {1: 1.0}, "gguf", "q4_k_m", 0.93)
        await pilot.press("4", "5")
        await until(pilot, lambda: "merged gguf, q4_k_m" in shown(app))
        await pilot.press("G")
        await until(pilot, lambda: "keeps   93% of the" in shown(app))
        await pilot.press("y")
        assert app.clipboard == str(folder)


@pytest.mark.slow
async def test_the_path_is_copied(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("y")
        await until(pilot, lambda: "The path was sent" in shown(app))
        assert app.clipboard == "base.gguf"
        await pilot.press("j", "y")
        await until(pilot, lambda: "A run has no file" in shown(app))


async def test_a_base_is_neither_exported_nor_kept(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        for key, words in (("e", "Choose a run"), ("b", "Choose the adapter"), ("B", "Choose a run, or")):
            await pilot.press(key)
            await until(pilot, lambda words=words: words in shown(app))  # type: ignore[misc]


@pytest.mark.slow
async def test_an_export_runs_in_the_background_and_shows_its_path(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("j", "j", "e")
        await until(pilot, lambda: "Export run 1, round 1" in shown(app))
        assert "one GGUF, q4_k_m" in shown(app)
        await pilot.press("end", "k", "j", "enter")
        await until(pilot, lambda: "export of run 1: examples …" in shown(app))
        await pilot.press("k")
        assert app.screen.query_one(RowList).cursor == 1  # it can be used meanwhile
        await until(pilot, lambda: "✓ export of run 1: examples" in shown(app), COMMAND_SECONDS)
        await until(pilot, lambda: "11 examples" in shown(app))
    assert len((sample.workspace.exports / "run-1-conversational.jsonl").read_text().splitlines()) == 11


@pytest.mark.slow
async def test_an_export_that_fails_shows_the_reason(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("j", "e")
        await until(pilot, lambda: "Export run 1, round 1" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "✗ export of run 1, round 1: adapter:" in shown(app), COMMAND_SECONDS)


@pytest.mark.slow
async def test_an_export_can_be_cancelled(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("j", "e")
        await until(pilot, lambda: "Export run 1, round 1" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Export run 1" not in shown(app))
        assert "export of" not in shown(app)


@pytest.mark.slow
async def test_keeping_a_round_requires_a_yes_and_deletes_nothing(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sha256  1111" in shown(app))
        await pilot.press("j", "j", "b")
        await until(pilot, lambda: "Keep round 1 of run 1?" in shown(app) and "Nothing is deleted" in shown(app))
        await pilot.press("n")
        await until(pilot, lambda: "Nothing is deleted" not in shown(app))
        assert sample.store.runs.fetch_run().chosen_round is None
        await pilot.press("b")
        await until(pilot, lambda: "Nothing is deleted" in shown(app))
        await pilot.press("y")
        await until(pilot, lambda: "✓ keep round 1 of run 1" in shown(app), COMMAND_SECONDS)
        assert sample.store.runs.fetch_run().chosen_round == 1
        await until(pilot, lambda: "chosen by hand" in shown(app))
        await pilot.press("B")
        await until(pilot, lambda: "Keep its best round of run 1?" in shown(app))
        await pilot.press("j", "k", "enter")
        await until(pilot, lambda: "✓ keep the best round of run 1" in shown(app), COMMAND_SECONDS)
        assert sample.store.runs.fetch_run().chosen_round is None


async def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    hostile = "[red]\x1b[2J\x9b31m\u202e" + "x" * 100_000
    sample.store.database.write("UPDATE models SET name = ?, source = ?, path = ?", [hostile] * 3)
    sample.store.database.write("UPDATE benchmarks SET name = ?", [hostile])
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "[red]␛[2J�31m�" in shown(app) and "sha256  1111" in shown(app))
        assert {c for c in shown(app) if unicodedata.category(c) in ("Cc", "Cf", "Cs")} <= {"\n"}
