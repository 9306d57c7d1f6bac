"""Which settings of a run differ from its preset, and which differ between two runs.

Takes settings as they are stored with a run, in their newest version. A benchmark that only one side has is a
difference of `evaluate.benchmarks`, which lists the names; one that both have is compared key by key. Example:
    differing_from_preset(run.config) -> {"train.learning_rate": 0.001}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from crescent_lite.config.names import PRESETS
from crescent_lite.config.settings import load_config

BENCHMARKS = "evaluate.benchmarks"
Settings = Mapping[str, Any]
"""Plain values, by section and key."""


def differing_from_preset(stored: Settings) -> dict[str, Any]:
    """The settings with another value than in the preset that they name, by `section.key`.

    Empty for a preset that this version does not have.
    """
    preset = stored.get("preset")
    if preset not in PRESETS:
        return {}
    found = differing(_of_preset(preset), stored)
    return {name: after for name, (_, after) in found.items()}


def differing(before: Settings, after: Settings) -> dict[str, tuple[Any, Any]]:
    """The settings with two values, by `section.key`, in the order of `after`.

    A setting that one side lacks, because it was stored by a version without it, is no difference.
    """
    shared = _benchmarks(before).keys() & _benchmarks(after).keys()
    first, second = _flat(before, shared), _flat(after, shared)
    return {name: (first[name], value) for name, value in second.items() if name in first and first[name] != value}


@cache
def _of_preset(name: str) -> Settings:
    return load_config(preset=name).as_dict()


def _flat(settings: Settings, shared: Iterable[str]) -> dict[str, Any]:
    """Every setting by `section.key`, with the values as JSON has them."""
    plain = json.loads(json.dumps(settings))
    sections = {name: section for name, section in plain.items() if isinstance(section, dict)}
    found = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    benchmarks = _benchmarks(plain)
    if BENCHMARKS in found:
        found[BENCHMARKS] = sorted(benchmarks)
    for name in sorted(shared):
        found |= {f"{BENCHMARKS}.{name}.{key}": value for key, value in benchmarks[name].items()}
    return found


def _benchmarks(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    evaluate = settings.get("evaluate")
    found = evaluate.get("benchmarks") if isinstance(evaluate, Mapping) else None
    return found if isinstance(found, Mapping) else {}
