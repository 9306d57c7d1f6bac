"""The settings of a run that is resumed: those it was started with, and what may have changed since.

Takes stored settings in their newest version, as `Runs.fetch_run` returns them. Example:
    config, kept = resumed_config(run.config, workspace.config_path, preset=None, overrides=["train.epochs=1"])
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crescent_lite.config.names import CHANGEABLE_SECTIONS
from crescent_lite.config.settings import Config, config_from_dict, load_config


def unchangeable_config(stored: Mapping[str, Any]) -> Config:
    """The settings that a run keeps for good; CHANGEABLE_SECTIONS have their defaults. Raises ConfigError."""
    return config_from_dict({name: value for name, value in stored.items() if name not in CHANGEABLE_SECTIONS})


def resumed_config(
    stored: Mapping[str, Any], config_path: Path, *, preset: str | None, overrides: Sequence[str]
) -> tuple[Config, tuple[str, ...]]:
    """The settings that a resumed run works with, and the names of changed settings that it ignores.

    CHANGEABLE_SECTIONS come from the file as it is now, overridden by the command line that started the run and
    then by the current `preset` and `overrides`. Everything else stays as it was stored. Raises ConfigError.
    """
    config = unchangeable_config(stored)
    all_overrides = (*config.overrides, *overrides)
    started_with = config.preset if config.preset_given else None
    current = load_config(config_path, preset=preset or started_with, overrides=all_overrides)
    taken = [text for text in all_overrides if text in config.overrides or _section_of(text) in CHANGEABLE_SECTIONS]
    each_once = tuple(dict.fromkeys(reversed(taken)))[::-1]  # by its last place, because later ones override
    changed = {name: getattr(current, name) for name in CHANGEABLE_SECTIONS}
    config = dataclasses.replace(config, **changed, overrides=each_once)
    return config, tuple(name for name in _differing(config, current) if name != "run.rounds")


def _section_of(override: str) -> str:
    return override.strip().partition(".")[0]


def _differing(config: Config, other: Config) -> list[str]:
    """The settings, as `section.key`, that have another value in `other`."""
    sections = [(field.name, getattr(config, field.name)) for field in dataclasses.fields(Config)]
    return [
        f"{name}.{key.name}"
        for name, section in sections
        if dataclasses.is_dataclass(section)
        for key in dataclasses.fields(section)
        if getattr(section, key.name) != getattr(getattr(other, name), key.name)
    ]
