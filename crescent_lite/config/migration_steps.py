"""The kinds of steps that stored settings are migrated by: rename, remove, rename a section, set what was missing.

Each function makes a step: a function from stored settings to changed ones, which leaves its argument alone. Knows
no setting by name. Example:
    step = renamed("vote.votes", "vote.votes_per_question")
    step({"vote": {"votes": 8}, "overrides": ["vote.votes=8"]})
    # {"vote": {"votes_per_question": 8}, "overrides": ["vote.votes_per_question=8"]}
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crescent_lite.config.toml import override_layer, override_parts, toml_key, toml_text

Stored = dict[str, Any]
"""Settings as plain values: a table for each section, and `preset`, `preset_given` and `overrides` beside them."""
Step = Callable[[Stored], Stored]


def renamed(old: str, new: str, value: Callable[[Any], Any] = lambda value: value) -> Step:
    """Give a setting another name, and the value that `value` makes of the stored one.

    A name is `section.key`, or `evaluate.benchmarks.*.key` for that key of every benchmark; a benchmark's setting
    stays in its benchmark.
    """
    (old_path, _, old_key), (new_path, _, new_key) = old.rpartition("."), new.rpartition(".")

    def edit(settings: Stored) -> None:
        for table in _tables(settings, old_path):
            if old_key in table:
                target = table if new_path == old_path else settings.setdefault(new_path, {})
                target[new_key] = value(table.pop(old_key))

    return _in_overrides_too(edit)


def removed(name: str) -> Step:
    """Drop a setting, named as for `renamed`."""
    path, _, key = name.rpartition(".")

    def edit(settings: Stored) -> None:
        for table in _tables(settings, path):
            table.pop(key, None)

    return _in_overrides_too(edit)


def section_renamed(old: str, new: str) -> Step:
    """Give a whole section another name."""

    def edit(settings: Stored) -> None:
        if old in settings:
            settings[new] = settings.pop(old)

    return _in_overrides_too(edit)


def added(values: Mapping[str, Any]) -> Step:
    """Set missing settings to what the program did before it had them, because today's default differs.

    Names are as for `renamed`. A section that is missing is left out: its settings have their defaults.
    """

    def step(stored: Stored) -> Stored:
        changed = copy.deepcopy(stored)
        for name, value in values.items():
            path, _, key = name.rpartition(".")
            for table in _tables(changed, path):
                table.setdefault(key, value)
        return changed

    return step


def _tables(settings: Stored, path: str) -> Iterator[Stored]:
    """The table at `section`, or for `section.key.*` each table in the table at `section.key`."""
    found: list[Any] = [settings]
    for part in path.split("."):
        tables = [table for table in found if isinstance(table, dict)]
        found = [each for table in tables for each in (table.values() if part == "*" else [table.get(part)])]
    yield from (table for table in found if isinstance(table, dict))


def _in_overrides_too(edit: Callable[[Stored], None]) -> Step:
    """The step that edits a copy of the settings, and each override as if it were settings with one key."""

    def step(stored: Stored) -> Stored:
        changed = copy.deepcopy(stored)
        edit(changed)
        if "overrides" in stored:
            changed["overrides"] = [new for old in stored["overrides"] for new in _edited_override(old, edit)]
        return changed

    return step


def _edited_override(text: str, edit: Callable[[Stored], None]) -> list[str]:
    """The override after an edit: the same text if nothing changed, no text if its setting was removed."""
    _, layer = override_layer(text)
    edited = copy.deepcopy(dict(layer))
    edit(edited)
    if edited == layer:
        return [text]
    depth = len(override_parts(text)[0])
    return [f"{name}={toml_text(value)}" for name, value in _entries(edited, depth)]


def _entries(table: Stored, depth: int, before: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each entry that is `depth` tables deep."""
    for name, value in table.items():
        if depth == 1:
            yield before + toml_key(name), value
        elif isinstance(value, dict):
            yield from _entries(value, depth - 1, f"{before}{toml_key(name)}.")
