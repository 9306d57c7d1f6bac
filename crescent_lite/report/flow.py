"""The yield of a round as a flow diagram: how many items go on from each step to the next, and how many are lost, by
reason.

Knows nothing of the store. The height of a bar is the number of its items; lost items branch off below. Example:
    draw_flow("flow-1", "Round 1", [FlowStep("texts", 131, (("no question", 20),)), FlowStep("usable", 111)])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.report.drawing import AMBER, BLUE, FAINT, GREEN, INK, ORANGE, PAPER, canvas, name_of, svg_of

BAR = 0.1
STUB = 0.24
"""Width of a bar, and of the stub for lost items, in columns."""
LABEL = 0.072
"""Height of a label, as a fraction of the first step's bar."""
MOST_REASONS = 4
"""Most reasons that are named for the losses of one step."""


@dataclass(frozen=True)
class FlowStep:
    """One step of the flow."""

    name: str
    count: int
    """Items in the step."""
    lost: tuple[tuple[str, int], ...] = ()
    """(reason, count) of the items that do not go on to the next step."""
    joined: tuple[str, int] = ("", 0)
    """(origin, count) of the items that were not in the step before, such as examples of earlier rounds."""


def draw_flow(name: str, title: str, steps: Sequence[FlowStep]) -> str:
    """The flow as an <svg> element, with the steps from left to right."""
    whole = max(step.count for step in steps) or 1
    with canvas(1.56 * len(steps), 3.3) as (figure, (axis,)):
        axis.set_axis_off()
        lowest = -1.0
        for column, step in enumerate(steps):
            height, joined = step.count / whole, step.joined[1] / whole
            _box(axis, column, 0, BAR, height, INK if column else BLUE)
            share = f"{step.count / whole:.0%}" if column and not step.joined[1] else ""
            said = f"{step.count:,}" + (f"  ({share})" if share else "")
            axis.text(column, 0.125, step.name, fontweight="bold")
            axis.text(column, 0.04, said)
            if joined:
                _box(axis, column, -(height - joined), BAR, joined, GREEN)
                place = -(height - joined / 2)
                words = f"{step.joined[1]:,} {step.joined[0]}"
                axis.text(column + BAR + 0.04, place, words, va="center", color=FAINT, fontsize=9)
            if column + 1 < len(steps):
                after = steps[column + 1]
                going = (after.count - after.joined[1]) / whole
                _box(axis, column + BAR, 0, 1 - BAR, going, BLUE, alpha=0.28)
                lowest = min(lowest, _losses(axis, column, going, step.lost, whole))
        axis.set_xlim(-0.03, len(steps) - 1 + 0.85)
        axis.set_ylim(lowest - 0.03, 0.24)
        return svg_of(figure, name, title)


def fewest(lost: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """The losses that are not 0, with all after the first MOST_REASONS in one sum: more could not be told apart."""
    lost = [(reason, count) for reason, count in lost if count]
    if len(lost) <= MOST_REASONS + 1:
        return tuple(lost)
    rest = lost[MOST_REASONS:]
    return (*lost[:MOST_REASONS], (f"{len(rest)} other reasons", sum(count for _, count in rest)))


def _losses(axis: Any, column: int, going: float, lost: Sequence[tuple[str, int]], whole: int) -> float:
    """Draw the losses of a column from top to bottom. Returns the lowest height that was drawn on."""
    edge, free = -going, -going
    for reason, count in lost:
        height = count / whole
        _box(axis, column + BAR, edge, STUB, height, ORANGE, alpha=0.55)
        middle = edge - height / 2
        place = min(middle, free - LABEL / 2)
        start = column + BAR + STUB
        if middle - place > LABEL / 4:
            axis.plot([start, start + 0.05], [middle, place], color=AMBER, linewidth=0.8)
        axis.text(start + 0.07, place, f"{name_of(reason)} {count:,}", va="center", color=FAINT, fontsize=9)
        edge -= height
        free = place - LABEL / 2
    return min(edge, free)


def _box(axis: Any, left: float, top: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(
        Rectangle((left, top - height), width, height, facecolor=colour, alpha=alpha, edgecolor=PAPER, linewidth=0.7)
    )
