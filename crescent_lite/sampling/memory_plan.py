"""How many sequences, each with how much context, fit in memory. Pure arithmetic on stated sizes.

Example: plan_memory(needed_context=600, bytes_per_token=12288, available_bytes=8e9, ...)
    -> MemoryPlan(slots=32, context_tokens=640)
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.errors import OutOfMemoryError

CHOSEN_SLOTS = 32
"""Measured on 2 cores: 32 sequences reach 93 tok/s where 16 reach 73-89 (0.5B, Q4_K_M)."""
MAX_SLOTS = 256
"""llama.cpp's LLAMA_MAX_SEQ."""
ROUNDING = 64
"""Context is rounded up, so that stages of about the same need share one context."""
MEMORY_SHARE = 0.7
"""Guess: of the available memory at most this goes into the cache; the rest is for buffers and the system."""


@dataclass(frozen=True)
class MemoryPlan:
    """What a llama.cpp context is made with."""

    slots: int
    """Sequences decoded together."""
    context_tokens: int
    """Context of each."""


def plan_memory(
    *,
    needed_context: int,
    bytes_per_token: int,
    available_bytes: float,
    trained_context: int,
    asked_slots: int = 0,
    asked_context: int = 0,
) -> MemoryPlan:
    """The largest plan that fits. Raises OutOfMemoryError when what was asked for, or one slot, does not."""
    context = asked_context or min(_round_up(needed_context), max(trained_context, ROUNDING))
    room = int(available_bytes * MEMORY_SHARE) // max(1, context * bytes_per_token)
    slots = min(asked_slots or CHOSEN_SLOTS, MAX_SLOTS)
    least = slots if asked_slots else 1
    if room < least:
        short = least * context * bytes_per_token
        raise OutOfMemoryError(
            f"sampling: {least} x {context:,} tokens of context need {short / 1e9:.1f} GB, "
            f"and {available_bytes * MEMORY_SHARE / 1e9:.1f} GB may be used; "
            "lower sampling.slots, sampling.context_tokens or max_tokens"
        )
    return MemoryPlan(slots=min(slots, room), context_tokens=context)


def _round_up(tokens: int) -> int:
    return -(-tokens // ROUNDING) * ROUNDING
