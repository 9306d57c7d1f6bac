"""The curves and scores of a stored run as points on one axis: the optimiser steps of all rounds so far.

A round's scores stand at its last step, the base's at 0, so that one axis serves both and never runs backwards.
Example: list(points(store, 1))[0] -> Point(0, {"round": 0, "score/arithmetic/bare": 0.338, ...})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crescent_lite.printable import printable_line
from crescent_lite.store import Store

MOST_NAME = 200
"""Characters of a name that a tracker gets."""


@dataclass(frozen=True)
class Point:
    """Values at one step."""

    step: int
    """Optimiser steps of this round and all earlier ones."""
    values: Mapping[str, float]
    """By name: 'train/loss', 'score/BENCHMARK/PROMPT' (0-1), 'questions/labels' and so on."""


def points(store: Store, run_id: int) -> Iterator[Point]:
    """Every point of a run, in order. Raises NotFoundError for an unknown run."""
    store.runs.fetch_run(run_id)
    before = 0
    for number in (0, *(each.number for each in store.runs.fetch_rounds(run_id) if each.number)):
        for point in training_points(store, run_id, number, before):
            before = point.step
            yield point
        if values := round_values(store, run_id, number):
            yield Point(before, {"round": number, **values})


def training_points(store: Store, run_id: int, number: int, before: int) -> Iterator[Point]:
    """The loss of each step of a round's training. `before`: steps of all earlier rounds."""
    found = next((each for each in store.runs.fetch_rounds(run_id) if each.number == number), None)
    for step, loss, held_out in store.trainings.fetch_curve(found.round_id) if found else ():
        values = {"train/loss": loss, "train/round": float(number)}
        if held_out is not None:
            values["train/held_out_loss"] = held_out
        yield Point(before + step, values)


def round_values(store: Store, run_id: int, number: int) -> dict[str, float]:
    """The scores, counts and measures of a round; empty before it has any."""
    values: dict[str, float] = {}
    for each in store.evaluations.fetch_evaluations(run_id):
        if each.round_number == number and each.samples == 1:
            right, judged = store.evaluations.count_right(each.evaluation_id, "flexible")
            if judged:
                name = f"score/{each.benchmark}/{each.prompt.rpartition('/')[2]}"
                values[printable_line(name, MOST_NAME)] = right / judged
    found = next((each for each in store.runs.fetch_rounds(run_id) if each.number == number), None)
    if found and number:
        counts = store.fetch_round_counts(found.round_id)
        for name in ("texts", "kept", "votes", "labels", "examples"):
            values[f"questions/{name}"] = float(getattr(counts, name))
    measures = store.measures.fetch_measures(run_id).get(number, {})
    return values | {f"measure/{name}": value for name, value in measures.items()}
