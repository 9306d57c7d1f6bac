"""A curve drawn with Braille dots, with numbers on its axes, and marks for a second, sparser curve. Pure.

Example: line_chart([(1, 2.4), (2, 1.9)], [(2, 2.0)], width=40, height=6, last=120)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content

from crescent_tui.content.colours import MUTED

CURVE, MARK = "$text-success", "bold $text-warning"
CURVE_SIGN, MARK_SIGN = "⠤", "×"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a Braille character: four rows of two dots."""
Points = Sequence[tuple[int, float]]
"""(step, value) of each point."""


def line_chart(curve: Points, marks: Points, *, width: int, height: int, last: int) -> Content:
    """The curve from step 1 to step `last`, which may be in the future. Empty without a finite value."""
    curve, marks = _finite(curve), _finite(marks)
    values = [value for _, value in (*curve, *marks)]
    if not values:
        return Content("")
    low, high = min(values), max(values)
    labels = [_number(high), *[""] * (height - 2), _number(low)]
    left = max(map(len, labels))
    columns = max(4, width - left - 2)
    last = max(last, curve[-1][0] if curve else 1, 2)

    def place(step: int, value: float, dots_a_cell: tuple[int, int]) -> tuple[int, int]:
        across = (step - 1) / (last - 1) * (columns * dots_a_cell[0] - 1)
        down = (high - value) / (high - low) * (height * dots_a_cell[1] - 1) if high > low else 0.0
        return round(across), round(down)

    dots = _joined([place(step, value, (2, 4)) for step, value in curve])
    marked = {place(step, value, (1, 1)) for step, value in marks}
    lines = []
    for row in range(height):
        cells = [_cell(dots, marked, column, row) for column in range(columns)]
        lines.append(Content.assemble((f"{labels[row]:>{left}} ┤", MUTED), *cells))
    right = f"step {last:,}"
    steps = f"{'':>{left}} 1{right:>{max(len(right), columns - 1)}}"
    return Content("\n").join([*lines, Content.styled(steps, MUTED)])


def _finite(points: Points) -> list[tuple[int, float]]:
    return [(step, value) for step, value in points if math.isfinite(value)]


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.1e}"


def _joined(places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """The dots of the curve, with the rows between two points filled so that it has no gaps."""
    found: dict[tuple[int, int], bool] = {}
    columns: dict[int, tuple[int, int]] = {}
    for across, down in places:
        least, most = columns.get(across, (down, down))
        columns[across] = min(least, down), max(most, down)
    before: tuple[int, int] | None = None
    for across in sorted(columns):
        least, most = columns[across]
        start = before[0] if before else across
        for column in range(start, across + 1):
            part = (column - start) / (across - start) if across > start else 1.0
            middle = (least + most) / 2
            found[column, round(before[1] + (middle - before[1]) * part) if before else round(middle)] = True
        for down in range(least, most + 1):
            found[across, down] = True
        before = across, (least + most) // 2
    return found


def _cell(dots: dict[tuple[int, int], bool], marked: set[tuple[int, int]], column: int, row: int) -> tuple[str, str]:
    if (column, row) in marked:
        return MARK_SIGN, MARK
    bits = sum(
        bit
        for down, of_row in enumerate(DOTS)
        for across, bit in enumerate(of_row)
        if dots.get((2 * column + across, 4 * row + down))
    )
    return (chr(0x2800 + bits), CURVE) if bits else (" ", "")
