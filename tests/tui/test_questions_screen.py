"""The Questions screen: the list, the filter, one question in full, and hostile texts."""

import unicodedata
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace, shown, until

from crescent_lite.records import QuestionVerdict
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


async def test_questions_are_listed_newest_first(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "What is 2 + 3?" in shown(app))
        sample.ask("What is 4 + 4?")
        await until(pilot, lambda: "What is 4 + 4?" in shown(app))
        assert shown(app).index("What is 4 + 4?") < shown(app).index("What is 2 + 3?")


async def test_the_verdict_key_goes_through_all_kept_and_rejected(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        for title in ("all, 40", "kept, 14", "rejected, 26", "all, 40"):
            await until(pilot, lambda title=title: f"Questions: {title}" in shown(app))  # type: ignore[misc]
            await pilot.press("v")


async def test_a_rejected_question_shows_its_match(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    match = sample.ask("What is 2 + 3?")
    text = "What is 2 + 3, then?"
    sample.ask(text, QuestionVerdict("rejected", "near_duplicate", text, match, 93.2))
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "Too close to #1, 93 of 100 alike" in shown(app))
        assert "rejected: near duplicate" in shown(app)


async def test_votes_are_counted_by_their_answer(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    question_id = sample.ask("What is 2 + 3?")
    for index, key in enumerate(("5", "5", "6", None)):
        sample.vote(question_id, f"I say {key}.", key, index)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "4 votes so far" in shown(app))
        sample.conclude(question_id)
        await until(pilot, lambda: "4 votes: labelled 5, share 50%, margin 25%" in shown(app))
        assert "no answer found" in shown(app)


async def test_the_cursor_stays_on_its_question_while_others_come(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    app = CrescentApp(sample.workspace)
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


async def test_markup_and_escape_codes_of_a_model_are_shown_as_text(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run(base="[red]evil\x1b[2J")
    sample.begin_round()
    for text in HOSTILE:
        question_id = sample.ask(text)
        sample.vote(question_id, text, text[:40], 0)
        sample.conclude(question_id)
    sample.store.runs.set_state(sample.run_id, "failed", "[/bold] \x1b]0;title\x07")
    app = CrescentApp(sample.workspace)
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
