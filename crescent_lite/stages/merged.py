"""Decides whether a trained model is sampled from the base with the adapter on it, or from a merged copy.

A copy takes time to write, so it is made only for a stage that will draw enough tokens, and kept while its adapter is
the one that asks, votes and is measured. The model's identity stays that of the adapter. Example:
    merged_copy(config.sampling, base, adapter, workspace.cache, expected_tokens=48_000)    # a path, or None
"""

from __future__ import annotations

import logging
from pathlib import Path

from crescent_lite.config import SamplingConfig
from crescent_lite.errors import CrescentError, ModelError, StorageError
from crescent_lite.records import ModelFile
from crescent_lite.training.merged_copy import copy_bytes, copy_helps, copy_path, delete_copies, make_copy

PAYING_TOKENS = 15_000
"""Tokens of a stage from which on a copy is made. Writing it takes as long as some 5,000 tokens of either model that
it was measured with, and saves a fifth to a third of the time of each token (`benchmarks/adapters.py`)."""
MEMORY_SHARE = 0.5
"""Largest share of the free memory that a copy's weights may take (guess)."""
MERGED, ON_THE_BASE = "merged copy", "adapter on the base"
"""How a trained model was sampled, in words."""

_log = logging.getLogger(__name__)


def merged_copy(
    config: SamplingConfig, base: ModelFile, adapter: ModelFile, folder: Path, expected_tokens: int
) -> Path | None:
    """The copy to sample from, made if it pays; None to put the adapter on the base.

    A disk without room for it is a warning, and so is a base that cannot be read: opening it says more.
    """
    if not may_merge(config):
        return None
    try:
        is_there = copy_path(base, adapter, folder).is_file()
        pays = expected_tokens >= PAYING_TOKENS and copy_helps(base.path) and _fits_in_memory(base.path)
        return make_copy(base, adapter, folder) if is_there or pays else None
    except (ModelError, StorageError) as error:
        tell_unusable(error)
        return None


def tell_unusable(reason: CrescentError) -> None:
    """Warn that there is no copy."""
    _log.warning("the adapter stays on the base, which is slower: %s", reason)


def discard_copies(folder: Path) -> None:
    """Delete all copies; a copy that cannot be deleted is a warning."""
    try:
        delete_copies(folder)
    except StorageError as error:
        _log.warning("the merged copy was not deleted: %s", error)


def may_merge(config: SamplingConfig) -> bool:
    """Whether the settings allow a copy, and a processor of this process samples."""
    if not config.merge_adapters or config.servers or config.workers != 1 or config.ray:
        return False
    from crescent_lite.sampling.devices import find_gpu

    return config.gpu_layers == 0 or find_gpu() is None


def _fits_in_memory(base: Path) -> bool:
    from crescent_lite.sampling.machine_limits import memory_now

    return copy_bytes(base) <= MEMORY_SHARE * memory_now().free_bytes
