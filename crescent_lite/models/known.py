"""A few instruct models to begin with, for those who have no GGUF yet: sizes, licences, measured speeds.

Their architectures can be sampled and trained. Downloads nothing, and no run takes one by itself. Example:
    known_model("qwen2.5-0.5b").source -> "Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf"
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.errors import ModelError

SLOTS, CONTEXT_TOKENS = 64, 1024
"""Sequences, and tokens of each, that the memory is given for: those of the preset 'default' on a CPU."""
WORKING_BYTES = 200_000_000
"""Memory beside weights and cache: logits, buffers, the vocabulary (guess)."""


@dataclass(frozen=True)
class KnownModel:
    """A GGUF on the Hugging Face hub, or the embedded model."""

    name: str
    """The name that `crescent models --fetch` takes."""
    source: str
    """What `model.source` is set to."""
    file_bytes: int
    """Size of the file, to about a percent."""
    cache_bytes_per_token: int
    """Keys and values of one token, as f16."""
    licence: str
    tokens_per_second: int | None = None
    """Speed of sampling on two cores without a GPU; None where it was not measured."""
    measured: str = ""
    """What was measured with this model; empty if nothing was."""

    @property
    def memory_bytes(self) -> int:
        """Memory to sample with 64 full contexts. With less, the sequences share what there is."""
        return self.file_bytes + SLOTS * CONTEXT_TOKENS * self.cache_bytes_per_token + WORKING_BYTES

    @property
    def in_words(self) -> str:
        """'Qwen/...:....gguf' (0.5 GB, 1.5 GB of memory, Apache-2.0)."""
        return (
            f"{self.source!r} ({self.file_bytes / 1e9:.1f} GB, {self.memory_bytes / 1e9:.1f} GB of memory, "
            f"{self.licence})"
        )


KNOWN_MODELS = (
    KnownModel(
        "embedded",
        "embedded",
        98_000_000,
        23_040,
        "Apache-2.0",
        150,
        "a round of the preset 'quick': 10 to 14 minutes",
    ),
    KnownModel(
        "qwen2.5-0.5b",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491_000_000,
        12_288,
        "Apache-2.0",
    ),
    KnownModel(
        "qwen2.5-coder-0.5b",
        "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF:qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        491_000_000,
        12_288,
        "Apache-2.0",
        80,
        "a round of 160 texts: about an hour",
    ),
    KnownModel(
        "llama-3.2-1b",
        "bartowski/Llama-3.2-1B-Instruct-GGUF:Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        810_000_000,
        32_768,
        "Llama 3.2 Community",
    ),
    KnownModel(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF:qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_120_000_000,
        28_672,
        "Apache-2.0",
    ),
    KnownModel(
        "qwen2.5-coder-1.5b",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        1_120_000_000,
        28_672,
        "Apache-2.0",
        34,
    ),
    KnownModel(
        "llama-3-8b",
        "bartowski/Meta-Llama-3-8B-Instruct-GGUF:Meta-Llama-3-8B-Instruct-Q4_K_M.gguf",
        4_920_000_000,
        131_072,
        "Llama 3 Community",
    ),
)
"""From the smallest to the largest."""
SUGGESTED = ("qwen2.5-0.5b", "llama-3.2-1b", "qwen2.5-1.5b")
"""Those that an error names."""


def known_model(name: str) -> KnownModel | None:
    """The model of that name or source; None if there is none."""
    wanted = name.lower()
    return next((each for each in KNOWN_MODELS if wanted in (each.name, each.source.lower())), None)


def no_source() -> ModelError:
    """The error for settings that name no model."""
    named = ", ".join(each.in_words for each in KNOWN_MODELS if each.name in SUGGESTED)
    return ModelError(
        "model.source is not set, and this preset has no model of its own: set it to the path of an instruct model's "
        f"GGUF, or to one of the Hugging Face hub such as {named}; `crescent models` lists more and fetches one"
    )
