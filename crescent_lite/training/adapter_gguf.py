"""A PEFT LoRA adapter -> a GGUF adapter that llama.cpp puts on the base.

What a GGUF adapter cannot say is refused by name, never dropped. Knows nothing of training.
Example: write_adapter_gguf(peft_dir, read_base(gguf_path), out_dir / "adapter.gguf")
Source of the format: llama.cpp, convert_lora_to_gguf.py (tensors `<name>.lora_a` and `<name>.lora_b`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crescent_lite.errors import TrainingError
from crescent_lite.records import BASE_SHA256
from crescent_lite.training.architectures import PERMUTED, refuse_unknown_architecture
from crescent_lite.training.base_gguf import BaseGguf

INEXPRESSIBLE: Mapping[str, Callable[[Any], bool]] = {
    "use_rslora": bool,
    "use_dora": bool,
    "rank_pattern": bool,
    "alpha_pattern": bool,
    "modules_to_save": bool,
    "lora_bias": bool,
    "trainable_token_indices": bool,
    "layer_replication": bool,
    "bias": lambda value: value not in (None, "none"),
    "peft_type": lambda value: value != "LORA",
}
"""Fields of adapter_config.json, and when their value cannot be said in a GGUF adapter."""

_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


def write_adapter_gguf(peft_dir: Path, base: BaseGguf, path: Path, base_sha256: str) -> None:
    """Write the adapter to `path`, complete or not at all. TrainingError for what it cannot express."""
    refuse_unknown_architecture(base.architecture)
    alpha, tensors = _read_peft(peft_dir)
    names = gguf.get_tensor_name_map(_architecture_number(base.architecture), base.layers)
    unfinished = path.with_suffix(".unfinished")
    writer = gguf.GGUFWriter(unfinished, base.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    writer.add_string(BASE_SHA256, base_sha256)
    for (module, side), tensor in sorted(tensors.items()):
        name = names.get_name(f"{module}.weight", (".weight",))
        _refuse_misfit(module, name, side, tensor, base)
        if side == "B" and base.architecture in PERMUTED:
            tensor = _permuted(tensor, module, base)
        writer.add_tensor(f"{name}.lora_{side.lower()}", np.ascontiguousarray(tensor, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)


def _read_peft(peft_dir: Path) -> tuple[float, dict[tuple[str, str], np.ndarray]]:
    """LoRA's alpha, and each tensor by (module, 'A' or 'B')."""
    try:
        settings = json.loads((peft_dir / "adapter_config.json").read_text(encoding="utf-8"))
        loaded = load_file(peft_dir / "adapter_model.safetensors")
    except (OSError, ValueError, TypeError, SafetensorError) as error:  # TypeError: a type that numpy does not have
        raise TrainingError(f"{peft_dir}: not a PEFT adapter in safetensors of floats: {error}") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("lora_alpha"), int | float):
        raise TrainingError(f"{peft_dir}: adapter_config.json has no number for lora_alpha")
    for field, refused in INEXPRESSIBLE.items():
        if field in settings and refused(settings[field]):
            raise TrainingError(
                f"{peft_dir}: an adapter with {field} = {settings[field]!r} cannot be written as GGUF; "
                "train a plain LoRA"
            )
    tensors = {}
    for key, tensor in loaded.items():
        match = _TENSOR.fullmatch(key)
        if match is None:
            raise TrainingError(f"{peft_dir}: the tensor {key!r} is no LoRA pair of a linear layer")
        tensors[match["module"], match["side"]] = tensor
    if {(module, "A") for module, _ in tensors} | {(module, "B") for module, _ in tensors} != set(tensors):
        raise TrainingError(f"{peft_dir}: half of a LoRA pair is missing")
    for (module, side), tensor in tensors.items():
        if tensor.ndim != 2 or not np.isfinite(tensor).all():
            raise TrainingError(f"{peft_dir}: {module} has in {side} no matrix of finite numbers")
        if side == "A" and tensor.shape[0] != tensors[module, "B"].shape[-1]:
            raise TrainingError(f"{peft_dir}: the two matrices of {module} are of different rank")
    if not tensors:
        raise TrainingError(f"{peft_dir}: an adapter without tensors")
    return float(settings["lora_alpha"]), tensors


def _refuse_misfit(module: str, name: str | None, side: str, tensor: np.ndarray, base: BaseGguf) -> None:
    if name is None or name not in base.shapes:
        raise TrainingError(f"{base.path}: the base has no tensor for {module!r}, which the adapter changes")
    rows, columns = base.shapes[name]
    kind, wanted, found = ("columns", columns, tensor.shape[1]) if side == "A" else ("rows", rows, tensor.shape[0])
    if wanted != found:
        raise TrainingError(
            f"{base.path}: {name} has {wanted} {kind}, the adapter's {found}: it was trained on another model"
        )


def _permuted(rows: np.ndarray, module: str, base: BaseGguf) -> np.ndarray:
    """B with the rows of each head in llama.cpp's order: the two rotary halves interleaved."""
    heads = {"q_proj": base.heads, "k_proj": base.kv_heads}.get(module.rsplit(".", 1)[-1])
    if heads is None:
        return rows
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def _architecture_number(architecture: str) -> Any:
    return next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
