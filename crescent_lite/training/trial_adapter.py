"""A PEFT adapter of zeros, of the rank that a run will train: what a server is tried with before the run.

It changes no reply. A server that refuses it would refuse the trained one too, after the training. Knows the base's
shapes and PEFT's file format, no server. Example:
    with trial_adapter(Path("model.gguf"), TrainConfig(rank=32), Path("data/adapters")) as folder: ...
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy as np

from crescent_lite.config import TrainConfig
from crescent_lite.errors import file_errors
from crescent_lite.training.architectures import LINEAR_LAYERS, architecture_number
from crescent_lite.training.base_gguf import BaseGguf, read_base

_BLOCK_PARTS = ("self_attn", "mlp", "conv", "feed_forward")
"""Where transformers keeps linear layers inside a block."""


@contextmanager
def trial_adapter(base_path: Path, config: TrainConfig, adapters: Path) -> Iterator[Path | None]:
    """Write the adapter to a folder in `adapters`, yield the folder, and delete it at the end.

    Yields None where no adapter can be trained: an unknown architecture, or no package for it. Raises ModelError or
    StorageError.
    """
    base = read_base(base_path)
    tensors = _zeros(base, config.rank)
    if not tensors or importlib.util.find_spec("safetensors") is None:
        yield None
        return
    from safetensors.numpy import save

    with file_errors(adapters):
        adapters.mkdir(parents=True, exist_ok=True)
        for left_over in adapters.glob("trial-*"):  # of a process that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="trial-", dir=adapters))
        folder.chmod(0o755)  # the server may run as another user
    try:
        with file_errors(folder):
            (folder / "adapter_config.json").write_text(_settings(base, config), encoding="utf-8")
            (folder / "adapter_model.safetensors").write_bytes(save(tensors))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(base: BaseGguf, config: TrainConfig) -> str:
    """The text of adapter_config.json."""
    return json.dumps(
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base.path.stem,
            "r": config.rank,
            "lora_alpha": config.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": list(LINEAR_LAYERS[base.architecture]),
            "inference_mode": True,
        }
    )


def _zeros(base: BaseGguf, rank: int) -> dict[str, np.ndarray]:
    """The matrices of the linear layers of the first block, by PEFT's names; empty for an unknown architecture."""
    if base.architecture not in LINEAR_LAYERS:
        return {}
    names = gguf.get_tensor_name_map(architecture_number(base.architecture), base.layers)
    tensors: dict[str, np.ndarray] = {}
    found = set()
    for part in _BLOCK_PARTS:
        for layer in LINEAR_LAYERS[base.architecture]:
            module = f"model.layers.0.{part}.{layer}"
            name = names.get_name(f"{module}.weight", (".weight",))
            shape = base.shapes.get(name or "", ())
            if len(shape) == 2 and name not in found:  # the package gguf knows some layers in several parts
                found.add(name)
                prefix = f"base_model.model.{module}"
                tensors[f"{prefix}.lora_A.weight"] = np.zeros((rank, shape[1]), np.float32)
                tensors[f"{prefix}.lora_B.weight"] = np.zeros((shape[0], rank), np.float32)
    return tensors
