"""The Questions screen: the list, the filter, one question in full, and hostile texts."""

import unicodedata
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, each_size, filled_workspace, fills, shown, until
from textual.pilot import Pilot
from textual.widgets import Input, Select

from crescent_lite.records import QuestionVerdict
from crescent_lite.store.browsing import QuestionFilter
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio

HOSTILE = (
    "\x1b]52;c;aGFjaw==\x07 12?",
    "\x1b[2J\x1b[31mred 3",
    "[/] [bold 4",
    "[link=file:///etc/passwd]5[/link]",
    "\x9b31m 6 \x85",
    "7 \u202e8\u2066 \U000e0041",
    "lone surrogates are refused by SQLite, wide ones are not: 漢字 👩‍👩‍👧 9" + "́" * 50,
    "x" * 100_000 + " 10",
    "\r\n\t\r 11 \x00\x08\x0b",
)


def listing_all(workspace: Workspace) -> CrescentApp:
    """The app with a Questions screen that was left with all questions listed."""
    app = CrescentApp(workspace)
    app.saved_state["questions"] = {}
    return app


@pytest.mark.slow
async def test_at_first_only_kept_questions_are_listed(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "Questions: kept, 14" in shown(app))
        assert "rejected" not in shown(app).split("#14")[0].split("Questions: kept")[1]
        sample.ask("What is 50 + 50?")
        sample.ask("What is it?", QuestionVerdict("rejected", "no_number", "What is it?"))
        await until(pilot, lambda: "Questions: kept, 15" in shown(app))


@pytest.mark.slow
async def test_questions_are_listed_newest_first(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "What is 2 + 3?" in shown(app))
        sample.ask("What is 4 + 4?")
        await until(pilot, lambda: "What is 4 + 4?" in shown(app))
        assert shown(app).index("What is 4 + 4?") < shown(app).index("What is 2 + 3?")


