"""Settings as text: the rows that `crescent config` prints, and the crescent.toml that `crescent init` writes.

The help is the string under each field in `settings`. Does not know what the settings are used for. Example:
    config_rows(load_config())[1]   # ("run.rounds", 1, "default", "Rounds to run, 1-1,000. ...")
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from crescent_lite.config import BenchmarkConfig, Config, load_config
from crescent_lite.config.help import field_help
from crescent_lite.config.toml import toml_key, toml_text

ConfigRow = tuple[str, Any, str, str]
"""The name `section.key`, the value as plain JSON, where the value came from, and the help."""

STARTER_KEYS = {
    "run": ("rounds", "seed", "prompts"),
    "model": ("source",),
    "sampling": ("threads", "gpu_layers"),
    "bait": ("questions", "assistant_prefix"),
    "diversify": ("near_duplicate", "max_per_template", "max_rewrites"),
    "vote": ("votes_per_question", "min_share", "temperature", "max_tokens"),
    "train": ("loader", "epochs", "learning_rate", "rank"),
    "evaluate": ("prompts",),
}
"""The settings that a new crescent.toml shows, because people change them most."""

STARTER_TOP = """\
#:schema ./crescent.schema.json
# The settings of this workspace. Each commented line shows the preset's value; remove its "# " to set your own.
# `crescent config` lists every setting with its value and where that value came from.

preset = {preset}
"""

STARTER_END = """
# Your own questions with known answers, one JSON object per line. The preset's benchmarks are then left out.
# [evaluate.benchmarks.mine]
# source = "questions.jsonl"
"""


def config_rows(config: Config) -> list[ConfigRow]:
    """Every setting, in the order of `settings`. Each benchmark's settings have rows of their own."""
    preset_help = _one_line(field_help(Config)["preset"])
    rows: list[ConfigRow] = [("preset", config.preset, config.origins.get("preset", ""), preset_help)]
    for section in dataclasses.fields(config):
        settings = getattr(config, section.name)
        if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
            rows += _section_rows(section.name, settings, config.origins)
    return rows


def starter_toml(preset: str) -> str:
    """The text of a new crescent.toml: the preset's name, and STARTER_KEYS commented out."""
    config = load_config(preset=preset)
    lines = [STARTER_TOP.format(preset=toml_text(preset))]
    for section, keys in STARTER_KEYS.items():
        settings = getattr(config, section)
        helps = field_help(type(settings))
        lines.append(f"[{section}]")
        for key in keys:
            lines += textwrap.wrap(_one_line(helps[key]), 110, initial_indent="#   ", subsequent_indent="#   ")
            lines.append(f"# {key} = {toml_text(getattr(settings, key))}")
        lines.append("")
    return "\n".join(lines) + STARTER_END


def _section_rows(where: str, settings: Any, origins: Mapping[str, str], origin: str = "") -> Iterator[ConfigRow]:
    helps = field_help(type(settings))
    for field in dataclasses.fields(settings):
        name, value = f"{where}.{field.name}", getattr(settings, field.name)
        came_from = origins.get(name, origin)
        nested = value if isinstance(value, Mapping) else {}
        if nested and all(isinstance(each, BenchmarkConfig) for each in nested.values()):
            for key, each in nested.items():
                yield from _section_rows(f"{name}.{toml_key(key)}", each, origins, came_from)
        else:
            plain = list(value) if isinstance(value, tuple) else value
            yield name, plain, came_from, _one_line(helps.get(field.name, ""))


def _one_line(text: str) -> str:
    return " ".join(text.split())
