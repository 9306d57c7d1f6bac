"""The GPU that this build of llama.cpp can use, and its memory. Loads the library, but no model.

Example: find_gpu() -> Gpu(free_bytes=23_000_000_000, total_bytes=25_000_000_000), or None without a GPU
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import llama_cpp
from llama_cpp._ggml import libggml

GPU = 1
"""ggml_backend_dev_type of a GPU with its own memory."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU that llama.cpp lists."""

    free_bytes: int
    """Memory that is free now."""
    total_bytes: int
    """Memory in all."""


def find_gpu() -> Gpu | None:
    """The GPU that llama.cpp would put layers on; None when it was built without GPU support or finds no GPU."""
    if not llama_cpp.llama_supports_gpu_offload():
        return None
    find, memory = libggml.ggml_backend_dev_by_type, libggml.ggml_backend_dev_memory
    find.argtypes, find.restype = [ctypes.c_int], ctypes.c_void_p
    memory.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)]
    memory.restype = None
    device = find(GPU)
    if not device:
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory(device, ctypes.byref(free), ctypes.byref(total))
    return Gpu(free.value, total.value)
