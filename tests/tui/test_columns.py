"""Columns never touch: whatever stands in a cell, a blank follows before its neighbour."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.intervals import wilson
from crescent_lite.report.alarms import MARKS
from crescent_lite.round_facts import Alarm
from crescent_lite.store.watching import ScoreCount
from crescent_tui.content.columns import cell, widths
from crescent_tui.content.round import alarms
from crescent_tui.content.score import score_plots
from crescent_tui.sources.round_detail import Comparisons

WORDS = st.text(alphabet="ab漢", min_size=1, max_size=20)


@given(WORDS, WORDS, st.integers(1, 12), st.booleans())
def test_a_cell_never_touches_its_neighbour(one: str, other: str, width: int, right: bool) -> None:
    line = other + cell(one, width, right=True) if right else cell(one, width) + other
    assert line.split() == ([other, one] if right else [one, other])


def test_a_column_is_as_wide_as_its_widest_cell() -> None:
    assert widths([("a", "漢"), ("abc", "")]) == [3, 2]


def test_the_interval_and_the_count_of_an_unfinished_evaluation_stand_apart() -> None:
    counted = [
        (ScoreCount(number, "gsm8k", "bare", items, 1000, 134), wilson(134, items))
        for number, items in ((0, 1000), (1, 664))
    ]
    for width in (70, 76, 100):
        lines = score_plots(counted, Comparisons(), chosen=1, kept=None, width=width).plain.splitlines()
        unfinished = next(line for line in lines if "664 of 1,000" in line)
        assert unfinished.endswith(" 664 of 1,000")
        assert {len(line) for line in lines if line.startswith(("  base", "▸ round 1"))} == {width}


def test_the_state_of_an_alarm_stands_apart_from_its_name() -> None:
    found = [
        alarms((Alarm("one_answer", False, words),), width).plain for words in ("", "seen") for width in (60, 100)
    ]
    assert all(re.search(r"(quiet|not enough data)?\s+one answer|· one answer", line) for line in found)
    assert all(f"{mark}one" not in line for line in found for mark in MARKS.values())
