"""SQL as it is typed: colours, completion, and the name that was probably meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_workspace import filled_workspace, shown, until

from crescent_lite.store.querying import Relation
from crescent_tui.app import CrescentApp
from crescent_tui.content.sql_words import coloured, completions, did_you_mean, parameters, word_before
from crescent_tui.widgets.query_editor import QueryEditor

CATALOGUE = (
    Relation("v_labels", "view", (("label", "TEXT"), ("share", "REAL"))),
    Relation("v_votes", "view", (("answer", "TEXT"), ("shape of it", "TEXT"))),
)


def test_words_are_coloured_by_what_they_are() -> None:
    assert coloured("select share")[0] == [(0, 6, "keyword")]
    lines = coloured("SELECT 'é', 12 -- why\nFROM v")
    assert lines[0] == [(0, 6, "keyword"), (7, 11, "string"), (13, 15, "number"), (16, 22, "comment")]
    assert lines[1][0] == (0, 4, "keyword")


@given(st.text(max_size=200))
def test_a_colour_never_leaves_its_line_whatever_is_typed(text: str) -> None:
    lines = coloured(text)
    assert len(lines) >= text.count("\n") + 1
    for line, words in zip(text.split("\n"), lines, strict=False):
        assert all(0 <= start < end <= len(line.encode("utf-8", "surrogatepass")) + 2 for start, end, _ in words)


def test_a_word_goes_on_with_columns_of_the_named_tables_then_tables_then_keywords() -> None:
    assert completions("SELECT sh FROM v_labels", "sh", CATALOGUE) == ["share"]
    assert completions("SELECT sh", "sh", CATALOGUE) == ["share"]
    assert completions("SELECT * FROM v_", "v_", CATALOGUE) == ["v_labels", "v_votes"]
    assert completions("SEL", "SEL", CATALOGUE) == ["SELECT"] and completions("sel", "sel", CATALOGUE) == ["select"]
    assert completions("", "", CATALOGUE) == []
    assert word_before("SELECT lab", 10) == "lab" and word_before("SELECT ", 7) == ""


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    assert did_you_mean("no such column: shar", "SELECT shar FROM v_labels", CATALOGUE) == "did you mean share?"
    assert did_you_mean("no such table: labels", "", CATALOGUE) == "did you mean v_labels?"
    assert did_you_mean("no such column: zzzzzz", "", CATALOGUE) == ""
    assert did_you_mean("near x: syntax error", "", CATALOGUE) == ""


def test_the_parameters_of_a_saved_query_have_the_values_written_in_its_comments() -> None:
    text = "-- What: x\n-- :run  id; default: the latest\n-- :round = 2\nSELECT :run, :round"
    assert parameters(text) == {"run": None, "round": "2"}


@pytest.mark.asyncio
@pytest.mark.slow
async def test_tab_completes_a_column_and_an_error_names_the_nearest_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        editor = app.screen.query_one(QueryEditor)
        await until(pilot, lambda: bool(editor.catalogue))
        await pilot.press(*"SELECT question_i")
        await until(pilot, lambda: "tab: question_id" in shown(app))
        await pilot.press("tab")
        assert editor.text == "SELECT question_id" and editor.has_focus
        editor.text = "SELECT shar FROM v_labels"
        await pilot.press("f5")
        await until(pilot, lambda: "did you mean share?" in shown(app))
        editor.text = "SELECT question_id, share FROM v_labels"
        await pilot.press("f5")
        await until(pilot, lambda: "rows, " in shown(app))
        await pilot.press("escape", ">", ">")
        await until(pilot, lambda: "share ▲" in shown(app))
        await pilot.press("R")
        await until(pilot, lambda: "share ▼" in shown(app))
