"""Merges a base GGUF and adapters into one GGUF that needs no adapter, tensor by tensor, so that memory stays small.

    merged = base + sum over the adapters of  weight * alpha / rank * B @ A
Tensors that no adapter changes are copied unchanged, and so is the metadata: tokens, chat template, licence. A base
that is split into several files becomes one. Knows nothing of runs or rounds. Source: LoRA, arXiv 2106.09685.
Example:
    merge(base, [WeightedAdapter(adapter)], out, tensor_type="f16", encode=encode_rows, metadata={})
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorType

from crescent_lite.errors import ModelError
from crescent_lite.files import atomic_replacement
from crescent_lite.models.gguf_header import GgufHeader

ROWS_BYTES = 16 * 1024 * 1024
"""How much of a tensor is in memory at a time, as 32-bit floats, in bytes (guess)."""
SIMPLE_TYPES = {"f32": TensorType.F32, "f16": TensorType.F16, "bf16": TensorType.BF16}
"""Tensor types that every matrix can have, by the user's name for them."""
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
}
"""The metadata value `general.file_type` for each of SIMPLE_TYPES."""
WRITER_KEYS = (gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.ALIGNMENT)
"""Metadata keys that the GGUF writer sets itself."""
SPLIT_KEYS = "split."
"""How the metadata keys begin that only a part of a split GGUF has."""
KEPT_IN_FLOATS = re.compile(
    r"(?:.*\.)?(?:[a-z0-9_]*_norm|shortconv\.conv|ssm_conv1d(?:_[qkv])?|ssm_[ad]|ffn_gate_inp(?:_shexp)?|altup_\w+"
    r"|time_mix_(?:first|w1|w2|decay_w1|decay_w2|lerp_fused)|position_embd|token_types)(?:\.weight)?"
)
"""Names of the tensors that are 32-bit floats in every type of file, even if they have two dimensions: llama.cpp
aborts at the first token where a convolution has 16 bits. Source: llama.cpp, convert_hf_to_gguf.py."""
MAX_NAME = 150
"""Most characters of a file's name; file systems allow 255 bytes."""
EncodeRows = Callable[[np.ndarray, int], np.ndarray]
"""(floats of shape (rows, columns), ggml's number of a tensor type) -> the bytes of each row."""


@dataclass(frozen=True)
class WeightedAdapter:
    """A LoRA adapter in GGUF format, and its weight in the merge."""

    path: Path
    weight: float = 1.0
    """Factor for the adapter's change; 1 is the adapter as trained. May be negative."""


