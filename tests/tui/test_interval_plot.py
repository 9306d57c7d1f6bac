"""Intervals and curves drawn with characters."""

import math

import pytest

from crescent_tui.content.interval_plot import Axis, axis_for, interval_line, scale_line
from crescent_tui.content.line_chart import line_chart


def test_an_interval_stands_in_its_place() -> None:
    assert interval_line(Axis(0, 100, 21, step=50), 20, 35, 50).plain == "    ├──●──┤          "


def test_an_interval_of_one_cell_is_its_point() -> None:
    assert interval_line(Axis(0, 100, 21, step=50), 50, 50, 50).plain.strip() == "●"


def test_what_is_beyond_the_axis_lies_on_its_end() -> None:
    line = interval_line(Axis(0, 10, 11, step=5), -5, 5, 50).plain
    assert (line[0], line[5], line[-1]) == ("├", "●", "┤")


def test_the_reference_is_seen_where_the_interval_leaves_it_free() -> None:
    axis = Axis(0, 100, 21, step=50)
    assert interval_line(axis, 50, 60, 70, reference=10).plain.index("┊") == 2
    assert "┊" not in interval_line(axis, 0, 10, 20, reference=15).plain


@pytest.mark.parametrize("values", [(24.0, 97.0), (0.0, 0.5), (99.0, 100.0), (48.0, 52.0), (50.0, 50.0), ()])
@pytest.mark.parametrize("width", [5, 20, 90])
def test_an_axis_holds_its_values_within_its_limits(values: tuple[float, ...], width: int) -> None:
    axis = axis_for(values, width, least=20, limits=(0, 100))
    assert 0 <= axis.low <= min(values, default=0) <= max(values, default=0) <= axis.high <= 100
    assert axis.high - axis.low >= 20
    assert len(scale_line(axis, "%").plain) == axis.width
    assert "%" in scale_line(axis, "%").plain


def test_the_numbers_of_an_axis_do_not_touch() -> None:
    axis = axis_for((0, 123_456), 30, least=10, limits=(0, math.inf))
    assert scale_line(axis).plain.split()[-1] in ("100,000", "120,000")


def test_a_falling_curve_falls_and_reaches_as_far_as_its_steps() -> None:
    curve = [(step, 3 - step / 50) for step in range(1, 51)]
    lines = line_chart(curve, [], width=40, height=5, last=100).plain.splitlines()
    assert [len(line) for line in lines] == [40] * 6 or max(map(len, lines)) <= 40
    assert lines[0].startswith("2.98 ┤")
    assert lines[4].startswith("2.00 ┤")
    assert max(len(line.rstrip()) for line in lines[:5]) <= 6 + 18  # half of the steps are still to come
    assert lines[5].split() == ["1", "step", "100"]


def test_marks_are_no_dots() -> None:
    assert "×" in line_chart([(1, 2.0), (9, 1.0)], [(5, 1.5)], width=30, height=4, last=9).plain


def test_a_curve_that_cannot_be_drawn_is_left_out() -> None:
    assert line_chart([(1, math.inf)], [], width=30, height=4, last=9).plain == ""
    assert "1.00" in line_chart([(1, 1.0)], [], width=30, height=4, last=1).plain
    assert line_chart([(1, 1e300), (2, 1.0)], [], width=10, height=4, last=2).plain
