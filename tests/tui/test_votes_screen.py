"""The Votes screen: the votes of a question, its neighbours and notes, and empty states."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, each_size, filled_workspace, fills, shown, until

from crescent_lite.records import QuestionVerdict
from crescent_lite.store import Store
from crescent_lite.store.browsing import QuestionFilter
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.notes import add_note
from crescent_tui.app import CrescentApp

pytestmark = pytest.mark.asyncio


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    return sample


def ask_and_vote(sample: SampleWorkspace, *answers: str | None) -> int:
    question_id = sample.ask("What is 2 + 3?")
    for index, answer in enumerate(answers):
        sample.vote(question_id, f"Reasoning {index}.\nI say {answer}.", answer, index)
    sample.conclude(question_id)
    return question_id


async def test_a_question_its_votes_and_a_solution_are_shown_at_once(sample: SampleWorkspace) -> None:
    ask_and_vote(sample, "n:6", "n:5", "n:5", None)
    app = CrescentApp(sample.workspace)
    async with app.run_test() as pilot:
        await pilot.press("3")
        words = ("What is 2 + 3?", "4 votes: labelled 5, share 50%, margin 25%", "★ kept as the example",
                 "Reasoning 1.", "Vote 2 · 5 · finished · 9 tokens · kept as the example")  # fmt: skip
        async for size in each_size(pilot):
            await until(pilot, lambda size=size: fills(app, size) and all(each in shown(app) for each in words))  # type: ignore[misc]


@pytest.mark.slow
async def test_a_solution_is_chosen_with_j_and_k(sample: SampleWorkspace) -> None:
    ask_and_vote(sample, "n:5", "n:5", "n:6", None)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Reasoning 0." in shown(app))
        await pilot.press("j", "j", "down")
        await until(
            pilot, lambda: "Vote 4 · no answer found · finished" in shown(app) and "Reasoning 3." in shown(app)
        )
        await pilot.press("k", "up")
        await until(pilot, lambda: "Reasoning 1." in shown(app))
        await pilot.press("enter")
        assert app.focused is not None
        assert app.focused.id == "solution"


@pytest.mark.slow
async def test_a_long_solution_is_scrolled_and_the_next_one_begins_at_its_top(sample: SampleWorkspace) -> None:
    question_id = sample.ask("What is 2 + 3?")
    for index in range(2):
        sample.vote(question_id, "\n".join(f"line {index}.{n}" for n in range(60)), "n:5", index)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "line 0.0" in shown(app) and "2 votes so far" in shown(app))
        await pilot.press("enter", "G")
        await until(pilot, lambda: "line 0.59" in shown(app))
        await pilot.press("shift+tab", "j")
        await until(pilot, lambda: "line 1.0" in shown(app))


async def test_neighbours_are_the_questions_with_votes(sample: SampleWorkspace) -> None:
    first = ask_and_vote(sample, "n:5")
    sample.ask("What is 4 + 4?", QuestionVerdict("rejected", "too_short", "What is 4 + 4?"))
    last = ask_and_vote(sample, "n:5")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: f"Question {last} of run 1" in shown(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: f"Question {first} of run 1" in shown(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "No more questions with votes." in shown(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: f"Question {last} of run 1" in shown(app))


async def test_disputed_questions_form_a_ring(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    disputed = sample.store.browsing.fetch_ids(QuestionFilter(sample.run_id, disputed=True))
    app = CrescentApp(sample.workspace)
    app.saved_state["question"] = None
    app.question_id = disputed[-1]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: f"Question {disputed[-1]} of run 1" in shown(app))
        await pilot.press("d")
        await until(pilot, lambda: f"Question {disputed[0]} of run 1" in shown(app))


@pytest.mark.slow
async def test_no_disputed_question_brings_a_notice(sample: SampleWorkspace) -> None:
    ask_and_vote(sample, "n:5")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Reasoning 0." in shown(app))
        await pilot.press("d")
        await until(pilot, lambda: "No question of this run is disputed." in shown(app))


@pytest.mark.slow
async def test_a_new_vote_is_added_and_the_selected_one_stays(sample: SampleWorkspace) -> None:
    question_id = sample.ask("What is 2 + 3?")
    for index in range(2):
        sample.vote(question_id, f"Reasoning {index}.", "n:5", index)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "2 votes so far, not counted yet" in shown(app))
        await pilot.press("j")
        sample.vote(question_id, "Reasoning 2.", "n:6", 2)
        await until(pilot, lambda: "3 votes so far" in shown(app) and "Reasoning 1." in shown(app))


async def test_a_solution_is_copied_as_printable_text(sample: SampleWorkspace) -> None:
    sample.vote(sample.ask("What is 2 + 3?"), "It is \x1b[31m5.", "n:5", 0)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "It is ␛[31m5." in shown(app))
        await pilot.press("y")
        await until(pilot, lambda: "Vote 1 was sent" in shown(app))
        assert app.clipboard == "It is ␛[31m5."


@pytest.mark.slow
async def test_a_note_is_kept_by_the_command_and_shown(sample: SampleWorkspace) -> None:
    question_id = ask_and_vote(sample, "n:5")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Reasoning 0." in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "It is never used as a label" in shown(app))
        await pilot.press("minus", "o", "d", "d", "enter")
        await until(pilot, lambda: "⚑ -odd" in shown(app), seconds=30)
    store = Store.open_read_only(sample.workspace.database_path)
    assert [note.text for note in store.notes.fetch(question_id)] == ["-odd"]
    store.close()


async def test_a_pending_note_is_marked(sample: SampleWorkspace) -> None:
    add_note(sample.workspace, ask_and_vote(sample, "n:5"), "it is [wrong]")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "⚑ it is [wrong]" in shown(app) and "not stored yet" in shown(app))


async def test_notes_are_removed_only_after_a_second_enter(sample: SampleWorkspace) -> None:
    add_note(sample.workspace, ask_and_vote(sample, "n:5"), "odd")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Reasoning 0." in shown(app))
        await pilot.press("f", "enter")
        await until(pilot, lambda: "Press enter again to remove every note on this question" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Reasoning 0." in shown(app))


async def test_without_a_run_there_are_no_votes(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "No run yet; press s to start one." in shown(app))
        await pilot.press("j", "y", "d", "right_square_bracket", "enter", "f")
        await until(pilot, lambda: "No question selected." in shown(app))


@pytest.mark.slow
async def test_before_the_first_vote_it_says_so_and_shows_the_vote_when_it_comes(sample: SampleWorkspace) -> None:
    question_id = sample.ask("What is 2 + 3?")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "No votes yet. A question is voted on after it has been kept." in shown(app))
        sample.vote(question_id, "It is 5.", "n:5", 0)
        await until(pilot, lambda: "It is 5." in shown(app))


async def test_a_rejected_question_says_why_it_has_no_votes(sample: SampleWorkspace) -> None:
    question_id = sample.ask("What?", QuestionVerdict("rejected", "too_short", "What?"))
    app = CrescentApp(sample.workspace)
    app.question_id = question_id
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Rejected, so not voted on: too short." in shown(app))


@pytest.mark.slow
async def test_a_removed_question_gives_way_to_the_newest_with_votes(
    sample: SampleWorkspace,
) -> None:
    ask_and_vote(sample, "n:5")
    app = CrescentApp(sample.workspace)
    app.question_id = 4711
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Reasoning 0." in shown(app))


@pytest.mark.slow
async def test_hostile_solutions_are_only_text(sample: SampleWorkspace) -> None:
    question_id = sample.ask("[red]What\x1b[2J is 2 + 3?")
    for index, text in enumerate(("\x1b]0;title\x07 [/] [bold", "‮abc\U000e0041\x9b", "x" * 1_000_000, "\n" * 50_000)):
        sample.vote(question_id, text, text[:40], index)
    sample.conclude(question_id)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        for number in range(1, 5):
            await until(pilot, lambda number=number: f"Vote {number} ·" in shown(app))  # type: ignore[misc]
            controls = {c for c in shown(app) if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
            assert controls <= {"\n"}
            await pilot.press("j")
