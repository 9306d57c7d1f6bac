"""The settings of a run: their types, ranges and help (`settings`), how layers are merged, and how they are shown.

The classes are loaded when one of them is first asked for. Example:
    load_config(Path("data/crescent.toml"), overrides=["run.rounds=2"]).run.rounds -> 2
"""

from typing import TYPE_CHECKING

from crescent_lite.config.names import CHANGEABLE_SECTIONS, CONFIG_NAME, PRESET_DIR, PRESETS

if TYPE_CHECKING:
    from crescent_lite.config.settings import (
        AlarmsConfig,
        BaitConfig,
        BenchmarkConfig,
        Config,
        DiversifyConfig,
        EvaluateConfig,
        ModelConfig,
        SamplingConfig,
        TrainConfig,
        VoteConfig,
        config_from_dict,
        load_config,
    )

__all__ = [
    "CHANGEABLE_SECTIONS",
    "CONFIG_NAME",
    "PRESETS",
    "PRESET_DIR",
    "AlarmsConfig",
    "BaitConfig",
    "BenchmarkConfig",
    "Config",
    "DiversifyConfig",
    "EvaluateConfig",
    "ModelConfig",
    "SamplingConfig",
    "TrainConfig",
    "VoteConfig",
    "config_from_dict",
    "load_config",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crescent_lite.config import settings

    return getattr(settings, name)
