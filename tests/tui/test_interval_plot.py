"""Intervals and curves drawn with characters."""

import math

import pytest

from crescent_tui.content.interval_plot import Axis, axis_for, interval_line, scale_line


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
