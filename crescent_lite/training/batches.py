"""Plans the optimiser steps of a fine-tuning: the examples, micro-batches and learning rate of each step. Pure.

Examples of similar length share a micro-batch, because padding costs as much time as real tokens. A micro-batch has
as many tokens as `micro_batch_size` of the longest examples, so it holds more of the short ones. Example:
    plan_steps([30, 31, 90, 95], epochs=1, batch_size=2, micro_batch_size=1, seed=1)   # [[[0, 1]], [[2], [3]]]
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
"""With fewer questions than this, none are held out, because the loss of a few says too little (guess)."""

Step = list[list[int]]
"""The micro-batches of one optimiser step; each is a list of example indexes."""


def hold_out(question_ids: Sequence[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split examples by question: return the indexes to train on and the held-out indexes, both ascending.

    All examples of a question stay together. `fraction`: fraction of the questions to hold out, 0-1. With fewer than
    MIN_FOR_HELD_OUT questions, none are held out.
    """
    questions = list(dict.fromkeys(question_ids))
    held_out = math.ceil(fraction * len(questions)) if len(questions) >= MIN_FOR_HELD_OUT else 0
    chosen = set(random.Random(f"held out {seed}").sample(questions, held_out))
    indexes = range(len(question_ids))
    return (
        [index for index in indexes if question_ids[index] not in chosen],
        [index for index in indexes if question_ids[index] in chosen],
    )


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
        steps += [micro_batches(batch, lengths, micro_batch_size) for batch in batches]
    return steps[: math.ceil(epochs * per_epoch)]


def micro_batches(indexes: Sequence[int], lengths: Sequence[int], micro_batch_size: int) -> Step:
    """Divide examples in ascending order of length into micro-batches.

    With its padding, none has more tokens than `micro_batch_size` examples of the greatest of all `lengths`.
    """
    most_tokens = micro_batch_size * max(lengths)
    found: Step = []
    for index in indexes:
        if found and (len(found[-1]) + 1) * lengths[index] <= most_tokens:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def by_length(lengths: Sequence[int]) -> list[int]:
    """The indexes of all examples in ascending order of length."""
    return sorted(range(len(lengths)), key=lambda index: (lengths[index], index))


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
