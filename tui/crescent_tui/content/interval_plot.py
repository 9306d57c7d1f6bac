"""Intervals drawn with characters, one per line, on a common axis. Pure.

Example: interval_line(Axis(0, 100, 21, step=50), 20, 35, 50).plain -> "    ├──●──┤          "
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from crescent_tui.content.colours import MUTED

POINT = "bold $text-accent"
FEWEST_CELLS = 9
LABEL_ROOM = 8
"""Cells per number on an axis, so that the numbers do not touch."""
GRAINS = 6
"""The ends of an axis are multiples of about this fraction of its length."""


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`."""

    low: float
    high: float
    width: int
    """Length in cells."""
    step: float
    """Between two numbers written on the axis."""

    def place(self, value: float) -> int:
        """The cell of a value; a value beyond an end is placed on it."""
        part = (value - self.low) / (self.high - self.low)
        return round(max(0.0, min(part, 1.0)) * (self.width - 1))


def axis_for(values: Iterable[float], width: int, *, least: float, limits: tuple[float, float]) -> Axis:
    """An axis with round ends around the values, at least `least` long and within `limits`."""
    found = [value for value in values if math.isfinite(value)] or [limits[0]]
    low, high = min(found), max(found)
    width = max(width, FEWEST_CELLS)
    grain = round_step(max(high - low, least) / GRAINS)
    low = max(limits[0], math.floor(low / grain) * grain)
    high = min(limits[1], math.ceil(high / grain) * grain)
    if high - low < least:
        high = min(limits[1], low + least)
        low = max(limits[0], high - least)
    return Axis(low, high, width, round_step((high - low) / max(1, width // LABEL_ROOM)))


def interval_line(axis: Axis, low: float, middle: float, high: float, reference: float | None = None) -> Content:
    """The interval as `├──●──┤`, and a reference value as a dotted line unless the interval covers it."""
    cells = [" "] * axis.width
    if reference is not None:
        cells[axis.place(reference)] = "┊"
    first, point, last = axis.place(low), axis.place(middle), axis.place(high)
    for cell in range(first, last + 1):
        cells[cell] = "─"
    cells[first], cells[last] = "├", "┤"
    cells[point] = "●"
    line = "".join(cells)
    return Content.assemble((line[:point], MUTED), (line[point], POINT), (line[point + 1 :], MUTED))


def scale_line(axis: Axis, unit: str = "") -> Content:
    """The numbers of the axis, each under its cell."""
    step, first = axis.step, math.ceil(axis.low / axis.step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    line = [" "] * axis.width
    free = 0
    for index in range(first, last + 1):
        value = index * step
        text = f"{value:,.0f}{unit}" if step >= 1 else f"{value:.1f}{unit}"
        start = max(0, min(axis.place(value) - len(text) // 2, axis.width - len(text)))
        if start >= free:
            line[start : start + len(text)] = text
            free = start + len(text) + 1
    return Content.styled("".join(line), MUTED)


def round_step(wanted: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `wanted`."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * (1 - 1e-9))
