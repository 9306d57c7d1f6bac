"""What a fine-tuning minimises: one small file for each objective, behind one interface.

The trainer, its checkpoints and its reports know only the interface. Runs in the training program only. Example:
    objective = objective_of(TrainConfig(objective="preference"))
    objective.needs_reference      # True
"""

from __future__ import annotations

from collections.abc import Callable

from crescent_lite.config import TrainConfig
from crescent_lite.config.names import Objective as ObjectiveName
from crescent_lite.training.objectives.interface import Objective
from crescent_lite.training.objectives.preference import Preference
from crescent_lite.training.objectives.sft import SupervisedFineTuning

OBJECTIVES: dict[ObjectiveName, Callable[[TrainConfig], Objective]] = {
    "sft": lambda config: SupervisedFineTuning(),
    "preference": lambda config: Preference(config.beta, config.nll_weight),
}


def objective_of(config: TrainConfig) -> Objective:
    """The objective that the settings name, with its own settings."""
    return OBJECTIVES[config.objective](config)


__all__ = ["OBJECTIVES", "Objective", "objective_of"]
