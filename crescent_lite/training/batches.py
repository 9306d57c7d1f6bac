"""Which examples each optimiser step sees, in which micro-batches, and how fast it learns. Pure.

Examples of like length come together, since what fills up a micro-batch is computed for nothing. Example:
    plan_steps([30, 31, 90, 95], epochs=1, batch_size=2, micro_batch_size=1, seed=1)   # [[[2], [3]], [[0], [1]]]
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

Item = TypeVar("Item")

WINDOW = 8
"""Batches whose examples are sorted by length together; the larger, the less padding and the less chance (guess)."""
MIN_FOR_HELD_OUT = 50
"""Examples below which none is held out: the loss of a handful says nothing (guess)."""

Step = list[list[int]]
"""The micro-batches of one optimiser step, each the indexes of its examples."""


def hold_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """(indexes to learn from, indexes held out), both in order; none is held out of fewer than MIN_FOR_HELD_OUT."""
    held = math.ceil(share * count) if count >= MIN_FOR_HELD_OUT else 0
    chosen = set(random.Random(f"held out {seed}").sample(range(count), held))
    return [index for index in range(count) if index not in chosen], sorted(chosen)


def plan_steps(
    lengths: Sequence[int], *, epochs: float, batch_size: int, micro_batch_size: int, seed: int
) -> list[Step]:
    """Every step of a training on examples of these lengths. Each epoch sees each example once, in another order."""
    per_epoch = math.ceil(len(lengths) / batch_size)
    steps: list[Step] = []
    for epoch in range(math.ceil(epochs)):
        chance = random.Random(f"epoch {epoch} {seed}")
        order = chance.sample(range(len(lengths)), len(lengths))
        batches = []
        for start in range(0, len(order), WINDOW * batch_size):
            window = sorted(order[start : start + WINDOW * batch_size], key=lambda index: (lengths[index], index))
            batches += pieces(window, batch_size)
        chance.shuffle(batches)
        steps += [pieces(batch, micro_batch_size) for batch in batches]
    return steps[: math.ceil(epochs * per_epoch)]


def pieces(items: list[Item], size: int) -> list[list[Item]]:
    """The items in order, `size` at a time; the last piece may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def learning_rate_share(
    step: int, steps: int, warmup_fraction: float, schedule: Literal["cosine", "linear", "constant"]
) -> float:
    """The learning rate of step 1, 2 ... `steps` as a fraction of its peak; no step's is 0."""
    warmup = math.ceil(warmup_fraction * steps)
    if step <= warmup:
        return step / warmup
    left = (steps - step + 1) / (steps - warmup)
    if schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    return left if schedule == "linear" else 1.0
