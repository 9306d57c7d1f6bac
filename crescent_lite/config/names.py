"""Names that a user types (presets, policies, controls, export formats), each list in one place.

The command line offers these names, and the code behind it imports them from here. Imports nothing heavy, so that
`crescent --help` is quick. Example: POLICIES -> ("majority", "band", "reference")
"""

from pathlib import Path
from typing import Literal, get_args

VERSION = "0.1.0"
"""Version of this program. pyproject.toml and `crescent_lite.__version__` take it from here."""
CONFIG_NAME = "crescent.toml"
"""The file in a workspace that holds the user's own settings."""
PRESET_DIR = Path(__file__).parent / "presets"
PRESETS = ("quick", "default", "preference", "reference")
LARGEST_INTEGER = 2**63 - 1
"""The largest integer that SQLite stores."""
MOST_ROUNDS = 1000
"""Upper limit of run.rounds and of `crescent run --rounds`."""
CHANGEABLE_SECTIONS = ("model", "sampling", "train", "alarms")
"""Sections a resumed run takes from the current settings: how the work is done, not what is asked and voted on."""
RESERVED_ARGUMENTS = ("messages", "tools", "documents", "add_generation_prompt")
"""Variables of a chat template that `model.template_arguments` may not set."""

Policy = Literal["majority", "band", "reference"]
"""How votes become a label; described at the setting vote.policy."""
POLICIES: tuple[Policy, ...] = get_args(Policy)

Objective = Literal["sft", "preference"]
"""What a training minimises; described at the setting train.objective."""

Control = Literal["step-by-step", "majority", "temperatures", "unvoted", "coin", "undiversified"]
"""A control experiment: a run without one part of the method; described in evaluation/controls.py."""
CONTROLS: tuple[Control, ...] = get_args(Control)

ExportKind = Literal["examples", "adapter", "gguf", "folder"]
"""What is exported: training examples, the adapter, one merged GGUF, or a merged Hugging Face folder."""
EXPORT_KINDS: tuple[ExportKind, ...] = get_args(ExportKind)

ExportFormat = Literal["conversational", "prompt-completion", "messages", "preference", "sharegpt", "parquet"]
"""How exported examples are written; described in export/examples.py."""
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

TrackerName = Literal["tensorboard", "trackio", "wandb"]
"""A program that draws the curves of runs; described in trackers/targets.py."""
TRACKERS: tuple[TrackerName, ...] = get_args(TrackerName)

GgufType = Literal["same", "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_nl", "q4_0"]
"""Type of the weights in a merged GGUF. 'same' gives each tensor the type it has in the base."""
GGUF_TYPES: tuple[GgufType, ...] = get_args(GgufType)
QUANTISED_TYPES = ("iq4_nl", "q4_0", "q4_k_m", "q5_k_m", "q6_k", "q8_0")
"""Types that `crescent quantise` writes."""