@pytest.mark.slow
async def test_the_verdict_key_goes_through_all_kept_and_rejected(tmp_path: Path) -> None:
    app = listing_all(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        for title in ("all, 40", "rejected, 26", "kept, 14", "all, 40"):
            await until(pilot, lambda title=title: f"Questions: {title}" in shown(app))  # type: ignore[misc]
            await pilot.press("v")


async def test_a_rejected_question_shows_its_match(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    match = sample.ask("What is 2 + 3?")
    text = "What is 2 + 3, then?"
    sample.ask(text, QuestionVerdict("rejected", "near_duplicate", text, match, 93.2))
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "Too close to #1, 93 of 100 alike" in shown(app))
        assert "rejected: near duplicate" in shown(app)


@pytest.mark.slow
async def test_votes_are_counted_by_their_answer(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    question_id = sample.ask("What is 2 + 3?")
    for index, key in enumerate(("5", "5", "6", None)):
        sample.vote(question_id, f"I say {key}.", key, index)
    app = listing_all(sample.workspace)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "4 votes so far" in shown(app))
        sample.conclude(question_id)
        await until(pilot, lambda: "4 votes: labelled 5, share 50%, margin 25%" in shown(app))
        assert "no answer found" in shown(app)


@pytest.mark.slow
async def test_the_cursor_stays_on_its_question_while_others_arrive(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "#40 ·" in shown(app))
        await pilot.press("pagedown", "down", "j", "k")
        chosen, row = app.question_id, app.screen.query_one(RowList).cursor
        assert row == 40 - (chosen or 0) > 5
        await until(pilot, lambda: f"#{chosen} ·" in shown(app))
        sample.ask("What is 50 + 50?")
        await until(pilot, lambda: "Questions: all, 41" in shown(app))
        assert app.screen.query_one(RowList).cursor == row + 1
        assert app.question_id == chosen
        assert f"#{chosen} ·" in shown(app)


async def type_words(pilot: Pilot[None], words: str) -> None:
    await pilot.press(*("space" if c == " " else c for c in words))


@pytest.mark.slow
async def test_results_follow_each_key_of_a_search(tmp_path: Path) -> None:
    app = listing_all(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "all, 40" in shown(app))
        await pilot.press("slash")
        await type_words(pilot, "pl")
        await until(pilot, lambda: "all, 14" in shown(app) and "only: “pl”" in shown(app))
        await type_words(pilot, "us 16")
        await until(pilot, lambda: "all, 1 " in shown(app) and "What is 12 plus 16?" in shown(app))
        await type_words(pilot, "q")
        await until(pilot, lambda: "No question matches; press c to clear the filter." in shown(app))
        await pilot.press("backspace", "enter")
        assert isinstance(app.focused, RowList)
        await until(pilot, lambda: "all, 1 " in shown(app))
        found = app.question_id
        await pilot.press("slash", "escape")
        await until(pilot, lambda: "all, 40" in shown(app))
        assert app.question_id == found == 26


@pytest.mark.slow
async def test_a_filter_is_chosen_in_a_form_and_cleared_with_a_key(tmp_path: Path) -> None:
    app = listing_all(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "all, 40" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "Filter questions" in shown(app))
        form = app.screen
        form.query_one("#by-reason", Select).value = "low_share"
        form.query_one("#high", Input).focus()
        await pilot.press("2", "0", "0", "enter")
        await until(pilot, lambda: "Shares must be from 0 to 100 %" in shown(app))
        await pilot.press("backspace", "backspace", "backspace", "4", "5", "enter")
        await until(pilot, lambda: "only: reason low share · share 0% to 45%" in shown(app))
        await until(pilot, lambda: "all, 3 " in shown(app))
        await pilot.press("c")
        await until(pilot, lambda: "kept, 14" in shown(app))  # as the screen begins


@pytest.mark.slow
async def test_a_box_that_is_not_chosen_is_empty(tmp_path: Path) -> None:
    app = listing_all(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2", "f")
        await until(pilot, lambda: "▐ ▌ disputed" in shown(app))
        app.screen.query_one("#disputed").focus()
        await pilot.press("space")
        await until(pilot, lambda: "▐x▌ disputed" in shown(app))
        await pilot.press("enter")  # applies the whole panel, from a box too
        await until(pilot, lambda: "only: disputed" in shown(app))


@pytest.mark.slow
async def test_the_filter_is_there_again_at_the_next_start(tmp_path: Path) -> None:
    workspace = filled_workspace(tmp_path).workspace
    app = listing_all(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "all, 40" in shown(app))
        await pilot.press("v", "slash", "2")
        await until(pilot, lambda: "Questions: rejected, 2 " in shown(app))
    again = CrescentApp(workspace)
    async with again.run_test(size=(80, 24)) as pilot:
        words = ("Questions: rejected, 2 ", "only: rejected · “2”")
        await until(pilot, lambda: all(each in shown(again) for each in words))


async def test_the_next_disputed_question_is_down_the_list_and_then_the_first(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    disputed = sample.store.browsing.fetch_ids(QuestionFilter(sample.run_id, disputed=True))
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "#40 ·" in shown(app))
        for expected in [*disputed, disputed[0]]:
            await pilot.press("d")
            await until(pilot, lambda expected=expected: f"#{expected} ·" in shown(app))  # type: ignore[misc]


@pytest.mark.slow
async def test_a_match_stands_beside_the_question_where_there_is_room(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    match = sample.ask("What is 2 + 3?")
    sample.ask("What is 2 + 4?", QuestionVerdict("rejected", "near_duplicate", "What is 2 + 4?", match, 93.2))
    app = listing_all(sample.workspace)
    async with app.run_test() as pilot:
        await pilot.press("2")
        async for size in each_size(pilot):
            await until(pilot, lambda size=size: fills(app, size) and "Too close to #1" in shown(app))  # type: ignore[misc]
            (line,) = [line for line in shown(app).splitlines() if "This question" in line]
            assert ("Too close to #1" in line) == (size[0] >= 120)
            assert "all questions" in shown(app)


@pytest.mark.slow
async def test_enter_opens_the_votes_and_the_way_back_selects_the_last_question(tmp_path: Path) -> None:
    app = listing_all(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "all, 40" in shown(app))
        app.screen.query_one(RowList).move_to_key(9)
        await until(pilot, lambda: "#9 ·" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Question 9 of run 1" in shown(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Question 8 of run 1" in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: "#8 ·" in shown(app))
        assert app.screen.query_one(RowList).key == 8


@pytest.mark.slow
async def test_a_question_is_copied_as_printable_text(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is\x1b[31m 2 + 3?")
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "#1 ·" in shown(app))
        await pilot.press("y")
        await until(pilot, lambda: "Question 1 was sent" in shown(app))
        assert app.clipboard == "What is␛[31m 2 + 3?"


@pytest.mark.slow
async def test_a_question_being_read_stays_while_others_arrive(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "#1 ·" in shown(app))
        await pilot.press("tab")
        sample.ask("What is 4 + 4?")
        await until(pilot, lambda: "all, 2 " in shown(app))
        assert app.question_id == 1
        await pilot.press("tab", "g")
        sample.ask("What is 5 + 4?")
        await until(pilot, lambda: "#3 ·" in shown(app))


@pytest.mark.slow
async def test_an_older_question_is_listed_once_it_matches(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    first, second = sample.ask("What is 2 + 3?"), sample.ask("What is 4 + 3?")
    app = listing_all(sample.workspace)
    app.saved_state["questions"] = {"reason": "tie"}
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "No question matches" in shown(app))
        for question_id in (second, first):
            sample.vote(question_id, "7", "n:7", 0)
            sample.vote(question_id, "8", "n:8", 1)
            sample.conclude(question_id)
            await until(pilot, lambda: f"all, {3 - question_id}" in shown(app))  # noqa: B023


async def test_without_a_run_there_is_no_question(tmp_path: Path) -> None:
    app = listing_all(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "No run yet; press s to start one." in shown(app))
        await pilot.press("d", "y", "enter", "v", "c", "escape")
        assert "No run yet; press s to start one." in shown(app)


@pytest.mark.slow
async def test_markup_and_escape_codes_of_a_model_are_shown_as_text(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run(base="[red]evil\x1b[2J")
    sample.begin_round()
    for text in HOSTILE:
        question_id = sample.ask(text)
        sample.vote(question_id, text, text[:40], 0)
        sample.conclude(question_id)
    sample.store.runs.set_state(sample.run_id, "failed", "[/bold] \x1b]0;title\x07")
    app = listing_all(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "[/bold] ␛]0;title␇" in shown(app))
        assert "[red]evil␛[2J" in shown(app)
        assert_only_text(shown(app))
        await pilot.press("2")
        for number in range(len(HOSTILE), 0, -1):
            await until(pilot, lambda number=number: f"#{number} ·" in shown(app))  # type: ignore[misc]
            assert_only_text(shown(app))
            await pilot.press("j")


def assert_only_text(screen: str) -> None:
    controls = {c for c in screen if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert controls <= {"\n", "\u200d"}
