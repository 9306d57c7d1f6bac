"""The settings one by one, for somebody who changes them by hand: what each may be, and what was typed, as overrides.

Knows the types and the help of config.py, nothing of forms or terminals. Example:
    draft = Draft(path).with_value("vote.votes_per_question", "5").with_value("preset", "quick")
    draft.config().vote.votes_per_question     # 5; a value that is refused raises ConfigError
    draft.arguments()                          # ["--preset", "quick", "--set", "vote.votes_per_question=5"]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from crescent_lite.config import CONFIG_NAME, PRESETS, Config, config_from_dict, load_config
from crescent_lite.config.layers import Range
from crescent_lite.config.text import ConfigRow, config_rows
from crescent_lite.config.toml import toml_text
from crescent_lite.errors import ConfigError

PRESET, ROUNDS = "preset", "run.rounds"
"""The two that `crescent run` has options of their own for."""
BOOLEANS = ("true", "false")


@dataclass(frozen=True)
class Kind:
    """What a setting may be."""

    words: str
    """For people: 'a whole number, 1 to 1,000'."""
    choices: tuple[str, ...] = ()
    """Where there are only some."""
    is_text: bool = False
    is_list: bool = False
    """Of texts."""


@cache
def kinds() -> Mapping[str, Kind]:
    """By `section.key`, for `preset` and every setting that has a name in config.py."""
    found = {PRESET: Kind("one of these", PRESETS)}
    for section, hint in get_type_hints(Config).items():
        if dataclasses.is_dataclass(hint):
            for key, each in get_type_hints(hint, include_extras=True).items():
                found[f"{section}.{key}"] = _kind(each)
    return found


def shown_value(value: Any) -> str:
    """A value as one types it: a text without its quotes, a list with commas, all else as TOML has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) and "," not in each for each in value):
        return ", ".join(value)
    return toml_text(value)


def override_of(name: str, typed: str) -> str:
    """What was typed for a setting, as the text of a `--set`. Example: "12" for a text is the text "12"."""
    kind = kinds().get(name)
    typed = typed.strip()
    if kind and (kind.is_text or (kind.choices and kind.choices != BOOLEANS)):
        typed = toml_text(typed)
    elif kind and kind.is_list and not typed.startswith("["):
        typed = toml_text([each.strip() for each in typed.split(",") if each.strip()])
    return f"{name}={typed}"


@dataclass(frozen=True)
class Draft:
    """Settings of a run that is to be started: those of a file, and what was typed over them."""

    path: Path | None
    """The workspace's crescent.toml; None where there is none, then it is the quick preset's."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """By name."""

    def with_value(self, name: str, typed: str) -> Draft:
        """With another value for one setting. What it is without that is no change."""
        before = self.without(name)
        after = dataclasses.replace(before, typed={**before.typed, name: typed})
        value = after.value(name)
        return before if value is not None and value == before.value(name) else after

    def without(self, name: str) -> Draft:
        """With what the setting is without having been typed."""
        return dataclasses.replace(self, typed={key: each for key, each in self.typed.items() if key != name})

    def value(self, name: str) -> str | None:
        """What a setting is, as one types it; None where the settings are refused, or there is no such one."""
        try:
            return next((shown_value(row[1]) for row in self.rows() if row[0] == name), None)
        except ConfigError:
            return None

    def rows(self) -> list[ConfigRow]:
        """Every setting that can be typed: not those inside a benchmark. Raises ConfigError."""
        return [row for row in self.all_rows() if row[0] in kinds()]

    def all_rows(self) -> list[ConfigRow]:
        """Every setting. Raises ConfigError."""
        return config_rows(self.config())

    def config(self) -> Config:
        """The settings as a run would have them. Raises ConfigError, the setting's name in front."""
        overrides = [override_of(name, typed) for name, typed in self.typed.items() if name != PRESET]
        preset = self.typed.get(PRESET, "").strip() or (None if self.path else "quick")
        try:
            return load_config(self.path, preset=preset, overrides=overrides)
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix("--set: ")) from None

    def arguments(self) -> list[str]:
        """For `crescent run`: only what was changed."""
        found: list[str] = []
        for name, typed in self.typed.items():
            if name == PRESET:
                found += ["--preset", typed.strip()]
            elif name == ROUNDS:
                found += ["--rounds", typed.strip()]
            else:
                found += ["--set", override_of(name, typed)]
        return found


def stored_rows(stored: Mapping[str, Any]) -> list[ConfigRow]:
    """Every setting of a run, from what is stored with it. Where each came from is told by what the presets have now.

    Raises ConfigError where another version stored them.
    """
    config = config_from_dict(stored)
    named = {override.partition("=")[0].strip() for override in config.overrides}
    preset = load_config(preset=config.preset)
    before = {name: (value, origin) for name, value, origin, _ in config_rows(preset)}

    def origin(name: str, value: Any) -> str:
        if name == PRESET:
            named_by = CONFIG_NAME if value != Config.preset else "default"
            return "--preset" if config.preset_given else named_by
        if name in named:
            return "--set"
        known = before.get(name)
        return known[1] if known and known[0] == value else CONFIG_NAME

    return [(name, value, origin(name, value), text) for name, value, _, text in config_rows(config)]


def _kind(hint: Any) -> Kind:
    bounds: Range | None = None
    if get_origin(hint) is Annotated:
        hint, bounds = get_args(hint)
    between = f", {bounds.low:,} to {bounds.high:,}" if bounds else ""
    if get_origin(hint) is Literal:
        return Kind("one of these", tuple(map(str, get_args(hint))))
    if hint is bool:
        return Kind("true or false", BOOLEANS)
    if hint is int:
        return Kind(f"a whole number{between}")
    if hint is float:
        return Kind(f"a number{between}")
    if hint is str:
        return Kind("a text", is_text=True)
    if get_origin(hint) is tuple:
        return Kind("texts, with commas between them", is_list=True)
    return Kind("a TOML table: { name = { key = value } }")
