"""What training must know of the GGUF that sampling uses: its shape, so that an adapter fits it.

Reads the header only, never the weights. Example: read_base(path).architecture -> 'llama'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from crescent_lite.errors import ModelError

ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class BaseGguf:
    """The header of a GGUF language model."""

    path: Path
    architecture: str
    """llama.cpp's name, for instance 'llama' or 'qwen2'."""
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    """Values of one head."""
    rotary_width: int
    """Of them, those that positions turn."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of each tensor, outermost first as torch has it."""
    parameters: int
    """Weights in all."""
    rope_scaling: str
    """'none', or the kind of scaling that the header asks for: 'linear', 'yarn', ..."""
    rope_factors: np.ndarray | None
    """One divisor per rotary frequency (Llama 3.1 and later), or None."""


def read_base(path: Path) -> BaseGguf:
    """The header of a GGUF. Raises ModelError when it is not one."""
    try:
        reader = gguf.GGUFReader(path)
        architecture = str(_value(reader, "general.architecture"))
        heads = int(_value(reader, f"{architecture}.attention.head_count"))
        width = int(_value(reader, f"{architecture}.embedding_length")) // heads
        width = int(_value(reader, f"{architecture}.attention.key_length", width))
        return BaseGguf(
            path=path,
            architecture=architecture,
            layers=int(_value(reader, f"{architecture}.block_count")),
            heads=heads,
            kv_heads=int(_value(reader, f"{architecture}.attention.head_count_kv", heads)),
            head_width=width,
            rotary_width=int(_value(reader, f"{architecture}.rope.dimension_count", width)),
            shapes={tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in reader.tensors},
            parameters=sum(int(tensor.n_elements) for tensor in reader.tensors),
            rope_scaling=str(_value(reader, f"{architecture}.rope.scaling.type", "none")),
            rope_factors=next((np.array(t.data) for t in reader.tensors if t.name == ROPE_FACTORS), None),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelError(f"{path}: not a GGUF that can be trained: {error}") from None


def _value(reader: Any, key: str, default: Any = None) -> Any:
    field = reader.get_field(key)
    if field is not None:
        return field.contents()
    if default is None:
        raise ValueError(f"its header has no {key!r}")
    return default
