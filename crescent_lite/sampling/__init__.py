"""Prompts in, completions out as they finish. `protocol.py` is the seam; `llama.py` is llama.cpp in this process,
`server_pool.py` the same over HTTP.
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.config import Config
from crescent_lite.sampling.protocol import Sampler, SamplerUsage

__all__ = ["Sampler", "SamplerUsage", "check_servers", "open_sampler"]


def open_sampler(model_path: Path, config: Config) -> Sampler:
    """The engine that the settings name, ready to sample. llama.cpp is imported here and not before."""
    if config.sampling.servers:
        from crescent_lite.sampling.server_pool import ServerSampler

        return ServerSampler(model_path, config.sampling)
    from crescent_lite.sampling.llama import LlamaSampler

    return LlamaSampler(model_path, config.sampling)


def check_servers(model_path: Path, config: Config, *, will_train: bool) -> None:
    """Before a run starts: the servers in the settings, if any, can do all it will ask. Raises CrescentError."""
    if config.sampling.servers:
        from crescent_lite.sampling import server_pool

        server_pool.check_servers(model_path, config.sampling, will_train=will_train)
