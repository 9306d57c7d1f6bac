"""Converts a PEFT LoRA adapter to a GGUF adapter, which llama.cpp puts on the base.

A property that a GGUF adapter cannot express is rejected by name, never dropped. Knows nothing of training.
Example: write_adapter_gguf(peft_dir, read_base(gguf_path), out_dir / "adapter.gguf", base_sha256)
Source of the format: llama.cpp, convert_lora_to_gguf.py (tensors `<name>.lora_a` and `<name>.lora_b`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crescent_lite.errors import TrainingError
from crescent_lite.files import atomic_replacement
from crescent_lite.printable import printable_line
from crescent_lite.records import BASE_SHA256
from crescent_lite.rows import shortened
from crescent_lite.training.architectures import PERMUTED, architecture_number, refuse_unknown_architecture
from crescent_lite.training.base_gguf import BaseGguf

UNSUPPORTED_FIELDS: Mapping[str, Callable[[Any], bool]] = {
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
"""Fields of adapter_config.json, each with a test that is true for values that a GGUF adapter cannot express."""

REASON_CHARACTERS = 300
"""Longest message of a library in an error's line."""
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


def write_adapter_gguf(peft_dir: Path, base: BaseGguf, path: Path, base_sha256: str) -> None:
    """Convert the adapter in `peft_dir` and write it to `path`, completely or not at all.

    `base_sha256` is stored in the file, so that the adapter is not used with another base. Raises TrainingError for
    an adapter that is damaged, belongs to another model, or cannot be expressed as GGUF.
    """
    refuse_unknown_architecture(base.architecture)
    alpha, tensors = _read_peft(peft_dir)
    with atomic_replacement(path) as unfinished:
        _write(unfinished, base, alpha, tensors, base_sha256)


def _write(
    path: Path, base: BaseGguf, alpha: float, tensors: Mapping[tuple[str, str], np.ndarray], base_sha256: str
) -> None:
    names = gguf.get_tensor_name_map(architecture_number(base.architecture), base.layers)
    writer = gguf.GGUFWriter(path, base.architecture)
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


def _read_peft(peft_dir: Path) -> tuple[float, dict[tuple[str, str], np.ndarray]]:
    """LoRA's alpha, and the tensors by (module, 'A' or 'B'). Raises TrainingError."""
    try:
        settings = json.loads((peft_dir / "adapter_config.json").read_text(encoding="utf-8"))
        loaded = load_file(peft_dir / "adapter_model.safetensors")
    except (OSError, ValueError, TypeError, RecursionError, MemoryError, SafetensorError) as error:
        # A TypeError is about a number type unknown to numpy.
        reason = printable_line(str(error), REASON_CHARACTERS)
        raise TrainingError(
            f"{peft_dir}: not a PEFT adapter stored as safetensors of floats: {reason}; train it again"
        ) from None
    if not isinstance(settings, dict) or not _is_finite(settings.get("lora_alpha")):
        raise TrainingError(f"{peft_dir}: adapter_config.json has no number for lora_alpha; train the adapter again")
    for field, is_unsupported in UNSUPPORTED_FIELDS.items():
        if field in settings and is_unsupported(settings[field]):
            raise TrainingError(
                f"{peft_dir}: an adapter with {field} = {shortened(settings[field])} cannot be written as GGUF; "
                "train a plain LoRA"
            )
    tensors = {}
    for key, tensor in loaded.items():
        match = _TENSOR.fullmatch(key)
        if match is None:
            raise TrainingError(
                f"{peft_dir}: the tensor {shortened(key)!r} does not belong to a LoRA pair of a linear layer"
            )
        tensors[match["module"], match["side"]] = tensor
    if {(module, "A") for module, _ in tensors} | {(module, "B") for module, _ in tensors} != set(tensors):
        raise TrainingError(f"{peft_dir}: half of a LoRA pair is missing; train the adapter again")
    for (module, side), tensor in tensors.items():
        if tensor.ndim != 2 or not np.isfinite(tensor).all():
            raise TrainingError(f"{peft_dir}: {side} of {shortened(module)} is not a matrix of finite numbers")
        if side == "A" and tensor.shape[0] != tensors[module, "B"].shape[-1]:
            raise TrainingError(f"{peft_dir}: the two matrices of {shortened(module)} have different ranks")
    if not tensors:
        raise TrainingError(f"{peft_dir}: the adapter has no tensors; train it again")
    return float(settings["lora_alpha"]), tensors


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _refuse_misfit(module: str, name: str | None, side: str, tensor: np.ndarray, base: BaseGguf) -> None:
    """Raise TrainingError unless the base has the tensor, with a matching size."""
    if name is None or name not in base.shapes:
        raise TrainingError(f"{base.path}: has no tensor for {shortened(module)!r}, which the adapter changes")
    rows, columns = base.shapes[name]
    kind, wanted, found = ("columns", columns, tensor.shape[1]) if side == "A" else ("rows", rows, tensor.shape[0])
    if wanted != found:
        raise TrainingError(
            f"{base.path}: {name} has {wanted} {kind} but the adapter {found}: it was trained on another model"
        )


def _permuted(rows: np.ndarray, module: str, base: BaseGguf) -> np.ndarray:
    """LoRA's B with the rows of each head in llama.cpp's order: the two rotary halves interleaved."""
    heads = {"q_proj": base.heads, "k_proj": base.kv_heads}.get(module.rsplit(".", 1)[-1])
    if heads is None:
        return rows
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return halves.swapaxes(1, 2).reshape(rows.shape)
