"""The migrations of stored settings: what became of each setting that was renamed, removed or redefined.

A run's settings are stored as JSON (`Config.as_dict`) together with `settings_version`, the number of migrations
known when they were written. The store applies the later ones when it reads a run, to the settings and to the
`section.key=value` texts of the command line that are stored beside them. The database itself is not changed.

A migration is never edited once it is on the main branch; new ones go at the end. This module does not import the
classes of the settings, because those have only the current names. Example:
    upgraded({"train": {"quantize_4bit": True}})   # {"train": {"precision": "auto"}, "settings_version": 3}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.config.migration_steps import Step, Stored, added, removed, renamed
from crescent_lite.errors import ConfigError

VERSION_KEY = "settings_version"
"""The key of the stored settings that holds their version. Settings without it are version 0."""


@dataclass(frozen=True)
class Migration:
    """One step from a version of the settings to the next."""

    name: str
    """What changed, for readers of this file."""
    step: Step


MIGRATIONS = (
    Migration(
        "train.precision replaced train.quantize_4bit",  # false meant half precision on a GPU
        renamed("train.quantize_4bit", "train.precision", lambda in_4bit: "auto" if in_4bit else "bfloat16"),
    ),
    Migration(
        "alarms.gap_rise was removed",  # alarms.unmarked_rise measures something else
        removed("alarms.gap_rise"),
    ),
    Migration(
        "settings added later get the values that match how the program behaved before them",
        added(
            {
                "run.patience": 0,
                "bait.min_acceptance": 0.0,
                "diversify.max_per_template": 0,
                "vote.stopping": "never",
            }
        ),
    ),
    Migration(
        "train.look_replies is 0 for a run that was started without it",  # so that its checkpoints still fit
        added({"train.look_replies": 0}),
    ),
    Migration(
        "model.source is 'embedded' for a run that was started when that was the default",
        added({"model.source": "embedded"}),
    ),
    Migration(
        "sampling.merge_adapters is false for a run that was started without it",
        added({"sampling.merge_adapters": False}),
    ),
)
"""All migrations in their order. Settings of version N have had the first N."""


def upgraded(stored: Mapping[str, Any], migrations: Sequence[Migration] = MIGRATIONS) -> Stored:
    """Stored settings with the names and meanings of the newest version. Raises ConfigError for a newer one."""
    version = stored.get(VERSION_KEY, 0)
    if type(version) is not int or version < 0:
        raise ConfigError(f"the settings stored with the run: {VERSION_KEY}: {version!r} is not a version number")
    if version > len(migrations):
        raise ConfigError(
            f"the settings stored with the run: written by a newer crescent-lite (settings version {version}; this "
            f"installation reads up to {len(migrations)}); upgrade crescent-lite"
        )
    settings = dict(stored)
    for migration in migrations[version:]:
        settings = migration.step(settings)
    return {**settings, VERSION_KEY: len(migrations)}
