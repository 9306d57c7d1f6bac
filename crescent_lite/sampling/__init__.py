"""Prompts in, completions out as they finish. See `protocol.py` for the seam, `llama.py` for the engine."""

from __future__ import annotations

import os
from pathlib import Path

from crescent_lite.config import Config
from crescent_lite.sampling.protocol import Sampler, SamplerUsage

__all__ = ["Sampler", "SamplerUsage", "open_llama"]

# llama.cpp's waiting threads sleep instead of spinning; OpenMP reads this when llama.cpp is loaded. Measured on 2
# cores, 48 short prompts, 135M: 9.1 s instead of 13.7 s beside one busy process; alone it costs up to 10%.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def open_llama(model_path: Path, config: Config) -> Sampler:
    """The in-process engine with the model loaded. llama.cpp is imported here and not before."""
    from crescent_lite.sampling.llama import LlamaSampler

    return LlamaSampler(model_path, config.sampling)
