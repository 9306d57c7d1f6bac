"""Plans the optimiser steps of a fine-tuning: the examples, micro-batches and learning rate of each step. Pure.

Examples of similar length share a micro-batch, because padding costs as much time as real tokens. Example:
    plan_steps([30, 31, 90, 95], epochs=1, batch_size=2, micro_batch_size=1, seed=1)   # [[[0], [1]], [[2], [3]]]
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

Item = TypeVar("Item")

WINDOW = 8
"""How many batches' worth of examples are sorted by length together; a larger window means less padding but less
random batches (guess)."""
MIN_FOR_HELD_OUT = 50
"""With fewer examples than this, none are held out, because the loss of a few says too little (guess)."""

Step = list[list[int]]
"""The micro-batches of one optimiser step; each is a list of example indexes."""


def hold_out(count: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split `count` examples: return the indexes to train on and the held-out indexes, both ascending.

    `fraction`: fraction to hold out, 0-1. With fewer than MIN_FOR_HELD_OUT examples, none are held out.
    """
    held_out = math.ceil(fraction * count) if count >= MIN_FOR_HELD_OUT else 0
    chosen = set(random.Random(f"held out {seed}").sample(range(count), held_out))
    return [index for index in range(count) if index not in chosen], sorted(chosen)


def plan_steps(
    lengths: Sequence[int], *, epochs: float, batch_size: int, micro_batch_size: int, seed: int
) -> list[Step]:
    """Plan every step for examples of these lengths, in tokens.

    Every epoch uses each example once, in a random order of its own; if `epochs` is not whole, the last is cut short.
    """
    per_epoch = math.ceil(len(lengths) / batch_size)
    steps: list[Step] = []
    for epoch in range(math.ceil(epochs)):
        rng = random.Random(f"epoch {epoch} {seed}")
        order = rng.sample(range(len(lengths)), len(lengths))
        batches = []
        for start in range(0, len(order), WINDOW * batch_size):
            window = sorted(order[start : start + WINDOW * batch_size], key=lambda index: (lengths[index], index))
            batches += pieces(window, batch_size)
        rng.shuffle(batches)
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
