"""The Compare screen: two models answer in a child process that never outlives the question."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, each_size, filled_workspace, fills, shown, until
from small_workspace import workspace_with_adapter
from textual.widgets import Select

from crescent_lite.rounds import Standing
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.content.compare import (
    Side,
    after_line,
    answer_line,
    comparison_line,
    model_choices,
    side_stats,
    side_text,
)
from crescent_tui.screens.compare import CompareScreen, QuestionEditor
from crescent_tui.sources.child_process import StreamingCommand

LIVE_SECONDS = 60.0


def editor(app: CrescentApp) -> QuestionEditor:
    return app.screen.query_one(QuestionEditor)


def child(app: CrescentApp) -> StreamingCommand:
    assert isinstance(app.screen, CompareScreen)
    assert app.screen._child
    return app.screen._child


@pytest.mark.asyncio
@pytest.mark.slow
async def test_two_models_answer_one_question_live(tmp_path: Path) -> None:
    app = CrescentApp(workspace_with_adapter(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "round 1, kept" in shown(app))
        await pilot.press("e", *"-2+3", "question_mark", "enter")
        assert "loading the model" in shown(app)
        await until(pilot, lambda: "Error" in shown(app) or shown(app).count(" tokens, ") == 2, LIVE_SECONDS)
        await until(pilot, lambda: app.screen._child is None)  # type: ignore[attr-defined]
        text = shown(app)
    assert "Error" not in text
    assert any(words in text for words in ("No answer found on", "Only ", "Same answer", "Different answers"))
    assert "─ base " in text
    assert "─ round 1 " in text


@pytest.mark.asyncio
@pytest.mark.slow
async def test_escape_ends_the_child_and_asking_anew_ends_the_one_before(tmp_path: Path) -> None:
    app = CrescentApp(workspace_with_adapter(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "round 1, kept" in shown(app))
        editor(app).text = "2 + 3?"
        await pilot.press("ctrl+r")
        first = child(app)
        await pilot.press("f5")
        second = child(app)
        assert first is not second
        await until(pilot, lambda: first._process.poll() is not None)
        assert second._process.poll() is None
        await pilot.press("escape")
        await until(pilot, lambda: "cancelled" in shown(app) and second._process.poll() is not None)
        await pilot.press("ctrl+r")
        third = child(app)
    assert third._process.poll() is not None


@pytest.mark.asyncio
@pytest.mark.slow
async def test_an_error_of_the_child_is_shown_in_its_own_line(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "round 1, kept" in shown(app))
        editor(app).text = "2 + 3?"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Error: base.gguf: is missing; the run was made" in shown(app), LIVE_SECONDS)
        assert "No answer." in shown(app)


@pytest.mark.asyncio
async def test_a_key_takes_the_selected_question(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    number = sample.ask("[red]Two\nlines\x1b[2J of 2 + 3?")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "run 1" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: "No question selected" in shown(app))
        app.question_id = number
        await pilot.press("u")
        await until(pilot, lambda: f"Question #{number}" in shown(app))
        assert editor(app).text == "[red]Two\nlines␛[2J of 2 + 3?"
        assert "[red]Two" in shown(app)


@pytest.mark.asyncio
async def test_a_question_that_cannot_be_asked_has_a_reason(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "round 1, kept" in shown(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "No question yet" in shown(app))
        editor(app).text = "2 + 3?"
        app.screen.query_one("#right-model", Select).value = 0
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Both sides are the same model" in shown(app))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_keys_of_the_app_are_letters_in_the_question_and_escape_leads_out(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6", "e", *"1sqxu", "question_mark")
        assert editor(app).text == "1sqxu?"
        assert not app.starting
        await pilot.press("escape", "7")
        await until(pilot, lambda: app.current_mode == "sql")


@pytest.mark.asyncio
@pytest.mark.slow
async def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "No run yet; press s to start one" in shown(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "No model to ask yet" in shown(app))
    assert not (tmp_path / "nothing-here").exists()


@pytest.mark.asyncio
async def test_an_active_run_brings_a_warning(tmp_path: Path) -> None:
    app = CrescentApp(workspace_with_adapter(tmp_path))
    with app.workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("6")
            await until(pilot, lambda: "round 1, kept" in shown(app) and app.snapshot.engine_is_busy)
            editor(app).text = "2 + 3?"
            await pilot.press("ctrl+r")
            await until(pilot, lambda: "it shares memory and processor" in shown(app))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_it_fits_the_terminal(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    facts = ("answer: 6", "6.␛[2J", "[red]We add", "12 tokens, 1.2 s", "Question", "Different answers: 5 and 6.")
    async with app.run_test() as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "─ round 1 ─" in shown(app) and "Ask" in shown(app))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        for name, answer in (("left", "5"), ("right", "6")):
            end = {"done": True, "answer_key": f"n:{answer}", "tokens": 12, "seconds": 1.25, "finish_reason": "stop"}
            text = "[red]We add. " * 40 + f"So it is {answer}.\x1b[2J"
            line = json.dumps({"model": screen._sides[name].model, "text": text, **end})
            screen._sides[name] = after_line(screen._sides[name], line)
        screen._show_sides()
        screen._say(comparison_line(*screen._sides.values()))
        async for size in each_size(pilot):
            await until(pilot, lambda size=size: fills(app, size) and all(fact in shown(app) for fact in facts))  # type: ignore[misc]


@pytest.mark.asyncio
@pytest.mark.slow
async def test_answers_stay_when_a_further_round_can_be_chosen(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "─ round 1 ─" in shown(app))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        screen._sides["left"] = replace(screen._sides["left"], state="done", text="It is 5.")
        screen._set_choices(Standing(1, {}, {1: 5, 2: 6}, 2))
        await pilot.pause()
        assert [side.model for side in screen._sides.values()] == ["base", "round 1"]
        assert screen._sides["left"].text == "It is 5."


def test_pieces_make_a_text_and_other_lines_change_nothing() -> None:
    side = Side("base", "loading")
    for line in ('{"model": "base", "text": "It "}', '{"model": "round 1", "text": "no"}', "no JSON", "[1]", "{}"):
        side = after_line(side, line)
    side = after_line(
        side, '{"model": "base", "text": "is 5.", "done": true, "answer_key": "n:5", "tokens": 3, "seconds": 1}'
    )
    assert side == Side("base", "done", "It is 5.", "n:5", 3, 1.0, "")
    assert after_line(side, '{"model": "base", "text": "more"}') == side


def test_answers_are_compared_by_their_value() -> None:
    five, none = Side("base", "done", "5", "n:5"), Side("round 1", "done", "well")
    assert str(comparison_line(five, replace(none, answer_key="n:5"))) == "= Same answer: 5."
    assert str(comparison_line(five, replace(none, answer_key="n:6"))) == "≠ Different answers: 5 and 6."
    assert str(comparison_line(none, five)) == "Only base gives an answer: 5."
    assert str(comparison_line(none, none)) == "No answer found on either side."
    assert str(comparison_line(five, replace(none, state="ended"))) == ""
    assert str(answer_line(none)) == "no answer found"
    cut = after_line(
        Side("base", "answering"), '{"model": "base", "text": "", "done": true, "abstained": "in_thoughts"}'
    )
    assert str(answer_line(cut)) == "no answer: it never left its thoughts"


def test_a_cut_off_answer_is_marked() -> None:
    side = Side("base", "done", "and", None, 1200, 3.04, "length")
    assert side_stats(side) == "1,200 tokens, 3.0 s, cut off: token limit"
    assert str(side_text(Side("base", "done"))) == "The answer is empty."


def test_the_kept_round_is_named_among_the_models() -> None:
    assert model_choices(Standing(1, {}, {1: 5, 2: 6}, 1)) == (("base", 0), ("round 1, kept", 1), ("round 2", 2))
    assert model_choices(None) == ()


@pytest.mark.slow
def test_a_child_that_fails_gives_the_reason(tmp_path: Path) -> None:
    lines: list[str] = []
    ended = StreamingCommand(Workspace(tmp_path), "2 + 3?", "answer", "-", "--json").follow(lines.append)
    assert (ended.exit_code, lines) == (5, [])
    assert "is not a workspace" in ended.last_line


def test_votes_are_listed_as_they_end_and_then_their_majority() -> None:
    side = Side("base", "loading")
    for key in ('"n:12"', "null"):
        side = after_line(side, f'{{"model": "base", "vote": 1, "text": "x", "done": false, "answer_key": {key}}}')
    assert str(side_text(side)) == "a vote: 12\na vote: no answer"
    assert side_stats(side) == "answering … 2 votes"
    end = {"answer_key": "n:12", "words": "12 in 1 of 2 votes; no answer: 1", "remarks": ["1 vote cut off\x1b[2J"]}
    side = after_line(side, json.dumps({"model": "base", "text": "It is 12.", "done": True, "tokens": 9, **end}))
    assert str(side_text(side)) == "It is 12."
    assert str(answer_line(side)) == "answer: 12\n12 in 1 of 2 votes; no answer: 1\n1 vote cut off␛[2J"
    assert side_stats(side) == "2 votes, 9 tokens, 0.0 s"


@pytest.mark.asyncio
@pytest.mark.slow
async def test_two_models_answer_by_vote(tmp_path: Path) -> None:
    app = CrescentApp(workspace_with_adapter(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "round 1, kept" in shown(app))
        app.screen.query_one("#votes", Select).value = 8
        editor(app).text = "2 + 3?"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Error" in shown(app) or shown(app).count("8 votes, ") == 2, LIVE_SECONDS)
        text = shown(app)
    assert "Error" not in text
