"""The loss of a run's rounds as curves. Pure.

Example: [curve.name for curve in loss_curves(losses, 2)] -> ["round 1", "round 2", "round 2, held out"]
"""

from __future__ import annotations

from crescent_tui.content.line_chart import Curve
from crescent_tui.sources.curves import Losses


def loss_curves(losses: Losses, number: int) -> list[Curve]:
    """The loss of every round, the one of round `number` on top, with marks where its held-out loss was computed."""
    others = [each for each in losses.by_round.values() if each.round != number]
    this = losses.by_round.get(number)
    curves = [Curve(f"round {each.round}", each.round, each.steps) for each in others if each.steps]
    if this and this.steps:
        curves.append(Curve(f"round {number}", number, this.steps))
        if this.held_out:
            curves.append(Curve(f"round {number}, held out", number, this.held_out, is_sparse=True))
    return curves


def last_step(losses: Losses, number: int) -> float:
    """The last step that is planned for a round, or that it made if its training has ended."""
    this = losses.by_round.get(number)
    return 0.0 if this is None or this.state == "finished" else float(this.planned)
