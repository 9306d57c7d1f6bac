"""The settings of a run: their types, ranges and help (`settings`), how layers are merged, and how they are shown.

Example: load_config(Path("data/crescent.toml"), overrides=["run.rounds=2"]).run.rounds -> 2
"""

from crescent_lite.config.settings import (
    CONFIG_NAME,
    MENDED,
    PRESET_DIR,
    PRESETS,
    AlarmsConfig,
    BaitConfig,
    BenchmarkConfig,
    Config,
    DiversifyConfig,
    EvaluateConfig,
    Policy,
    SamplingConfig,
    TrainConfig,
    VoteConfig,
    config_from_dict,
    load_config,
)

__all__ = [
    "CONFIG_NAME",
    "MENDED",
    "PRESETS",
    "PRESET_DIR",
    "AlarmsConfig",
    "BaitConfig",
    "BenchmarkConfig",
    "Config",
    "DiversifyConfig",
    "EvaluateConfig",
    "Policy",
    "SamplingConfig",
    "TrainConfig",
    "VoteConfig",
    "config_from_dict",
    "load_config",
]