def merge(
    base: Path,
    adapters: Sequence[WeightedAdapter],
    out: Path,
    *,
    tensor_type: str,
    encode: EncodeRows,
    metadata: Mapping[str, str],
    changed_types: Mapping[TensorType, TensorType] | None = None,
) -> None:
    """Write the merged model to `out`, completely or not at all. Raises ModelError or StorageError.

    `tensor_type` is 'same' to give each tensor its type in the base, or one of SIMPLE_TYPES for all matrices.
    `metadata` holds texts that replace those of the base, for instance its name. `changed_types`: type in the base
    -> type in the merged file, for the tensors that an adapter changes; what it does not name stays.
    """
    source = GgufHeader(base)
    changes = [_read_adapter(adapter, source, base) for adapter in adapters]
    with atomic_replacement(out) as unfinished:
        writer = gguf.GGUFWriter(unfinished, _text(source, "architecture"))
        if (alignment := source.value(gguf.Keys.General.ALIGNMENT)) is not None:
            writer.add_custom_alignment(alignment)
        _copy_metadata(source, writer, dict(metadata), tensor_type)
        types = _types(source, tensor_type)
        for name in {name for change in changes for name in change} if changed_types else ():
            types[name] = (changed_types or {}).get(types[name], types[name])
        for tensor in source.tensors:
            _add_tensor_info(writer, tensor, types[tensor.name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in source.tensors:
            deltas = [change[tensor.name] for change in changes if tensor.name in change]
            writer.write_tensor_data(_merged(tensor, deltas, types[tensor.name], encode))
        writer.close()


@dataclass(frozen=True)
class Rounding:
    """How much of the adapters' change is left after the merged weights were rounded to their tensor type."""

    kept: float
    """The part of the change that is in the merged weights: 1 is all of it, 0 nothing."""
    noise: float
    """How far rounding moved the weights, relative to the size of the change; 0 means not at all."""


NOTHING_ROUNDED = Rounding(kept=1.0, noise=0.0)
"""The result when no adapter changes a tensor."""


def rounding(base: Path, adapters: Sequence[WeightedAdapter], merged: Path) -> Rounding:
    """Measure how much of the adapters' change a merged model contains, over all tensors that they change.

    The steps between 4-bit values are large. If the base has 4 bits, a small change is rounded away and the adapter
    is lost; if the base has floats, the rounding itself moves the weights. `kept` is
    <merged - base, change> / <change, change>, and `noise` is |merged - base - change| / |change|.
    """
    source, result = GgufHeader(base), {tensor.name: tensor for tensor in GgufHeader(merged).tensors}
    changes = [_read_adapter(adapter, source, base) for adapter in adapters]
    kept, intended, missed = 0.0, 0.0, 0.0
    for tensor in source.tensors:
        if not (deltas := [change[tensor.name] for change in changes if tensor.name in change]):
            continue
        blocks = zip(_row_blocks(tensor, deltas), _row_blocks(result[tensor.name], ()), strict=True)
        for (_, weights, change), (_, found, _) in blocks:
            off = found - weights - change
            kept += float(np.vdot(found - weights, change))
            intended += float(np.vdot(change, change))
            missed += float(np.vdot(off, off))
    return Rounding(kept / intended, math.sqrt(missed / intended)) if intended else NOTHING_ROUNDED


@dataclass(frozen=True)
class _Delta:
    """The change that one adapter makes to a tensor: `scale * b @ a`."""

    a: np.ndarray
    b: np.ndarray
    scale: float


def merged_name(base: Path, given_name: str, made_by: str, tensor_type: str) -> str:
    """A file name by the GGUF naming convention: the base's name, what was done to it, and its tensor type.

    `given_name` is used if the base's metadata has no name. That name is untrusted: every character except letters,
    digits, dots, plus signs and underscores becomes a hyphen.
    """
    header = GgufHeader(base)
    if tensor_type == "same":
        known = {kind.value: kind.name for kind in gguf.LlamaFileType}
        label = known.get(header.value("general.file_type"), "")
        tensor_type = label.removeprefix("MOSTLY_").removeprefix("ALL_")
    name, finetune = _text(header, "basename"), _text(header, "finetune")
    file_name = gguf.naming_convention(
        model_name=None,
        base_name=name or given_name,
        finetune_string=f"{finetune}-{made_by}" if finetune else made_by,
        version_string=_text(header, "version") or None,
        size_label=(_text(header, "size_label") or None) if name else None,
        output_type=tensor_type or None,
    )
    return re.sub(r"[^\w.+-]+", "-", file_name)[-MAX_NAME:].lstrip(".-")


def _text(header: GgufHeader, key: str) -> str:
    return str(header.value(f"general.{key}", ""))


def _read_adapter(adapter: WeightedAdapter, base: GgufHeader, base_path: Path) -> dict[str, _Delta]:
    """An adapter's changes, by the name of the tensor. Raises ModelError when it belongs to another base."""
    header = GgufHeader(adapter.path)
    if _text(header, "type") != "adapter" or header.value("adapter.type") != "lora":
        raise ModelError(f"{adapter.path}: is not a LoRA adapter in GGUF format")
    theirs, ours = _text(header, "architecture"), _text(base, "architecture")
    if theirs != ours:
        raise ModelError(f"{adapter.path}: is for the architecture {theirs!r}, but {base_path} is {ours!r}")
    alpha = header.value(gguf.Keys.Adapter.LORA_ALPHA)
    if not isinstance(alpha, float):
        raise ModelError(f"{adapter.path}: has no LoRA alpha ({gguf.Keys.Adapter.LORA_ALPHA}) in its metadata")
    shapes = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in base.tensors}
    halves = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in header.tensors}
    pairs = {}
    for name in (name.removesuffix(".lora_a") for name in halves if name.endswith(".lora_a")):
        a, b = halves[f"{name}.lora_a"], halves.get(f"{name}.lora_b")
        if b is None or shapes.get(name) != (b.shape[0], a.shape[1]) or not a.shape[0] == b.shape[1] > 0:
            raise ModelError(f"{adapter.path}: belongs to another model: its {name} does not fit {base_path}")
        pairs[name] = _Delta(a, b, adapter.weight * alpha / a.shape[0])
    return pairs


