"""The architectures whose adapters are known to agree between transformers and llama.cpp; each has a parity test.

Example: LINEAR_LAYERS["phi3"]      # ('qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj')
"""

from __future__ import annotations

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
"""By llama.cpp's name: the linear layers of a block as transformers names them. All of them get a LoRA."""
# Not here, of what transformers reads from a GGUF: mixtures of experts, as it does not read how wide an expert is;
# gpt2, bloom, falcon, deci, mamba and gemma4, as nobody has tried whether both programs agree on them.
PERMUTED = {"llama"}
"""Where llama.cpp stores the rows of q and k in another order than transformers."""
_ROTARY_SHARE = {"stablelm": 0.25, "nemotron": 0.5}
_GEMMA_HEAD = 256


def refuse_unknown_architecture(architecture: str) -> None:
    """Raise TrainingError unless adapters of this architecture can be written."""
    if architecture not in LINEAR_LAYERS:
        raise TrainingError(
            f"the architecture {architecture!r} cannot be fine-tuned here: "
            f"adapters can be written for {', '.join(LINEAR_LAYERS)}"
        )


def refuse_unread_settings(base: BaseGguf) -> None:
    """Raise ModelError where transformers would take a setting of the GGUF for another one, without a word."""
    unread = None
    if base.rope_scaling != "none":
        unread = f"its positions are scaled ({base.rope_scaling})"
    elif base.architecture.startswith("gemma") and base.head_width != _GEMMA_HEAD:
        unread = f"its heads are {base.head_width} wide and attention is scaled otherwise"
    elif base.rotary_width != int(_ROTARY_SHARE.get(base.architecture, 1) * base.head_width):
        unread = f"positions turn {base.rotary_width} of a head's {base.head_width} values"
    if unread:
        raise ModelError(
            f"{base.path}: {unread}, which is not reproduced here: "
            "set train.weights to the model's Hugging Face folder or repo"
        )
