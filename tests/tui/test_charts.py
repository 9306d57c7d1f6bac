"""Curves: round numbers on both axes, steady colours, and a part of them enlarged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_workspace import filled_workspace, shown, until

from crescent_tui.app import CrescentApp
from crescent_tui.content.line_chart import Curve, View, line_chart, whole_view
from crescent_tui.widgets.chart import Chart

FALLING = Curve("round 1", 1, tuple((step, 3.0 - step / 50) for step in range(1, 101)))
VALUES = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, 0.0])
POINTS = st.lists(st.tuples(st.integers(1, 5000), VALUES), max_size=40).map(lambda found: tuple(sorted(found)))


def drawn(*curves: Curve, view: View | None = None) -> list[str]:
    return line_chart(curves, width=60, height=9, view=view or whole_view(curves)).plain.splitlines()


def test_both_axes_have_round_numbers_and_the_curve_falls() -> None:
    lines = drawn(FALLING)
    numbers = [float(line.split()[0]) for line in lines[:-1] if "┤" in line]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] >= 3.0 - 1 / 50 and numbers[-1] <= 1.0
    assert lines[-1].split() == ["20", "40", "60", "80", "100"]
    places = [next(x for x, c in enumerate(line) if 0x2800 < ord(c) <= 0x28FF) for line in lines[:-1]]
    assert places == sorted(places)


def test_a_part_of_a_curve_fills_the_axis_of_its_values() -> None:
    lines = drawn(FALLING, view=View(41, 61))
    assert lines[-1].split()[:2] == ["45", "50"]
    assert float(lines[0].split()[0]) < 2.4


def test_a_curve_keeps_its_colour_whatever_is_shown_with_it() -> None:
    other = Curve("round 2", 2, ((1, 2.0), (9, 1.0)))
    assert FALLING.style != other.style

    def styles(*curves: Curve) -> set[str]:
        return {str(span.style) for span in line_chart(curves, width=40, height=6, view=View(1, 100)).spans}

    assert {FALLING.style, other.style} <= styles(FALLING, other)
    assert FALLING.style in styles(FALLING) and other.style in styles(other)


def test_a_sparse_curve_is_marked_at_its_points() -> None:
    assert "".join(drawn(FALLING, Curve("held out", 1, ((50, 2.2), (100, 1.4)), is_sparse=True))).count("×") == 2


@given(POINTS, POINTS, st.integers(12, 90), st.integers(1, 12))
def test_a_chart_fits_its_size_whatever_its_values(one: tuple, other: tuple, width: int, height: int) -> None:  # type: ignore[type-arg]
    curves = [Curve("a", 1, one), Curve("b", 2, other, is_sparse=True)]
    lines = line_chart(curves, width=width, height=height, view=whole_view(curves)).plain.splitlines()
    assert len(lines) <= max(3, height)
    assert all(len(line) <= max(width, 26) for line in lines)


@given(st.floats(1, 400), st.floats(2, 100), st.floats(0.1, 8), st.floats(-3, 3))
def test_a_view_stays_within_the_whole(first: float, length: float, factor: float, part: float) -> None:
    whole = View(1, 500)
    view = View(first, first + length).within(whole).zoomed(whole, factor).moved(whole, part)
    assert whole.first <= view.first < view.last <= whole.last + 1e-6


@pytest.mark.asyncio
@pytest.mark.slow
async def test_keys_enlarge_a_chart_and_z_gives_it_the_screen(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "step 120 of 120" in shown(app))
        chart = app.screen.query_one("#loss", Chart)
        chart.focus()
        before = chart.size
        await pilot.press("z")
        await until(pilot, lambda: chart.size.height > 30 and chart.size.width > before.width)
        assert "? Help" in shown(app) and "asked" not in shown(app)
        axis = shown(app).splitlines()[-6:]
        await pilot.press("plus", "plus")
        await until(pilot, lambda: shown(app).splitlines()[-6:] != axis)
        await pilot.press("0", "z")
        await until(pilot, lambda: chart.size == before and "asked" in shown(app))
