"""The facts that training needs about the GGUF used for sampling, above all its tensor shapes: an adapter must fit.

Reads the header only, never the weights. Example: read_base(path).architecture -> 'llama'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crescent_lite.errors import ModelError
from crescent_lite.models.gguf_header import GgufHeader

ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class BaseGguf:
    """The header of a GGUF language model."""

    path: Path
    architecture: str
    """llama.cpp's name, for instance 'llama' or 'qwen2'."""
    layers: int
    """Transformer blocks."""
    heads: int
    """Attention heads (queries)."""
    kv_heads: int
    """Key and value heads; the largest number where layers differ."""
    head_width: int
    """Values in one head."""
    rotary_width: int
    """How many values of a head are rotated by position."""
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each tensor, outermost dimension first, as in torch."""
    parameters: int
    """Number of weights in all tensors."""
    rope_scaling: str
    """The kind of position scaling: 'linear', 'yarn', 'attention', ...; 'none' without scaling."""
    rope_factors: np.ndarray | None
    """One divisor per rotary frequency (Llama 3.1 and later); None when the file has none."""


def read_base(path: Path) -> BaseGguf:
    """Read the header of a GGUF. Raises ModelError unless it is the header of a language model."""
    header = GgufHeader(path)

    def number(key: str, default: int | None = None) -> int:
        value = header.value(f"{architecture}.{key}", default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ModelError(f"{path}: not a GGUF that can be trained: its header has no number for {key!r}")
        return value

    architecture = str(header.value("general.architecture", ""))
    heads = number("attention.head_count")
    if heads < 1:
        raise ModelError(f"{path}: not a GGUF that can be trained: it has {heads} heads")
    layers = number("block_count")
    if not 1 <= layers <= max(1, len(header.tensors)):
        raise ModelError(
            f"{path}: not a GGUF that can be trained: its header counts {layers:,} blocks, and it has "
            f"{len(header.tensors):,} tensors"
        )
    width = number("attention.key_length", number("embedding_length") // heads)
    return BaseGguf(
        path=path,
        architecture=architecture,
        layers=layers,
        heads=heads,
        kv_heads=_most(path, header.value(f"{architecture}.attention.head_count_kv", heads)),
        head_width=width,
        rotary_width=number("rope.dimension_count", width),
        shapes={tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in header.tensors},
        parameters=sum(int(tensor.n_elements) for tensor in header.tensors),
        rope_scaling=_rope_scaling(header, architecture),
        rope_factors=next((np.array(t.data) for t in header.tensors if t.name == ROPE_FACTORS), None),
    )


def _most(path: Path, heads: Any) -> int:
    """The largest number of heads in any layer; layers without attention have 0. Raises ModelError."""
    numbers = heads if isinstance(heads, list) else [heads]
    if not numbers or not all(isinstance(each, int) and each >= 0 for each in numbers):
        raise ModelError(f"{path}: not a GGUF that can be trained: 'attention.head_count_kv' is no number of heads")
    return int(max(numbers))


def _rope_scaling(header: GgufHeader, architecture: str) -> str:
    """The kind of position scaling. A factor without a kind means linear scaling, as in llama.cpp."""
    kind = str(header.value(f"{architecture}.rope.scaling.type", "none"))
    if kind != "none":
        return kind
    factors = ("rope.scaling.factor", "rope.scale_linear")
    if any(header.value(f"{architecture}.{key}", 0) not in (0, 1) for key in factors):
        return "linear"
    return "attention" if header.value(f"{architecture}.rope.scaling.attn_factor", 1) != 1 else "none"
