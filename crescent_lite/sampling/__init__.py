"""Prompts in, completions out as they finish. See `protocol.py` for the seam, `llama.py` for the engine."""

from __future__ import annotations

from pathlib import Path

from crescent_lite.config import Config
from crescent_lite.sampling.protocol import Sampler, SamplerUsage

__all__ = ["Sampler", "SamplerUsage", "open_llama"]


def open_llama(model_path: Path, config: Config) -> Sampler:
    """The in-process engine with the model loaded. llama.cpp is imported here and not before."""
    from crescent_lite.sampling.llama import LlamaSampler

    return LlamaSampler(model_path, config.sampling)
