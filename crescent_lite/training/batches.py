"""The plan of a training: the examples of each optimiser step, its micro-batches and its learning rate. Pure.

Examples of similar length share a micro-batch, because padding costs as much time as tokens that are learnt. Example:
    plan_steps([30, 31, 90, 95], epochs=1, batch_size=2, micro_batch_size=1, seed=1)   # [[[0], [1]], [[2], [3]]]
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

Item = TypeVar("Item")

WINDOW = 8
"""How many batches of examples are sorted by length together; a larger window means less padding and less random
batches (guess)."""
MIN_FOR_HELD_OUT = 50
"""With fewer examples than this, none are held out: the loss of a few says too little (guess)."""

Step = list[list[int]]
"""The micro-batches of one optimiser step; each is a list of example indexes."""


def hold_out(count: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split `count` examples: the indexes to learn from, and the indexes held out, both ascending.

    `fraction` is how many are held out, 0-1. With fewer than MIN_FOR_HELD_OUT examples, none are held out.
    """
    held = math.ceil(fraction * count) if count >= MIN_FOR_HELD_OUT else 0
    chosen = set(random.Random(f"held out {seed}").sample(range(count), held))
    return [index for index in range(count) if index not in chosen], sorted(chosen)


def plan_steps(
    lengths: Sequence[int], *, epochs: float, batch_size: int, micro_batch_size: int, seed: int
) -> list[Step]:
    """Every step of a training on examples of these lengths, in tokens.

    Each epoch sees each example once, in its own order. `epochs` may be a fraction.
    """
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


def learning_rate_fraction(
    step: int, steps: int, warmup_fraction: float, schedule: Literal["cosine", "linear", "constant"]
) -> float:
    """The learning rate of a step (1 to `steps`), as a fraction of the peak rate; above 0 for every step."""
    warmup = math.ceil(warmup_fraction * steps)
    if step <= warmup:
        return step / warmup
    left = (steps - step + 1) / (steps - warmup)
    if schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    return left if schedule == "linear" else 1.0
