"""Names that a user types, such as those of controls and export formats. Each list stands here once.

Imports nothing heavy, so that `crescent --help` is quick. Example:
    POLICIES -> ("majority", "band", "reference")
"""

from __future__ import annotations

from typing import Literal, get_args

Policy = Literal["majority", "band", "reference"]
"""How votes become a label; described at the setting vote.policy."""
POLICIES: tuple[Policy, ...] = get_args(Policy)

Control = Literal["step-by-step", "majority", "unvoted", "undiversified"]
"""A control experiment: a run without one part of the method; described in evaluation/controls.py."""
CONTROLS: tuple[Control, ...] = get_args(Control)

ExportKind = Literal["examples", "adapter", "gguf", "folder"]
"""What is exported: training examples, the adapter, one merged GGUF, or a merged Hugging Face folder."""
EXPORT_KINDS: tuple[ExportKind, ...] = get_args(ExportKind)

ExportFormat = Literal["prompt-completion", "messages", "sharegpt", "parquet"]
"""How exported examples are written; described in export/examples.py."""
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

GgufType = Literal["same", "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"]
"""Type of the weights in a merged GGUF. 'same' gives each tensor the type it has in the base."""
GGUF_TYPES: tuple[GgufType, ...] = get_args(GgufType)
