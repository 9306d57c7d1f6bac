"""Curves drawn with Braille dots on common axes with numbers, any part of which can be shown enlarged. Pure.

A curve keeps its colour: it follows from the curve's number, not from its place in the picture. Example:
    line_chart([Curve("round 1", 1, ((1, 2.4), (2, 1.9)))], width=40, height=6, view=View(1, 120))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.content import Content

from crescent_tui.content.colours import MUTED, SERIES
from crescent_tui.content.columns import widths
from crescent_tui.content.interval_plot import Axis, round_step, scale_line

CURVE_SIGN, MARK_SIGN = "⠤", "×"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a Braille character: four rows of two dots."""
STEP_ROOM = 10
"""Cells per number on the axis of the steps."""
LEAST_STEPS = 4
"""The shortest part of a curve that can be shown alone, in steps."""
FLAT = 1e-6
"""Values that differ by less than this fraction of the largest are drawn as a flat line."""
ZOOM = 2.0
"""How much a key enlarges."""
Points = Sequence[tuple[float, float]]
"""(step, value) of each point."""


@dataclass(frozen=True)
class Curve:
    """A curve or, if it is sparse, marks at its points."""

    name: str
    """Untrusted: made printable where it is shown."""
    number: int
    """The number of the round or run, from which the colour follows."""
    points: Points
    is_sparse: bool = False
    """Whether the points are marked one by one and not joined."""

    @property
    def style(self) -> str:
        """The colour, as a variable of the theme."""
        colour = f"$curve-{self.number % len(SERIES)}"
        return f"bold {colour}" if self.is_sparse else colour

    @property
    def sign(self) -> str:
        """What the curve is drawn with."""
        return MARK_SIGN if self.is_sparse else CURVE_SIGN


@dataclass(frozen=True)
class View:
    """The part of the axis of the steps that is shown."""

    first: float
    last: float

    def zoomed(self, whole: View, factor: float) -> View:
        """A smaller or larger part around the same middle, within the whole."""
        length = min(max((self.last - self.first) / factor, LEAST_STEPS), whole.last - whole.first)
        middle = (self.first + self.last) / 2
        return replace(self, first=middle - length / 2, last=middle + length / 2).within(whole)

    def moved(self, whole: View, part: float) -> View:
        """The part to the right, or to the left if `part` is negative, by this fraction of its length."""
        by = part * (self.last - self.first)
        return replace(self, first=self.first + by, last=self.last + by).within(whole)

    def within(self, whole: View) -> View:
        """The same length moved into the whole, as far as it fits."""
        length = min(self.last - self.first, whole.last - whole.first)
        first = min(max(self.first, whole.first), whole.last - length)
        return View(first, first + length)


def whole_view(curves: Sequence[Curve], last: float = 0.0) -> View:
    """From the first step of any curve to its last one, or to step `last`, which may be in the future."""
    steps = [step for curve in curves for step, _ in curve.points]
    first, end = min(steps, default=1.0), max([*steps, last, 2.0])
    return View(min(first, 1.0), max(end, first + 1))


def line_chart(curves: Sequence[Curve], *, width: int, height: int, view: View, unit: str = "") -> Content:
    """The curves in this view, the last one on top. `height` includes the axis. Empty without a finite value."""
    shown = [replace(curve, points=_in_view(curve.points, view)) for curve in curves]
    values = [value for curve in shown for _, value in curve.points]
    if not values:
        return Content("")
    rows = max(2, height - 1)
    low, high, step = _scale(min(values), max(values), rows)
    labels = _labels(low, high, step, rows, unit)
    left = widths([(label,) for label in labels])[0]
    columns = max(8, width - left - 2)
    cells: dict[tuple[int, int], tuple[str, str]] = {}
    for curve in shown:
        places = [_place(point, view, (low, high), (columns, rows), curve.is_sparse) for point in curve.points]
        cells |= _marks(places, curve) if curve.is_sparse else _dots(places, curve)
    lines = []
    for row, label in enumerate(labels):
        drawn = [cells.get((column, row), (" ", "")) for column in range(columns)]
        lines.append(Content.assemble((f"{label:>{left}} {'┤' if label else '│'}", MUTED), *drawn))
    # An axis that begins at step 1 has its first number there.
    axis = Axis(view.first, view.last, columns, round_step((view.last - view.first) / max(1, columns // STEP_ROOM)))
    return Content("\n").join([*lines, Content(" " * (left + 2)) + scale_line(axis)])


def legend(curves: Sequence[Curve], names: Sequence[str]) -> Content:
    """The sign and name of each curve in one line; `names` are printable."""
    signs = [((f"{curve.sign} ", curve.style), f"{name}   ") for curve, name in zip(curves, names, strict=True)]
    return Content.assemble(*(part for pair in signs for part in pair))


def _in_view(points: Points, view: View) -> list[tuple[float, float]]:
    return [(step, value) for step, value in points if math.isfinite(value) and view.first <= step <= view.last]


def _scale(least: float, most: float, rows: int) -> tuple[float, float, float]:
    """Round ends of the axis of the values around them, and the step between two numbers on it."""
    largest = max(abs(least), abs(most), 1.0)
    span = most - least if most - least > FLAT * largest else largest / 10
    step = round_step(span / max(1, rows // 2))
    low, high = math.floor(least / step + 1e-9) * step, math.ceil(most / step - 1e-9) * step
    return low, high if high > low else low + step, step


def _labels(low: float, high: float, step: float, rows: int, unit: str) -> list[str]:
    """The number in front of each row; '' between two numbers."""
    labels = [""] * rows
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        labels[round((high - value) / (high - low) * (rows - 1))] = f"{value:,.{digits}f}{unit}"
    return labels


def _place(
    point: tuple[float, float], view: View, ends: tuple[float, float], size: tuple[int, int], is_sparse: bool
) -> tuple[int, int]:
    """The dot of a point, or its cell if it is marked."""
    (step, value), (low, high), (columns, rows) = point, ends, size
    dots = (1, 1) if is_sparse else (2, 4)
    across = (step - view.first) / (view.last - view.first) * (columns * dots[0] - 1)
    down = (high - value) / (high - low) * (rows * dots[1] - 1)
    return round(across), round(down)


def _marks(places: Sequence[tuple[int, int]], curve: Curve) -> dict[tuple[int, int], tuple[str, str]]:
    return dict.fromkeys(places, (MARK_SIGN, curve.style))


def _dots(places: Sequence[tuple[int, int]], curve: Curve) -> dict[tuple[int, int], tuple[str, str]]:
    """The Braille characters of a curve, by cell."""
    bits: dict[tuple[int, int], int] = {}
    for across, down in _joined(places):
        place = across // 2, down // 4
        bits[place] = bits.get(place, 0) | DOTS[down % 4][across % 2]
    return {place: (chr(0x2800 + each), curve.style) for place, each in bits.items()}


def _joined(places: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """The dots of the curve, with the rows between two points filled so that it has no gaps."""
    found: set[tuple[int, int]] = set()
    columns: dict[int, tuple[int, int]] = {}
    for across, down in places:
        least, most = columns.get(across, (down, down))
        columns[across] = min(least, down), max(most, down)
    before: tuple[int, int] | None = None
    for across in sorted(columns):
        least, most = columns[across]
        middle = (least + most) / 2
        if before:
            for column in range(before[0], across + 1):
                part = (column - before[0]) / (across - before[0])
                found.add((column, round(before[1] + (middle - before[1]) * part)))
        found |= {(across, down) for down in range(least, most + 1)}
        before = across, round(middle)
    return found
