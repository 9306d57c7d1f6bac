"""The start form: the arguments it passes on, invalid values, and an unfinished run."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, agree, shown, until
from textual.pilot import Pilot

from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.content.start_form import FIELDS
from crescent_tui.screens.start import StartScreen
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio


class StartedWith(CrescentApp):
    """Records the arguments instead of starting an engine."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.arguments: list[str] | None = None

    def start(self, arguments: Sequence[str] = (), command: str = "run") -> None:
        self.arguments = list(arguments)


async def opened(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: "no run yet" in shown(pilot.app) or "killed" in shown(pilot.app))
    await pilot.press("S")
    await until(pilot, lambda: "Start a run" in shown(pilot.app) and "run.rounds" in shown(pilot.app))


async def find(pilot: Pilot[None], name: str) -> None:
    """Filter all settings by a name and go to the list."""
    await pilot.press("slash", *["backspace"] * 20, *name, "enter")


@pytest.mark.slow
async def test_without_a_change_nothing_is_passed_on(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "Start begins a run with these settings; nothing changed." in shown(app)
        await pilot.press("s")
        await agree(pilot, "Start a new run?")
        await until(pilot, lambda: app.arguments is not None)
    assert app.arguments == []


@pytest.mark.slow
async def test_only_what_was_changed_is_passed_on(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("j", "j", "j", "enter", "backspace", "5", "enter")
        await pilot.press("j", "enter", "backspace", "3", "enter")
        await find(pilot, "preset")
        await pilot.press("enter")
        await until(pilot, lambda: "3 changed" in shown(app))
        assert "typed here" in shown(app)
        await pilot.press("ctrl+s")
        await agree(pilot, "Start a new run?")
        await until(pilot, lambda: app.arguments is not None)
    assert app.arguments == ["--set", "vote.votes_per_question=5", "--rounds", "3", "--preset", "default"]


@pytest.mark.slow
async def test_an_invalid_value_is_reported_as_it_is_typed_and_does_not_start(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await find(pilot, "run.rounds")
        await pilot.press("enter", "x")
        await until(pilot, lambda: "run.rounds: must be a whole number, not '1x'" in shown(app))
        assert re.search(r"✗  run.rounds +1x +invalid", shown(app))
        await pilot.press("ctrl+s")
        assert app.arguments is None
        await pilot.press("backspace")
        await until(pilot, lambda: "must be a whole number" not in shown(app))
        await pilot.press("x", "escape")
        await until(pilot, lambda: "nothing changed" in shown(app))


@pytest.mark.slow
async def test_a_change_can_be_taken_back(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("G", "space")
        await until(pilot, lambda: "1 changed" in shown(app) and "preference" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: "nothing changed" in shown(app))


@pytest.mark.slow
async def test_an_unfinished_run_goes_on_unless_another_one_is_wanted(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    app = StartedWith(sample.workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "Run 1 is unfinished; Start resumes it" in shown(app))
        await find(pilot, "bait.questions")
        await pilot.press("enter", "1", "enter")
        await until(pilot, lambda: "Not changed in a resumed run: bait.questions." in shown(app))
        await pilot.press("w")
        await until(pilot, lambda: "Run 1 stays unfinished." in shown(app))
        await pilot.press("s")
        await agree(pilot, "Start a new run?")
        await until(pilot, lambda: app.arguments is not None)
    assert app.arguments == ["--new", "--set", "bait.questions=4001"]


async def test_a_broken_file_is_reported_and_starts_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create("[vote]\nvotes = '[red]\\u001b'\n")
    app = StartedWith(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await pilot.press("S")
        await until(pilot, lambda: "'votes_per_question'?" in shown(app))
        await pilot.press("s")
        assert app.arguments is None
        await pilot.press("escape")
        await until(pilot, lambda: "Start a run" not in shown(app))


async def test_while_a_run_is_at_work_there_is_no_form(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = StartedWith(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await until(pilot, lambda: "running" in shown(app))
            await pilot.press("S")
            await until(pilot, lambda: "A run is already active" in shown(app))


@pytest.mark.slow
async def test_the_form_can_be_driven_with_the_mouse(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Press  s  to start a run" in shown(app))
        await pilot.click("#first-form")
        await until(pilot, lambda: "Start a run" in shown(app))
        await pilot.click("#form-start")
        await agree(pilot, "Start a new run?")
        await until(pilot, lambda: app.arguments is not None)
    assert app.arguments == []


@pytest.mark.slow
async def test_the_first_page_has_eight_fields_and_all_settings_are_folded_by_section(tmp_path: Path) -> None:
    app = StartedWith(Workspace(tmp_path))
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        form = app.screen
        assert isinstance(form, StartScreen)
        assert [row.key for row in form._shown] == list(FIELDS)
        assert all(f" {field} " in shown(app) for field in FIELDS.values())
        await until(pilot, lambda: "estimated once the workspace is there" in shown(app))
        await pilot.press("j", "j", "enter", "backspace", "1", "enter", "a")
        await until(pilot, lambda: "▸  bait" in shown(app))
        words = shown(app)
        assert words.index("bait.questions") < words.index("preset") < words.index("▸  run")
        assert "vote.max_tokens" not in words
        form.query_one(RowList).move_to_key([row.key for row in form._shown].index("[vote]"))
        await pilot.press("enter")
        await until(pilot, lambda: "▾  vote" in shown(app) and "vote.max_tokens" in shown(app))
        await pilot.press("space", "a")
        await until(pilot, lambda: "votes per question" in shown(app) and "▸" not in shown(app))


@pytest.mark.slow
async def test_a_model_and_a_benchmark_are_chosen_from_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    workspace = Workspace(tmp_path / "work")
    workspace.create("")
    for name in ("models/[red]a.gguf", "models/b-00001-of-00002.gguf", "models/b-00002-of-00002.gguf"):
        (workspace.folder / name).parent.mkdir(exist_ok=True)
        (workspace.folder / name).write_bytes(b"GGUF")
    app = StartedWith(workspace)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        form = app.screen
        assert isinstance(form, StartScreen)
        await until(pilot, lambda: "model.source" in form._choices)
        await pilot.press("enter")
        await until(pilot, lambda: "another value, typed" in shown(app))
        assert "models/[red]a.gguf" in shown(app) and "b-00002-of" not in shown(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "1 changed" in shown(app))
        await pilot.press("j", "j", "j", "j", "j", "enter")
        await until(pilot, lambda: "svamp" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "2 changed" in shown(app))
        await pilot.press("ctrl+s")
        await agree(pilot, "Start a new run?")
        await until(pilot, lambda: app.arguments is not None)
    assert app.arguments == [
        "--set", 'model.source="models/[red]a.gguf"', "--set",
        'evaluate.benchmarks={ "gsm8k" = { builtin = "gsm8k" } }',
    ]  # fmt: skip
