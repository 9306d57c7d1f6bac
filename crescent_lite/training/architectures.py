"""The supported architectures: those for which transformers and llama.cpp give the same results with an adapter.

Each one has a parity test (tests/test_training.py). Knows names and layers only.
Example: LINEAR_LAYERS["phi3"]      # ('qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj')
"""

from __future__ import annotations

from typing import Any

import gguf

from crescent_lite.errors import ModelError, TrainingError
from crescent_lite.training.base_gguf import BaseGguf

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_GATED = (*_ATTENTION, "gate_proj", "up_proj", "down_proj")
LINEAR_LAYERS: dict[str, tuple[str, ...]] = {
    "llama": _GATED,
    "qwen2": _GATED,
    "qwen3": _GATED,
    "gemma2": _GATED,
    "gemma3": _GATED,
    "stablelm": _GATED,
    "nemotron": (*_ATTENTION, "up_proj", "down_proj"),
    "phi3": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
    "starcoder2": (*_ATTENTION, "c_fc", "c_proj"),
    "lfm2": ("q_proj", "k_proj", "v_proj", "out_proj", "in_proj", "w1", "w2", "w3"),
}
"""For each architecture, by llama.cpp's name, transformers' names of the linear layers in a block. All of them get a
LoRA."""
# transformers can read other architectures from a GGUF too. They are left out: mixtures of experts, because it does
# not read the width of an expert; gpt2, bloom, falcon, deci, mamba and gemma4, because their parity is not tested.
PERMUTED = {"llama"}
"""The architectures for which llama.cpp stores the rows of q and k in another order than transformers."""
_ROTARY_FRACTION = {"stablelm": 0.25, "nemotron": 0.5}
"""Fraction of a head's width that is rotated by position, where it is not 1, as transformers assumes it."""
_GEMMA_HEAD = 256
"""The head width that transformers assumes when it scales Gemma's attention."""


def architecture_number(architecture: str) -> Any:
    """The number of an architecture in the package gguf."""
    return next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)


def refuse_unknown_architecture(architecture: str) -> None:
    """Raise TrainingError unless adapters of this architecture can be written."""
    if architecture not in LINEAR_LAYERS:
        raise TrainingError(
            f"the architecture {architecture!r} cannot be fine-tuned here; "
            f"choose a model with one of these: {', '.join(LINEAR_LAYERS)}"
        )


def refuse_unread_settings(base: BaseGguf) -> None:
    """Raise ModelError when transformers would silently ignore or misread a setting in the GGUF."""
    unread = None
    if base.rope_scaling != "none":
        unread = f"its positions are scaled ({base.rope_scaling})"
    elif base.architecture.startswith("gemma") and base.head_width != _GEMMA_HEAD:
        unread = f"its heads are {base.head_width} wide, so attention is scaled differently"
    elif base.rotary_width != int(_ROTARY_FRACTION.get(base.architecture, 1) * base.head_width):
        unread = f"positions rotate {base.rotary_width} of a head's {base.head_width} values"
    if unread:
        raise ModelError(
            f"{base.path}: {unread}, which transformers does not reproduce from a GGUF: "
            "set train.weights to the model's Hugging Face folder or repo"
        )
