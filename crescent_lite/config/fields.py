"""The settings one by one, for a form: what values each accepts, and what a user typed, as overrides.

Knows the types of `settings`, but no widgets or terminals. Example:
    draft = Draft(path).with_value("vote.votes_per_question", "5").with_value("preset", "quick")
    draft.config().vote.votes_per_question     # 5; raises ConfigError for an invalid value
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
"""The two settings that are options of `crescent run`; the others are passed with --set."""
BOOLEANS = ("true", "false")


@dataclass(frozen=True)
class Kind:
    """The values that a setting accepts."""

    words: str
    """The type and range in words, such as 'a whole number, 1 to 1,000'."""
    choices: tuple[str, ...] = ()
    """The accepted values, as typed; empty if they cannot be listed."""
    is_text: bool = False
    is_list: bool = False
    """Whether the value is a list of texts."""
    is_number_list: bool = False


@cache
def kinds() -> Mapping[str, Kind]:
    """The kind of `preset` and of every setting, by `section.key`. A benchmark's own settings are not among them."""
    found = {PRESET: Kind("one of these", PRESETS)}
    for section, hint in get_type_hints(Config).items():
        if dataclasses.is_dataclass(hint):
            for key, each in get_type_hints(hint, include_extras=True).items():
                found[f"{section}.{key}"] = _kind(each)
    return found


def shown_value(value: Any) -> str:
    """A value as a user types it: text without quotes, a list with commas, anything else as TOML."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) and "," not in each for each in value):
        return ", ".join(value)
    if isinstance(value, list | tuple) and all(type(each) is float for each in value):
        return ", ".join(f"{each:g}" for each in value)
    return toml_text(value)


def override_of(name: str, typed: str) -> str:
    """The `--set` text for what was typed. Example: ("bait.file", "12") -> 'bait.file="12"'."""
    kind = kinds().get(name)
    typed = typed.strip()
    if kind and (kind.is_text or (kind.choices and kind.choices != BOOLEANS)):
        typed = toml_text(typed)
    elif kind and kind.is_list and not typed.startswith("["):
        typed = toml_text([each.strip() for each in typed.split(",") if each.strip()])
    elif kind and kind.is_number_list and not typed.startswith("["):
        typed = f"[{typed}]"
    return f"{name}={typed}"


@dataclass(frozen=True)
class Draft:
    """The settings of a run before it starts: those of a file, and what the user typed over them."""

    path: Path | None
    """The workspace's crescent.toml; None if there is no such file; the preset is then 'quick'."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """Typed values by `section.key`."""

    def with_value(self, name: str, typed: str) -> Draft:
        """The draft with a typed value. A value that the setting already has is not kept as a change."""
        before = self.without(name)
        after = dataclasses.replace(before, typed={**before.typed, name: typed})
        value = after.value(name)
        return before if value is not None and value == before.value(name) else after

    def without(self, name: str) -> Draft:
        """The draft without a typed value for this setting."""
        return dataclasses.replace(self, typed={key: each for key, each in self.typed.items() if key != name})

    def value(self, name: str) -> str | None:
        """A setting's value as a user types it; None if the settings are invalid or have no such name."""
        try:
            return next((shown_value(row[1]) for row in self.rows() if row[0] == name), None)
        except ConfigError:
            return None

    def rows(self) -> list[ConfigRow]:
        """Every setting that can be typed, which excludes those inside a benchmark. Raises ConfigError."""
        return [row for row in self.all_rows() if row[0] in kinds()]

    def all_rows(self) -> list[ConfigRow]:
        """Every setting. Raises ConfigError."""
        return config_rows(self.config())

    def config(self) -> Config:
        """The settings as a run would have them. Raises ConfigError with a message that begins with the setting."""
        overrides = [override_of(name, typed) for name, typed in self.typed.items() if name != PRESET]
        preset = self.typed.get(PRESET, "").strip() or (None if self.path else "quick")
        try:
            return load_config(self.path, preset=preset, overrides=overrides)
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix("--set: ")) from None

    def arguments(self) -> list[str]:
        """The arguments of `crescent run` for what was changed."""
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
    """Every setting of a run, from its stored settings. Each origin is inferred from the presets of this version.

    Raises ConfigError for a setting that this version does not know.
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
        return Kind("text", is_text=True)
    if get_origin(hint) is tuple and get_args(hint)[0] is not str:
        return Kind(
            _kind(get_args(hint)[0]).words.replace("a number", "numbers separated by commas"), is_number_list=True
        )
    if get_origin(hint) is tuple:
        return Kind("texts separated by commas", is_list=True)
    entry = "{ key = value }" if dataclasses.is_dataclass(get_args(hint)[1]) else "value"
    return Kind(f"a TOML table: {{ name = {entry} }}")
