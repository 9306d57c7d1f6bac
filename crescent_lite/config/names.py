"""Names of the settings as a whole: the file in a workspace, the presets, the sections that may change.

Apart from the settings so that importing a name does not load their classes. Example: folder / CONFIG_NAME
"""

from pathlib import Path

CONFIG_NAME = "crescent.toml"
"""The file in a workspace that holds the user's own settings."""
PRESET_DIR = Path(__file__).parent / "presets"
PRESETS = ("quick", "default", "reference")
MOST_ROUNDS = 1000
"""Upper limit of run.rounds and of `crescent run --rounds`."""
CHANGEABLE_SECTIONS = ("model", "sampling", "train", "alarms")
"""Sections that a resumed run takes from today's settings: how the work is done, not what is asked and voted on."""
