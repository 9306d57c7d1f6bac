"""llama.cpp's own quantiser: encodes rows of floats as a tensor type, and requantises a whole GGUF.

Knows nothing of adapters or of merging. Example: encode_rows(weights, gguf.GGMLQuantizationType.Q4_K) returns the
bytes of each row as a GGUF stores them.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crescent_lite.errors import ModelError, StorageError
from crescent_lite.files import atomic_replacement
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.library import libggml, llama_cpp
from crescent_lite.sampling.trying import require_loadable

MIXTURES: Mapping[str, int] = {
    "iq4_nl": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q5_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q6_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
}
"""The quantisations that `quantise` offers, by llama.cpp's name in lower case. Most mix several tensor types."""

STREAM_FAILED = "basic_ios"
"""What C++ says of a file that cannot be written."""

_encode = libggml.ggml_quantize_chunk
_encode.restype = ctypes.c_size_t
_encode.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
_row_bytes = libggml.ggml_row_size
_row_bytes.restype = ctypes.c_size_t
_row_bytes.argtypes = [ctypes.c_int, ctypes.c_int64]
_needs_importance_matrix = libggml.ggml_quantize_requires_imatrix
_needs_importance_matrix.restype = ctypes.c_bool
_needs_importance_matrix.argtypes = [ctypes.c_int]


def encode_rows(rows: np.ndarray, tensor_type: int) -> np.ndarray:
    """Encode 32-bit floats of shape (rows, columns) as bytes of shape (rows, bytes per row).

    `tensor_type` is ggml's number of the type. Raises ModelError for the few very small types that cannot be
    encoded without an importance matrix.
    """
    if _needs_importance_matrix(tensor_type):
        raise ModelError(
            f"ggml's tensor type {tensor_type} needs an importance matrix, which is not supported: "
            "choose another type for the merged model, for instance q4_k_m"
        )
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    encoded = np.empty((rows.shape[0], _row_bytes(tensor_type, rows.shape[1])), dtype=np.uint8)
    written = _encode(tensor_type, rows.ctypes.data, encoded.ctypes.data, 0, *rows.shape, None)
    assert written == encoded.nbytes
    return encoded


def quantise(
    source: Path,
    mixture: str,
    target: Path,
    *,
    pure: bool = False,
    importance: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Write the model `source` in another quantisation to `target`, completely or not at all.

    With `pure`, all matrices get the one type that names the mixture, the embeddings and the output layer too.
    `importance`: a weight for each column of a matrix, by the name of the tensor; what has none is rounded evenly.
    Raises ModelError or StorageError.
    """
    require_loadable(source)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = MIXTURES[mixture]
    params.allow_requantize = True
    params.pure = pure
    if importance:
        params.imatrix = _importance_matrix(importance)
    with atomic_replacement(target) as unfinished:
        llama_log.forget_complaints()
        if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(unfinished), ctypes.byref(params)):
            complaint = llama_log.last_complaint()
            if STREAM_FAILED in complaint:  # llama.cpp does not say why
                raise StorageError(f"{target}: cannot be written; make room or check the disk, then repeat it")
            raise ModelError(f"{source}: llama.cpp cannot quantise it to {mixture}: {complaint}")


def _importance_matrix(importance: Mapping[str, NDArray[np.float32]]) -> object:
    """llama.cpp's list of importances, which ends with an entry without a name. Keeps its numbers alive."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(importance) + 1))()
    entries.numbers = [np.ascontiguousarray(values, dtype=np.float32) for values in importance.values()]
    for entry, name, values in zip(entries, importance, entries.numbers, strict=False):
        entry.name, entry.size = name.encode(), values.size
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    return entries
