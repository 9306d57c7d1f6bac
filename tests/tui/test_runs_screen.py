"""The Runs screen: families, filters, order, runs drawn together, and a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from sample_workspace import SampleWorkspace, filled_workspace, shown, until
from textual.pilot import Pilot

from crescent_lite.store.run_rows import RunRow, RunScore
from crescent_tui.app import CrescentApp
from crescent_tui.content.row_cells import widths
from crescent_tui.content.runs import cells, columns, in_full, matching, primary_score
from crescent_tui.screens.runs import RunsScreen
from crescent_tui.screens.text import TextScreen
from crescent_tui.widgets.chart import Chart
from crescent_tui.widgets.row_list import RowList

HOSTILE = "[red]\x1b[2J\u202e漢"


def row(run_id: int, base: float | None = 0.3, score: float | None = 0.35, **fields: object) -> RunRow:
    scores = (
        RunScore("sums", "bare", "score", 100, base, score, True),
        RunScore("sums", "solve", "score", 100, 0.9, 0.9, False),
        RunScore("extra", "bare", "final", 100, 0.1, 0.9, True),
    )
    values: dict[str, object] = {
        "name": None, "note": None, "kind": "improvement", "control": None, "parent_id": None, "model": "a model",
        "state": "finished", "reason": None, "rounds_planned": 2, "rounds": 1, "round": 1, "labels": 40,
        "scores": scores, "seconds": 3700.0, "tokens": 12_000,
        "differs": {"train.learning_rate": 0.001, "run.seed": 7},
        "effective": {}, "preset": "quick", "seed": 7, "sweep": None, "sweep_position": None,
        "started_at": "2026-11-26T09:00:00+00:00", "finished_at": None,
    }  # fmt: skip
    return RunRow(run_id, **{**values, **fields})  # type: ignore[arg-type]


def test_a_score_is_that_of_the_benchmarks_of_the_first_role_with_the_primary_prompt() -> None:
    assert primary_score(row(1)) == (0.3, 0.35, 100)
    assert primary_score(row(1, scores=())) is None


def test_what_all_runs_have_alike_does_not_stand_in_their_rows() -> None:
    said = cells(row(1), 80, selected=False, common={"run.seed": 7}, flat=False)[-1].text
    assert said == "train.learning_rate = 0.001"
    assert "run.seed = 7" in in_full(row(1)).plain


def test_a_run_is_found_by_its_name_note_state_and_settings() -> None:
    rows = [row(1, name="first try"), row(2, note="with more votes"), row(3, state="failed", differs={})]
    expected = {"FIRST": [1], "more votes": [2], "failed": [3], "rate": [1, 2], "x y z": []}
    assert {typed: [each.run_id for each in matching(rows, typed)] for typed in expected} == expected


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_columns_leave_room_for_what_differs(width: int) -> None:
    made = columns(width)
    assert widths(made, width - 4)[-1] >= 8
    row_cells = cells(row(1, name=HOSTILE, differs={HOSTILE: HOSTILE}), width, selected=True, common={}, flat=True)
    assert len(row_cells) == len(made)


def family(folder: Path) -> SampleWorkspace:
    """A finished run with a control and a distillation, and a later run."""
    sample = filled_workspace(folder)
    first = sample.run_id
    control = sample.store.runs.insert_run("evaluation", sample.base_id, {}, control="coin", control_of=first)
    student = sample.store.runs.insert_run("improvement", sample.base_id, {}, teacher_id=first)
    for run_id in (control, student):
        sample.store.runs.set_plan(run_id, sample.store.runs.fetch_run(first).config, 1)
    sample.begin_run()
    sample.begin_round()
    sample.train([1.5, 1.2], 40)
    return sample


async def opened(pilot: Pilot[None]) -> RunsScreen:
    await until(pilot, lambda: "run 4" in shown(pilot.app))
    await pilot.press("r")
    await until(pilot, lambda: "Runs: 4" in shown(pilot.app))
    screen = pilot.app.screen
    assert isinstance(screen, RunsScreen)
    return screen


@pytest.mark.asyncio
@pytest.mark.slow
async def test_controls_and_distillations_stand_under_their_run_and_enter_shows_one(tmp_path: Path) -> None:
    app = CrescentApp(family(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert list(screen.query_one(RowList).keys) == [4, 1, 2, 3]
        assert "└─ run 2: control coin" in shown(app) and "└─ run 3: distillation" in shown(app)
        assert {cell_len(line) for line in shown(app).splitlines()} == {120}
        await pilot.press("slash", *"coin", "enter")
        await until(pilot, lambda: "Runs: 1" in shown(app) and "└─" not in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "run 2 ·" in shown(app))
        assert app.commands[-1].text.startswith("crescent show run 2 -w ")


@pytest.mark.asyncio
async def test_selected_runs_are_drawn_together_each_in_its_colour(tmp_path: Path) -> None:
    app = CrescentApp(family(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("g", "space", "space")
        chart = screen.query_one(Chart)
        await until(pilot, lambda: {curve.number for curve in chart._curves} == {1, 4})
        assert "2 selected" in shown(app) and "⠤ run 4" in shown(app) and "⠤ run 1" in shown(app)
        await pilot.press("g", "space")
        await until(pilot, lambda: {curve.number for curve in chart._curves} == {1})


@pytest.mark.asyncio
@pytest.mark.slow
async def test_selected_runs_are_compared_by_the_command(tmp_path: Path) -> None:
    app = CrescentApp(family(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("g", "space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, TextScreen), 90)
        await until(pilot, lambda: "run 1" in shown(app))  # it is drawn a moment later
