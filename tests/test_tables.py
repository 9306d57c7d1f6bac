"""Tables on a terminal: keys and values whole, long texts shortened, and records where the columns do not fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescent_lite.cli.tables import Cell, lay_out, number_text, table_lines

LONG = "the quick brown fox jumps over the lazy dog " * 4


def test_numbers_stand_right_with_four_significant_digits() -> None:
    assert table_lines(("model", "score"), [("base", 31.4159), ("round 1", 5.0)], width=80) == [
        "model    score",
        "-------  -----",
        "base     31.42",
        "round 1      5",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5, "0.5"), (1 / 3, "0.3333"), (123456.7, "123457"), (1e-7, "1e-07"), (2**60, str(2**60)), (True, "true")],
)
def test_a_number_keeps_its_size(number: float, text: str) -> None:
    assert number_text(number) == text


def test_a_long_text_ends_in_dots_and_a_value_is_never_broken() -> None:
    layout = lay_out(("setting", "value", "meaning"), [("train.rank", "sixteen", LONG)], width=60)
    assert layout.shortened
    (line,) = layout.body
    assert line.startswith("train.rank  sixteen  the quick")
    assert line.endswith("...")
    assert len(line) <= 60


def test_the_whole_text_is_wrapped_at_words() -> None:
    layout = lay_out(("setting", "meaning"), [("train.rank", LONG)], width=60, full=True)
    assert not layout.shortened
    assert max(map(len, layout.body)) <= 60
    assert " ".join(line[10:].strip() for line in layout.body) == LONG.strip()


def test_columns_that_do_not_fit_become_a_record_for_each_row() -> None:
    rows = [("a" * 40, "b" * 40), ("c", None)]
    assert table_lines(("key", "value"), rows, width=80) == [
        f"key    {'a' * 40}",
        f"value  {'b' * 40}",
        "",
        "key    c",
        "value  -",
    ]


def test_a_record_keeps_the_lines_of_a_text_only_if_all_of_it_is_wanted() -> None:
    rows = [("k" * 60, "one\ntwo")]
    assert "two" in lay_out(("key", "text"), rows, width=40, full=True).body[-1]
    assert table_lines(("key", "text"), rows, width=40)[-1] == "text  one two"


def test_wide_characters_are_counted_as_the_terminal_draws_them() -> None:
    lines = table_lines(("question", "n"), [("数学の問題", 1), ("maths", 2)], width=80)
    assert lines[2:] == ["数学の問題  1", "maths       2"]


def test_characters_that_a_terminal_obeys_are_shown() -> None:
    assert "\x1b" not in "".join(table_lines(("a\x1b", "b"), [("\x1b[2J", "x")], width=80))


CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text("a b\n数\x1b", max_size=60))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=3), st.integers(20, 200))
def test_every_table_can_be_laid_out(rows: list[tuple[Cell, ...]], width: int) -> None:
    columns = ("one", "two", "three")
    assert not lay_out(columns, rows, width=width, full=True).shortened
    assert len(lay_out(columns, rows, width=width).body) >= len(rows)
