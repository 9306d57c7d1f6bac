"""The SQL screen: queries that only read, cancelling, saving, and hostile names and texts."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace, shown, until
from textual.widgets import TextArea

from crescent_lite.store.querying import QueryResult
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp
from crescent_tui.content.sql import column_widths, csv_name, outcome, shown_cell
from crescent_tui.screens.sql import Catalogue, Rows
from crescent_tui.sources.query_history import CHARACTERS, QueryHistory

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def write(app: CrescentApp, sql: str) -> None:
    editor = app.screen.query_one(TextArea)
    editor.focus()
    editor.text = sql


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    return sample


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_query_is_run_with_any_of_its_keys(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        for key in ("f5", "ctrl+r", "ctrl+enter", "ctrl+j"):
            write(app, f"SELECT question_id AS id, text, 'with ' || '{key}' AS run FROM v_questions")
            await pilot.press(key)
            await until(pilot, lambda key=key: "1 row, " in shown(app) and f"with {key}" in shown(app))  # type: ignore[misc]
            assert "What is 2 + 3?" in shown(app)


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_chosen_view_begins_a_query_and_a_column_is_written_at_the_cursor(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "v_questions" in shown(app))
        await pilot.press("escape", "j", "k", "enter")
        editor = app.screen.query_one(TextArea)
        assert editor.text == "SELECT * FROM v_acceptance LIMIT 100"
        await pilot.press("space", "j", "enter")
        await until(pilot, lambda: editor.text.endswith("100run_id"))
        await pilot.press("f5")
        await until(pilot, lambda: "Error: " in shown(app))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_keys_of_the_app_are_letters_in_the_editor_and_escape_leads_out(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7", *"s1qxpnrt", "question_mark")
        assert app.screen.query_one(TextArea).text == "s1qxpnrt?"
        assert app.current_mode == "sql"
        assert not app.starting
        await pilot.press("escape", "2")
        await until(pilot, lambda: app.current_mode == "questions")


@pytest.mark.asyncio
async def test_tab_moves_on_from_the_editor(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7", "tab")
        assert isinstance(app.focused, Rows)
        await pilot.press("tab")
        assert isinstance(app.focused, Catalogue)


@pytest.mark.asyncio
async def test_a_click_on_a_tab_writes_nothing_into_the_editor(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("7")
        await pilot.click("TitleBar", offset=(shown(app).index("1 Run"), 0))
        await until(pilot, lambda: app.current_mode == "run")
        await pilot.press("7")
        assert app.screen.query_one(TextArea).text == ""


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_long_query_is_cancelled_and_holds_up_nobody(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        write(app, ENDLESS)
        await pilot.press("f5")
        await until(pilot, lambda: "running: " in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "cancelled after" in shown(app))
        write(app, "SELECT 41 + 1 AS sum")
        await pilot.press("f5")
        await until(pilot, lambda: "1 row, " in shown(app) and "42" in shown(app))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_leaving_the_app_ends_a_query_at_work(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        write(app, ENDLESS)
        await pilot.press("f5")
        await until(pilot, lambda: "running: " in shown(app))


@pytest.mark.asyncio
@pytest.mark.slow
async def test_further_rows_are_announced_and_all_are_saved(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1500) SELECT i FROM n"
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7", "ctrl+s")
        await until(pilot, lambda: "Nothing to save yet" in shown(app))
        write(app, numbers)
        await pilot.press("f5")
        await until(pilot, lambda: "the first 1,000 rows" in shown(app))
        assert "there are more: ctrl+s saves all" in shown(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "1,500 rows saved" in shown(app))
    (path,) = sample.workspace.exports.iterdir()
    assert path.name.startswith("query-")
    assert len(path.read_text().splitlines()) == 1501


@pytest.mark.asyncio
async def test_a_query_that_would_write_is_refused_with_a_reason(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        write(app, "DELETE FROM questions")
        await pilot.press("f5")
        await until(pilot, lambda: "Error: a query may only read" in shown(app))
    assert sample.store.database.value("SELECT count(*) FROM questions") == 1


@pytest.mark.asyncio
@pytest.mark.slow
async def test_earlier_queries_come_back_also_after_a_restart(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        for number in (1, 2):
            write(app, f"SELECT {number}")
            await pilot.press("f5")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        editor = app.screen.query_one(TextArea)
        seen = []
        for key in ("ctrl+up", "ctrl+up", "ctrl+up", "ctrl+down", "ctrl+down", "ctrl+down"):
            await pilot.press(key)
            seen.append(editor.text)
        assert seen == ["SELECT 2", "SELECT 1", "SELECT 1", "SELECT 2", "d", "d"]


@pytest.mark.asyncio
@pytest.mark.slow
async def test_names_and_texts_are_only_text_and_a_cell_opens_in_full(sample: SampleWorkspace) -> None:
    app = CrescentApp(sample.workspace)
    hostile = "[bold red]x[/] \x1b]0;t\x07 \u202e8"
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        write(app, f"SELECT '{hostile}' AS \"[blink]name\x1b[2J\", printf('%.*c', 100000, 'y') || 'z' AS long")
        await pilot.press("f5")
        await until(pilot, lambda: "1 row, " in shown(app))
        assert "[blink]name␛[2J" in shown(app)
        assert "[bold red]x[/] ␛]0;t␇ �8" in shown(app)
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "escape closes" in shown(app))
        await pilot.press("escape", "l", "enter")
        await until(pilot, lambda: "yyyyyyyy" in shown(app) and "escape closes" in shown(app))


@pytest.mark.asyncio
async def test_without_a_database_it_says_so_and_makes_none(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "No database yet; start a run" in shown(app))
        await pilot.press("f5")
        await until(pilot, lambda: "No query yet" in shown(app))
        write(app, "SELECT 1")
        await pilot.press("f5")
        await until(pilot, lambda: "Error:" in shown(app) and "crescent.db" in shown(app))
    assert not (tmp_path / "nothing-here").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.slow
async def test_it_fits_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=size) as pilot:
        await pilot.press("7")
        write(app, "SELECT * FROM v_labels")
        await pilot.press("f5")
        await until(pilot, lambda: " rows, " in shown(app) and "v_questions" in shown(app))
        text = shown(app)
    assert [len(line) for line in text.splitlines()] == [size[0]] * size[1]
    for fact in ("v_questions", "question_id", "Views, tables", "Save CSV"):
        assert fact in text


def test_a_history_never_exceeds_the_limit_of_the_saved_state() -> None:
    memory: dict[str, object] = {"queries": ["a", 3, None, "\x1b[2J"]}
    history = QueryHistory(memory)
    assert history.earlier("draft") == "␛[2J"
    for number in range(50):
        history.add(f"{number}" + "x" * 2000)
    assert len(json.dumps(memory)) < 2 * CHARACTERS
    history.add("y" * 50_000)
    assert memory["queries"] == []


def test_the_outcome_says_how_many_rows() -> None:
    assert str(outcome(QueryResult(("a",), (), False, 0.1))) == "no rows, 0.10 s"
    assert str(outcome(QueryResult(("a",), ((1,),), False, 0.1))) == "1 row, 0.10 s"
    assert "there are more" in str(outcome(QueryResult(("a",), ((1,),), True, 0.1)))


def test_a_missing_value_is_not_an_empty_text() -> None:
    assert [shown_cell(cell).plain for cell in (None, "", 0.123456789, 7)] == ["NULL", "", "0.123457", "7"]


def test_a_column_is_as_wide_as_its_widest_cell() -> None:
    names = [shown_cell("id"), shown_cell("text")]
    assert column_widths(names, [[shown_cell(1000), shown_cell("漢字漢字")]]) == [4, 8]
    assert column_widths(names, []) == [2, 4]


def test_a_file_is_named_after_the_time() -> None:
    assert csv_name(datetime(2026, 1, 2, 3, 4, 5)) == "query-20260102-030405.csv"
