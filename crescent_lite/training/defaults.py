"""What a setting of 0 becomes, by the size of the model and the number of examples. Pure.

Example: resolved(TrainConfig(), parameters=494_000_000, examples=42).epochs     # 4.0
"""

from __future__ import annotations

import dataclasses
import math

from crescent_lite.config import TrainConfig

LARGE_MODEL = 20_000_000_000
"""Parameters from which QLoRA halves the learning rate: between its 13B and 33B models."""
LEARNING_RATE, LEARNING_RATE_LARGE = 2e-4, 1e-4
"""QLoRA, arXiv 2305.14314, table 9: 7B and 13B, 33B and 65B. Unsloth's notebooks have 2e-4 too."""
MANY_EXAMPLES = 500
"""Examples from which a batch has the size of QLoRA's; below, a smaller one gives more steps (guess)."""
BATCH, BATCH_MANY = 8, 16
"""16 is QLoRA's for 7B and 13B; 8 is a guess."""
STEPS_WANTED = 40
"""Optimiser steps that a training is to have at least, as far as EPOCHS allow (guess)."""
EPOCHS = (2, 4)
"""Passes at least and at most: few are too little for a handful of examples, many are learning by heart (guess)."""


def resolved(config: TrainConfig, *, parameters: int, examples: int) -> TrainConfig:
    """The settings with a number in place of each 0 that stands for one."""
    batch = config.batch_size or (BATCH_MANY if examples >= MANY_EXAMPLES else BATCH)
    steps_an_epoch = math.ceil(examples / batch)
    return dataclasses.replace(
        config,
        learning_rate=config.learning_rate or (LEARNING_RATE_LARGE if parameters >= LARGE_MODEL else LEARNING_RATE),
        batch_size=batch,
        epochs=config.epochs or float(min(max(math.ceil(STEPS_WANTED / steps_an_epoch), EPOCHS[0]), EPOCHS[1])),
    )
