"""Checkpoints of a fine-tuning: the adapter and the optimiser's moments as safetensors, the progress as JSON.

A checkpoint is written under a temporary name, completed with a list of checksums, and then renamed, so an incomplete
one is never loaded. A checkpoint with a different fingerprint, from other examples or settings, is ignored. Example:
    save(folder, Checkpoint(step=12, tensors={...}, progress={...}), fingerprint)
    load(folder, fingerprint).step      # 12
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from crescent_lite.files import flush_to_disk

TENSORS, PROGRESS, COMPLETE = "tensors.safetensors", "progress.json", "complete.json"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that is needed to resume a fine-tuning."""

    step: int
    """Number of optimiser steps done so far."""
    tensors: Mapping[str, torch.Tensor]
    """The adapter and the optimiser's moments, by name."""
    progress: Mapping[str, Any]
    """Plain values that JSON can hold: losses, tokens, seconds."""


def save(folder: Path, checkpoint: Checkpoint, fingerprint: str) -> None:
    """Write a checkpoint into `folder` and delete the older ones.

    Raises OSError or SafetensorError when it cannot be written; the previous checkpoint is then kept.
    """
    place = folder / f"step-{checkpoint.step:06d}"
    unfinished = place.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
        save_file(tensors, unfinished / TENSORS)
        _write_json(unfinished / PROGRESS, {"step": checkpoint.step, **checkpoint.progress})
        checksums = {name: _sha256(unfinished / name) for name in (TENSORS, PROGRESS)}
        _write_json(unfinished / COMPLETE, {"fingerprint": fingerprint, "sha256": checksums})
        for path in (*unfinished.iterdir(), unfinished):
            flush_to_disk(path)
    except (OSError, SafetensorError):
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)
    unfinished.replace(place)
    flush_to_disk(folder)
    for other in folder.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def load(folder: Path, fingerprint: str) -> Checkpoint | None:
    """The latest complete checkpoint with this fingerprint; None if there is none."""
    for place in sorted(folder.glob("step-*"), reverse=True):
        if (checkpoint := _load_whole(place, fingerprint)) is not None:
            return checkpoint
    return None


def _load_whole(place: Path, fingerprint: str) -> Checkpoint | None:
    try:
        complete = json.loads((place / COMPLETE).read_text(encoding="utf-8"))
        if complete["fingerprint"] != fingerprint:
            return None
        if any(_sha256(place / name) != complete["sha256"][name] for name in (TENSORS, PROGRESS)):
            return None
        progress = json.loads((place / PROGRESS).read_text(encoding="utf-8"))
        return Checkpoint(progress.pop("step"), load_file(place / TENSORS), progress)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError):
        return None  # damaged, or made by somebody else


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