def _types(base: GgufHeader, wanted: str) -> dict[str, TensorType]:
    """Each tensor's type in the merged file, by its name.

    Vectors keep theirs: llama.cpp needs norms and biases as 32-bit floats. So do matrices in 32 bits between smaller
    ones, because whoever made the base left them so on purpose.
    """
    found = {tensor.name: TensorType(tensor.tensor_type) for tensor in base.tensors}
    if wanted == "same":
        return found
    matrices = [tensor.name for tensor in base.tensors if len(tensor.shape) > 1]
    is_mixed = sum(found[name] != TensorType.F32 for name in matrices) > len(matrices) / 2
    for name in matrices:
        if KEPT_IN_FLOATS.fullmatch(name):
            found[name] = TensorType.F32
        elif not (is_mixed and found[name] == TensorType.F32):
            found[name] = SIMPLE_TYPES[wanted]
    return found


def _add_tensor_info(writer: Any, tensor: Any, tensor_type: TensorType) -> None:
    """Tell the writer the name, shape and type of a tensor, whose data follows later."""
    shape = tuple(int(n) for n in reversed(tensor.shape))
    block, size = gguf.GGML_QUANT_SIZES[tensor_type]
    nbytes = int(np.prod(shape)) // block * size
    if tensor_type in (TensorType.F32, TensorType.F16):
        dtype = np.dtype(np.float32 if tensor_type == TensorType.F32 else np.float16)
        writer.add_tensor_info(tensor.name, shape, dtype, nbytes)
    else:
        shape = gguf.quant_shape_to_byte_shape(shape, tensor_type)
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), nbytes, raw_dtype=tensor_type)


def _merged(tensor: Any, deltas: Sequence[_Delta], tensor_type: TensorType, encode: EncodeRows) -> np.ndarray:
    """The bytes of a tensor with the adapters' changes added."""
    if not deltas and tensor.tensor_type == tensor_type:
        return np.asarray(tensor.data)
    columns, (items, size) = int(tensor.shape[0]), gguf.GGML_QUANT_SIZES[tensor_type]
    merged = np.empty((int(tensor.n_elements) // columns, columns // items * size), dtype=np.uint8)
    for start, weights, change in _row_blocks(tensor, deltas):
        encoded = _encoded(_finite(weights + change, tensor, tensor_type), tensor_type, encode).view(np.uint8)
        merged[start : start + len(encoded)] = encoded
    return merged


def _row_blocks(tensor: Any, deltas: Sequence[_Delta]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The tensor in blocks of rows: the number of the first row, the weights, and the adapters' change, as floats."""
    rows = tensor.data.reshape(-1, tensor.data.shape[-1])
    step = max(1, ROWS_BYTES // (4 * int(tensor.shape[0])))
    for start in range(0, len(rows), step):
        weights = gguf.dequantize(rows[start : start + step], tensor.tensor_type).astype(np.float32)
        change = np.zeros_like(weights)
        for delta in deltas:
            change += delta.scale * (delta.b[start : start + step] @ delta.a)
        yield start, weights, change


def _finite(weights: np.ndarray, tensor: Any, tensor_type: TensorType) -> np.ndarray:
    """The weights unchanged. Raises ModelError when the tensor type cannot represent one of them."""
    most = float(np.abs(weights).max())
    limit = float(np.finfo(np.float16).max) if tensor_type == TensorType.F16 else math.inf
    if not most <= limit or most == math.inf:
        raise ModelError(
            f"{tensor.name}: with the adapters a weight becomes {most:g}, which {tensor_type.name} cannot represent: "
            "give the adapters smaller weights"
        )
    return weights


def _encoded(block: np.ndarray, tensor_type: TensorType, encode: EncodeRows) -> np.ndarray:
    if tensor_type == TensorType.F32:
        return block
    if tensor_type == TensorType.F16:
        return block.astype(np.float16)
    return encode(block, int(tensor_type))


def _copy_metadata(source: GgufHeader, writer: Any, changed: dict[str, str], tensor_type: str) -> None:
    for name, field in source.fields.items():
        if name.startswith(("GGUF.", SPLIT_KEYS)) or name in (*WRITER_KEYS, *changed):
            continue
        value = source.value(name, raw=True)
        if value == []:
            continue  # the writer rejects an empty array, and readers treat a missing one as empty
        if name == "general.file_type" and tensor_type != "same":
            value = int(FILE_TYPES[tensor_type])
        sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=sub_type)
    for name, text in changed.items():
        writer.add_string(name, text)
