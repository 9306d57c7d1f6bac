"""The importance of each column of a model's matrices: the mean square of what is multiplied with it.

A quantiser that knows it rounds the columns that matter more carefully (llama.cpp's importance matrix). The texts are
decoded, and llama.cpp calls back after each product. Example:
    importance(model, [[1, 17, 29], [1, 4]], threads=2)["blk.0.attn_q.weight"]    # floats of shape (width,)
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import libggml, llama_cpp

MOST_TOKENS = 512
"""Tokens of a text that are decoded; the rest is left out."""
FLOAT32 = 0
"""ggml's number of the type of 32-bit floats."""


class _Tensor(ctypes.Structure):
    """The beginning of ggml's struct ggml_tensor, up to the operands. Its layout is checked before it is used."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
    )


_name = libggml.ggml_get_name
_name.restype, _name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
_operation = libggml.ggml_op_desc
_operation.restype, _operation.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
_bytes = libggml.ggml_nbytes
_bytes.restype, _bytes.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
_read = libggml.ggml_backend_tensor_get
_read.restype, _read.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]


def importance(model: GgufModel, texts: Sequence[Sequence[int]], *, threads: int) -> dict[str, NDArray[np.float32]]:
    """Return the mean square of each matrix's inputs over the tokens of `texts`, by the name of the tensor.

    The result is empty if this build of llama.cpp lays its tensors out in another way. Raises OutOfMemoryError or
    ModelError.
    """
    seen = _Inputs()
    callback = llama_cpp.ggml_backend_sched_eval_callback(seen.look)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = params.n_outputs_max = MOST_TOKENS
    params.n_threads = params.n_threads_batch = threads
    params.cb_eval = callback
    llama_log.forget_complaints()
    context = llama_cpp.llama_init_from_model(model.handle, params)
    if not context:
        raise OutOfMemoryError(f"llama.cpp cannot create a context: {llama_log.last_complaint()}")
    batch = llama_cpp.llama_batch_init(MOST_TOKENS, 0, 1)
    try:
        for text in texts:
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
            batch.n_tokens = min(len(text), MOST_TOKENS)
            for index, token in enumerate(text[:MOST_TOKENS]):
                batch.token[index], batch.pos[index] = token, index
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
                batch.logits[index] = True  # the output layer is a matrix too
            if batch.n_tokens and llama_cpp.llama_decode(context, batch):
                raise ModelError(f"{model.path}: llama.cpp cannot decode a text: {llama_log.last_complaint()}")
    finally:
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
    return seen.means()


class _Inputs:
    """Adds up the squares of what llama.cpp multiplies with each matrix."""

    def __init__(self) -> None:
        self._squares: dict[str, NDArray[np.float64]] = {}
        self._rows: dict[str, int] = {}

    def look(self, address: int, asks: bool, _user_data: object) -> bool:
        """llama.cpp's callback: whether a result is wanted, then the result itself. True goes on."""
        if _operation(address) != b"MUL_MAT":
            return not asks
        tensor = _Tensor.from_address(address)
        matrix, inputs = tensor.src[0], tensor.src[1]
        if not matrix or not inputs:
            return not asks
        name = (_name(matrix) or b"").decode("utf-8", "replace")
        if not name.endswith(".weight"):
            return not asks  # attention multiplies results with results
        if not asks:
            self._add(name, inputs)
        return True

    def _add(self, name: str, address: int) -> None:
        tensor = _Tensor.from_address(address)
        columns, size = int(tensor.ne[0]), int(_bytes(address))
        if tensor.type != FLOAT32 or columns < 1 or size % (4 * columns):
            return
        values = np.empty((size // (4 * columns), columns), dtype=np.float32)
        _read(address, values.ctypes.data, 0, size)
        squares = np.square(values, dtype=np.float64).sum(axis=0)
        self._squares[name] = self._squares.get(name, 0.0) + squares
        self._rows[name] = self._rows.get(name, 0) + len(values)

    def means(self) -> dict[str, NDArray[np.float32]]:
        """The mean squares so far."""
        return {name: (total / self._rows[name]).astype(np.float32) for name, total in self._squares.items()}
