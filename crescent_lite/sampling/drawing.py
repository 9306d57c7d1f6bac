"""Draws tokens from logits: the likeliest candidates are picked first, and llama.cpp's sampler chain sees only those.

A chain whose first step is top_k draws the same token from the k largest logits as from the whole vocabulary, but
llama.cpp would first build an array of all of them. Example:
    with_chain(chain, likeliest(logits, 64), logits)    # a token id
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crescent_lite.sampling.library import llama_cpp

BLOCKS_HOLD = 64
"""Logits in a block. The k-th largest maximum of a block bounds the k-th largest logit from below."""
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""The layout of llama.cpp's llama_token_data."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One token to draw after a decode."""

    chunk: int
    """Number of the chunk after whose last token it is drawn."""
    chain: object
    """llama.cpp's sampler chain."""
    candidates: int
    """How many of the largest logits the chain looks at; 0 when it looks at all."""


def suffices(offered: int, needed: int) -> bool:
    """Whether the `offered` largest logits are enough where `needed` are looked at; 0 means all of them, for both."""
    return not offered or 0 < needed <= offered


def likeliest(logits: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the ids of the `count` largest logits, and of a few more, in ascending order.

    Empty when there are too few logits for blocks, or when some are not numbers: then look at all of them.
    """
    blocks = len(logits) // BLOCKS_HOLD
    if not 0 < count <= blocks:
        return np.empty(0, np.int64)
    # The members of a block are `blocks` apart, so that the maxima of all blocks are taken in one pass over memory.
    grid, rest = logits[: blocks * BLOCKS_HOLD].reshape(BLOCKS_HOLD, blocks), logits[blocks * BLOCKS_HOLD :]
    maxima = grid.max(axis=0)
    bound = np.partition(maxima, blocks - count)[blocks - count]
    columns = np.flatnonzero(maxima >= bound)
    inside = grid[:, columns]
    row, column = np.nonzero(inside >= bound)
    ids = np.concatenate((row * blocks + columns[column], blocks * BLOCKS_HOLD + np.flatnonzero(rest >= bound)))
    if len(ids) < count:
        return np.empty(0, np.int64)
    return np.sort(ids)


def with_chain(chain: object, ids: NDArray[np.int64], logits: NDArray[np.float32]) -> int:
    """Return the token that the chain draws from these ids, and tell the chain."""
    table = np.zeros(len(ids), _CANDIDATE)
    table["id"], table["logit"] = ids, logits[ids]
    candidates = llama_cpp.llama_token_data_array(
        ctypes.cast(table.ctypes.data, ctypes.POINTER(llama_cpp.llama_token_data)), len(ids), -1, False
    )
    llama_cpp.llama_sampler_apply(chain, ctypes.byref(candidates))
    token = int(candidates.data[candidates.selected].id)
    llama_cpp.llama_sampler_accept(chain, token)
    return token
