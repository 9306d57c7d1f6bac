"""A copy of the base with one adapter merged into it, which a processor samples faster than the adapter on the base.

On the base, llama.cpp computes two thin products, a scaling and a sum for each matrix that the adapter changes, and
its kernels are slow for a rank of 16 (`benchmarks/adapters.py`; in the lab log). The copy has none of that. Its
changed matrices are in a type that keeps the change and is at least as fast as that of the base, and the others are
those of the base. A base whose type has fast kernels with few bits (Q4_K, Q4_0, IQ4_NL) gets no copy: rounding to
that type would lose the change, and the wider ones have no such kernels. Knows no run. Example:
    if copy_helps(base.path):
        path = make_copy(base, adapter, workspace.cache)
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import gguf
from gguf import GGMLQuantizationType as TensorType

from crescent_lite.errors import StorageError, file_errors
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.records import ModelFile
from crescent_lite.sampling.quantising import encode_rows
from crescent_lite.training.merging import WeightedAdapter, merge

SLOW_TYPES = frozenset({TensorType.Q4_1, TensorType.Q5_0, TensorType.Q5_1})
"""Types that llama.cpp's CPU kernels compute more slowly than Q8_0 (x86 with AVX-512, release of 2026-11)."""
EXACT_TYPES = frozenset({TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0})
"""Types that keep the change as they are."""
COPIED_TYPES: Mapping[TensorType, TensorType] = {
    each: TensorType.Q8_0 for each in TensorType if each not in EXACT_TYPES
}
"""Type of a changed matrix in the base -> its type in the copy; the others stay."""
BLOCK_OF_MATRIX = re.compile(r"blk\.\d+\..*\.weight")
"""Names of the matrices that an adapter may change."""
SPARE_BYTES = 1 << 30
"""Disk space that is left free, in bytes (guess)."""
ENDING = ".merged.gguf"
"""How the names of copies end."""


def copy_helps(base: Path) -> bool:
    """Whether the matrices of the base's blocks are mostly in types that a copy is no slower with.

    Raises ModelError.
    """
    weights = dict.fromkeys((True, False), 0)
    for tensor in GgufHeader(base).tensors:
        if len(tensor.shape) > 1 and BLOCK_OF_MATRIX.fullmatch(tensor.name):
            weights[TensorType(tensor.tensor_type) in SLOW_TYPES | EXACT_TYPES] += int(tensor.n_elements)
    return weights[True] > weights[False]


def copy_bytes(base: Path) -> int:
    """Size of a copy, at most, in bytes. Raises ModelError."""
    tensors = GgufHeader(base).tensors
    total = min((int(tensor.data_offset) for tensor in tensors), default=0)  # the metadata
    for tensor in tensors:
        kind, elements = TensorType(tensor.tensor_type), int(tensor.n_elements)
        if BLOCK_OF_MATRIX.fullmatch(tensor.name):
            kind = COPIED_TYPES.get(kind, kind)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        total += elements // block * size
    return total


def copy_path(base: ModelFile, adapter: ModelFile, folder: Path) -> Path:
    """Where the copy is, or would be. Its name holds both checksums, so a copy belongs to these two files only."""
    return folder / f"{base.sha256[:16]}-{adapter.sha256[:16]}{ENDING}"


def make_copy(base: ModelFile, adapter: ModelFile, folder: Path) -> Path:
    """The copy of the base with this adapter, made unless it exists. Other copies in the folder are deleted.

    Raises ModelError, or StorageError, also when the disk has too little room.
    """
    path = copy_path(base, adapter, folder)
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        delete_copies(folder, keep=path)
        if path.is_file():
            return path
        free = shutil.disk_usage(folder).free
    needed = copy_bytes(base.path) + SPARE_BYTES
    if free < needed:
        raise StorageError(f"{path}: needs {needed / 1e9:.1f} GB of disk, but {free / 1e9:.1f} GB are free")
    adapters = [WeightedAdapter(adapter.path)]
    merge(
        base.path, adapters, path, tensor_type="same", encode=encode_rows, metadata={}, changed_types=COPIED_TYPES
    )  # fmt: skip
    return path


def delete_copies(folder: Path, *, keep: Path | None = None) -> None:
    """Delete the copies in the folder, finished or not, except one; then the folder, if it is empty.

    Raises StorageError.
    """
    with file_errors(folder):
        for path in folder.glob(f"*{ENDING}*") if folder.is_dir() else ():
            if path != keep:
                path.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()) and keep is None:
            folder.rmdir()
