"""Decides how many sequences fit in memory, and how much context each one gets. Pure arithmetic on given sizes.

A cell of the cache holds the keys and values of one token. When memory is enough for all slots, each slot has its own
cells, and attention reads only those. When it is not, the slots share one pool of cells, which holds as many
sequences as their actual lengths allow.
Example: plan_memory(shape, needed_context=600, usable_bytes=8e9, batch_tokens=256)
    -> MemoryPlan(slots=64, context_tokens=768, cells=49152, shared=False, ...)
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.errors import OutOfMemoryError

DEFAULT_SLOTS = 64
"""Slots on a CPU. Measured on 2 cores with 0.5B models: more slots gain little, and each decode takes longer."""
DEFAULT_SLOTS_ON_GPU = 128
"""Slots on a GPU. Measured on an H200 with a 0.5B model: 64 slots reach 85% of the speed of 128, 256 reach 107%."""
MAX_SLOTS = 256
"""Most slots of one context: llama.cpp's LLAMA_MAX_SEQ."""
MIN_SLOTS_TO_DIVIDE = 32
"""Fewer slots than this stay in one context: two small decodes take longer than one (guess)."""
ROUNDING = 256
"""llama.cpp rounds each sequence's cells up to a multiple of this, so the plan does too. It also lets stages with
similar needs share one context."""
MEMORY_FRACTION = 0.7
"""The fraction of the free memory that a plan may use; the rest is left for the system (guess)."""
BYTES_PER_VOCABULARY_ENTRY = 350
"""Size of llama.cpp's tables for one token. Measured: 52 MB at 151,936 tokens, 18 MB at 49,152."""


@dataclass(frozen=True)
class ModelShape:
    """The properties of a model that decide how much memory it takes."""

    weights_bytes: int
    """Size of all tensors. Each is in memory once: repacked for the processor if that is faster, else unchanged."""
    vocabulary: int
    """Tokens in the vocabulary."""
    cache_bytes_per_token: int
    """Keys and values (f16) of one token in all layers."""
    layers: int
    """Transformer blocks."""
    feed_forward: int
    """Width of the widest layer."""
    trained_context: int
    """Tokens of context the model was trained on."""


@dataclass(frozen=True)
class MemoryPlan:
    """The sizes that llama.cpp's contexts are created with, and the memory they take. All contexts are alike."""

    contexts: int
    """Contexts that take turns."""
    slots: int
    """Sequences that one context decodes together."""
    context_tokens: int
    """Most tokens that one sequence can hold, prompt and reply together."""
    cells: int
    """Tokens that the cache of one context can hold."""
    shared: bool
    """Whether the slots share the cells; otherwise each slot has `context_tokens` cells of its own."""
    batch_tokens: int
    """Most tokens in one decode."""
    weights_bytes: int
    """Weights and vocabulary."""
    cache_bytes: int
    """The cells of all contexts, and with a shared pool the attention masks."""
    buffer_bytes: int
    """Logits, and the intermediate results of one decode, of all contexts."""

    @property
    def all_slots(self) -> int:
        """Sequences in all contexts."""
        return self.contexts * self.slots

    @property
    def total_bytes(self) -> int:
        """Expected peak memory, without what the program itself takes."""
        return self.weights_bytes + self.cache_bytes + self.buffer_bytes


def plan_memory(
    shape: ModelShape,
    *,
    needed_context: int,
    usable_bytes: float,
    batch_tokens: int,
    default_slots: int = DEFAULT_SLOTS,
    contexts: int = 1,
    asked_slots: int = 0,
    asked_context: int = 0,
    weights_loaded: bool = True,
) -> MemoryPlan:
    """The largest plan that fits in `usable_bytes`. Raises OutOfMemoryError when not even one sequence fits.

    `asked_slots` and `asked_context` are the user's settings; 0 means `default_slots` and `needed_context`. The slots
    are divided among `contexts`, or more where one cannot hold its part; few slots are not divided.
    `usable_bytes` is for the cache and the buffers, and also for the weights if they are not loaded yet.
    """
    context = asked_context or min(_round_up(needed_context), max(shape.trained_context, ROUNDING))
    all_slots = asked_slots or default_slots
    contexts = max(contexts if all_slots >= MIN_SLOTS_TO_DIVIDE else 1, -(-all_slots // MAX_SLOTS))
    slots = -(-all_slots // contexts)
    weights = shape.weights_bytes + shape.vocabulary * BYTES_PER_VOCABULARY_ENTRY
    logits = slots * shape.vocabulary * 4
    buffers = logits + max(logits, batch_tokens * shape.feed_forward * 16)
    usable = (usable_bytes - (0 if weights_loaded else weights)) / contexts
    own = slots * _round_up(context)
    shared = (usable - buffers) // max(1, shape.cache_bytes_per_token) < own
    # With a shared pool, attention has a mask of f16 numbers: one for each cell and each token of a batch.
    bytes_per_cell = max(1, shape.cache_bytes_per_token + (2 * batch_tokens if shared else 0))
    cells = int((usable - buffers) // bytes_per_cell) // ROUNDING * ROUNDING if shared else own
    if cells < context:
        short = context * bytes_per_cell + buffers
        raise OutOfMemoryError(
            f"sampling: {context:,} tokens of context and {all_slots} slots need {in_gigabytes(contexts * short)}, "
            f"but only {in_gigabytes(max(contexts * usable, 0))} can be used; "
            "lower sampling.context_tokens, sampling.slots or max_tokens, or use a smaller model"
        )
    return MemoryPlan(
        contexts=contexts,
        slots=slots,
        context_tokens=context,
        cells=cells,
        shared=shared,
        batch_tokens=max(batch_tokens, slots),
        weights_bytes=weights,
        cache_bytes=contexts * cells * bytes_per_cell,
        buffer_bytes=contexts * buffers,
    )


def layers_that_fit(shape: ModelShape, free_bytes: float) -> int:
    """How many layers to put on a GPU with `free_bytes` of free memory; -1 means all of them."""
    usable = free_bytes * MEMORY_FRACTION
    if shape.weights_bytes <= usable:
        return -1
    return int(shape.layers * usable / shape.weights_bytes)


def _round_up(tokens: int) -> int:
    return -(-tokens // ROUNDING) * ROUNDING


def in_gigabytes(count: float) -> str:
    """'1.5 GB'; '96 MB' below one gigabyte."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
