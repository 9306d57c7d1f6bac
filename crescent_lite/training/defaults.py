"""The values for training settings that are left at 0, chosen by model size and number of examples. Pure.

Example: resolved(TrainConfig(), parameters=494_000_000, examples=42).epochs     # 4.0
"""

from __future__ import annotations

import dataclasses
import math

from crescent_lite.config import TrainConfig

LARGE_MODEL = 20_000_000_000
"""Number of parameters from which the learning rate is halved: between QLoRA's 13B and 33B models."""
LEARNING_RATE, LEARNING_RATE_LARGE = 2e-4, 1e-4
"""From QLoRA (arXiv 2305.14314, table 9): the first for 7B and 13B, the second for 33B and 65B. Unsloth's notebooks
use 2e-4 too."""
MANY_EXAMPLES = 500
"""Number of examples from which the larger batch is used; with fewer, a smaller batch gives more steps (guess)."""
BATCH, BATCH_MANY = 8, 16
"""Examples per step; 16 is QLoRA's value for 7B and 13B, 8 is a guess."""
MIN_STEPS = 40
"""Fewest optimiser steps to aim for, within the limits of EPOCHS (guess)."""
PREFERENCE_RATE, PREFERENCE_EPOCHS, PREFERENCE_BATCH = 2e-5, 3.0, 16
"""For the objective 'preference'. Published rates for LoRA are 5e-6 to 1e-5 with many more steps; 3 epochs as in
arXiv 2509.15172; 16 pairs a step as in arXiv 2411.04109."""
EPOCHS = (2, 4)
"""Fewest and most passes over the examples: too few teach little, too many memorise the examples (guess)."""


def resolved(config: TrainConfig, *, parameters: int, examples: int) -> TrainConfig:
    """The settings with a value in place of each 0 that means "choose". `parameters`: weights in the model."""
    if config.objective == "preference":
        return dataclasses.replace(
            config,
            learning_rate=config.learning_rate or PREFERENCE_RATE,
            batch_size=config.batch_size or PREFERENCE_BATCH,
            epochs=config.epochs or PREFERENCE_EPOCHS,
        )
    batch = config.batch_size or (BATCH_MANY if examples >= MANY_EXAMPLES else BATCH)
    steps_per_epoch = math.ceil(examples / batch)
    return dataclasses.replace(
        config,
        learning_rate=config.learning_rate or (LEARNING_RATE_LARGE if parameters >= LARGE_MODEL else LEARNING_RATE),
        batch_size=batch,
        epochs=config.epochs or float(min(max(math.ceil(MIN_STEPS / steps_per_epoch), EPOCHS[0]), EPOCHS[1])),
    )
