"""How many sequences, each with how much context, fit in memory. Pure arithmetic on stated sizes.

Where all slots fit, each has cells of its own: attention reads only what belongs to it. Where they do not, the slots
share one pool of cells, which holds as many sequences as their real lengths allow.
Example: plan_memory(shape, needed_context=600, usable_bytes=8e9, batch_tokens=256)
    -> MemoryPlan(slots=64, context_tokens=768, cells=49152, shared=False, ...)
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.errors import OutOfMemoryError

CHOSEN_SLOTS = 64
"""On a CPU. Measured on 2 cores, see the plot in the README: more sequences gain little, and a step takes longer."""
CHOSEN_SLOTS_ON_GPU = 128
"""Measured on an H200 with a 0.5B model: 64 make 85% of its tokens a second, 256 make 107%."""
MAX_SLOTS = 256
"""llama.cpp's LLAMA_MAX_SEQ."""
ROUNDING = 256
"""llama.cpp rounds each sequence's cells up to this, so the plan does too; stages of like need share one context."""
MEMORY_SHARE = 0.7
"""Guess: of the free memory at most this is planned with; the rest is for the system."""
BYTES_PER_VOCABULARY_ENTRY = 350
"""llama.cpp's tables for one token. Measured: 52 MB at 151,936 tokens, 18 MB at 49,152."""


@dataclass(frozen=True)
class ModelShape:
    """What of a model decides how much memory it takes."""

    weights_bytes: int
    """All tensors. They are held once: repacked for the processor where that is faster, else as they are."""
    vocabulary: int
    """Tokens in the vocabulary."""
    cache_bytes_per_token: int
    """Keys and values (f16) of one token in all layers."""
    layers: int
    feed_forward: int
    """Width of the widest layer."""
    trained_context: int
    """Tokens of context the model was trained on."""


@dataclass(frozen=True)
class MemoryPlan:
    """What a llama.cpp context is made with."""

    slots: int
    """Sequences decoded together."""
    context_tokens: int
    """Context of each, at most."""
    cells: int
    """Tokens that the cache holds in all."""
    shared: bool
    """Whether the slots share the cells; else each has `context_tokens` of its own."""
    batch_tokens: int
    """Tokens per decode at most."""
    weights_bytes: int
    """Weights and vocabulary."""
    cache_bytes: int
    """The cells, and in a shared pool their masks."""
    buffer_bytes: int
    """Logits, and the intermediate results of one decode."""

    @property
    def total_bytes(self) -> int:
        """Expected peak, beside what the program itself takes."""
        return self.weights_bytes + self.cache_bytes + self.buffer_bytes


def plan_memory(
    shape: ModelShape,
    *,
    needed_context: int,
    usable_bytes: float,
    batch_tokens: int,
    chosen_slots: int = CHOSEN_SLOTS,
    asked_slots: int = 0,
    asked_context: int = 0,
    weights_loaded: bool = True,
) -> MemoryPlan:
    """The largest plan that fits. Raises OutOfMemoryError when not even one sequence does.

    `asked_slots` and `asked_context` are the user's; 0 chooses. `usable_bytes` is for the cache and the
    buffers, and for the weights too where they are not loaded yet.
    """
    context = asked_context or min(_round_up(needed_context), max(shape.trained_context, ROUNDING))
    slots = min(asked_slots or chosen_slots, MAX_SLOTS)
    weights = shape.weights_bytes + shape.vocabulary * BYTES_PER_VOCABULARY_ENTRY
    logits = slots * shape.vocabulary * 4
    buffers = logits + max(logits, batch_tokens * shape.feed_forward * 16)
    usable = usable_bytes - (0 if weights_loaded else weights)
    own = slots * _round_up(context)
    shared = (usable - buffers) // max(1, shape.cache_bytes_per_token) < own
    # In a shared pool attention masks every cell for every token of a batch (f16).
    bytes_per_cell = max(1, shape.cache_bytes_per_token + (2 * batch_tokens if shared else 0))
    cells = int((usable - buffers) // bytes_per_cell) // ROUNDING * ROUNDING if shared else own
    if cells < context:
        short = context * bytes_per_cell + buffers
        raise OutOfMemoryError(
            f"sampling: {context:,} tokens of context and {slots} slots need {_gigabytes(short)}, "
            f"and {_gigabytes(max(usable, 0))} may be used; "
            "lower sampling.context_tokens, sampling.slots or max_tokens, or take a smaller model"
        )
    return MemoryPlan(
        slots=slots,
        context_tokens=context,
        cells=cells,
        shared=shared,
        batch_tokens=max(batch_tokens, slots),
        weights_bytes=weights,
        cache_bytes=cells * bytes_per_cell,
        buffer_bytes=buffers,
    )


def layers_that_fit(shape: ModelShape, free_bytes: float) -> int:
    """How many layers to put on a GPU with so much free memory: -1 is all of them."""
    usable = free_bytes * MEMORY_SHARE
    if shape.weights_bytes <= usable:
        return -1
    return int(shape.layers * usable / shape.weights_bytes)


def _round_up(tokens: int) -> int:
    return -(-tokens // ROUNDING) * ROUNDING


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
