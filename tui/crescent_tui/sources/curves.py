"""The loss of every round of a run, as curves. Reads the store in the background; knows no widget.

A finished training does not change, so only the latest one is read again. Example:
    fetch_losses(store, run_id=3, known=Losses())["round 1"]    # Loss(1, ((1, 2.4, None), ...), planned=120)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from crescent_lite.store import Store

MOST_POINTS = 1000
"""Points of a curve that are kept; a screen has fewer columns."""


@dataclass(frozen=True)
class Loss:
    """The loss of one training."""

    run_id: int
    round: int
    steps: tuple[tuple[int, float], ...]
    """(step, loss in nats per token), thinned to what a screen can show."""
    held_out: tuple[tuple[int, float], ...]
    """(step, loss on held-out examples); empty if none were held out."""
    planned: int
    """Planned steps; 0 before the first one."""
    state: str | None
    """'running', 'interrupted', 'failed' or 'finished'; None without a training."""


@dataclass(frozen=True)
class Losses:
    """The losses of a run, by round."""

    run_id: int = 0
    by_round: dict[int, Loss] = field(default_factory=dict)


def fetch_losses(store: Store, run_id: int, known: Losses) -> Losses:
    """The losses of all rounds with a training; `known` are those that were read before."""
    found = {}
    before = known.by_round if known.run_id == run_id else {}
    for each in store.runs.fetch_rounds(run_id):
        earlier = before.get(each.number)
        if earlier and earlier.state == "finished":
            found[each.number] = earlier
            continue
        training = store.trainings.fetch_latest(each.round_id)
        if training.state is None:
            continue
        curve = store.trainings.fetch_curve(each.round_id)
        found[each.number] = Loss(
            run_id,
            each.number,
            _thinned([(step, loss) for step, loss, _ in curve]),
            tuple((step, held_out) for step, _, held_out in curve if held_out is not None),
            training.planned_steps,
            training.state,
        )
    return Losses(run_id, found)


def fetch_last_losses(store: Store, run_ids: Sequence[int]) -> tuple[Loss, ...]:
    """The loss of the last training of each run; runs without a training are left out."""
    found = [fetch_losses(store, run_id, Losses()).by_round for run_id in run_ids]
    return tuple(losses[max(losses)] for losses in found if losses)


def _thinned(points: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """At most MOST_POINTS points, each the mean of its neighbours; a loss that is no number is left out."""
    finite = [point for point in points if math.isfinite(point[1])]
    size = -(-len(finite) // MOST_POINTS) or 1
    groups = [finite[start : start + size] for start in range(0, len(finite), size)]
    return tuple((group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups)
