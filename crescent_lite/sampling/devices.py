"""The GPUs that this build of llama.cpp can use, and their memory. Loads the library, but no model.

Example: find_gpu() -> Gpu(free_bytes=23_000_000_000, total_bytes=25_000_000_000), or None without a GPU
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from crescent_lite.sampling.library import libggml, llama_cpp

GPU = 1
"""ggml_backend_dev_type of a GPU with its own memory."""


@dataclass(frozen=True)
class Gpu:
    """All GPUs that llama.cpp lists, together: it puts layers on each of them."""

    free_bytes: int
    """Memory that is free now."""
    total_bytes: int
    """Memory in all."""


def find_gpu() -> Gpu | None:
    """The GPUs that llama.cpp would put layers on; None when it was built without GPU support or finds no GPU.

    CUDA hides the GPUs that CUDA_VISIBLE_DEVICES leaves out from llama.cpp too.
    """
    if not llama_cpp.llama_supports_gpu_offload():
        return None
    count, at, kind, memory = (
        libggml.ggml_backend_dev_count,
        libggml.ggml_backend_dev_get,
        libggml.ggml_backend_dev_type,
        libggml.ggml_backend_dev_memory,
    )
    count.argtypes, count.restype = [], ctypes.c_size_t
    at.argtypes, at.restype = [ctypes.c_size_t], ctypes.c_void_p
    kind.argtypes, kind.restype = [ctypes.c_void_p], ctypes.c_int
    memory.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)]
    memory.restype = None
    gpus = [device for number in range(count()) if kind(device := at(number)) == GPU]
    sizes = [_free_and_total(memory, device) for device in gpus]
    return Gpu(sum(free for free, _ in sizes), sum(total for _, total in sizes)) if gpus else None


def _free_and_total(memory: Callable[..., None], device: int) -> tuple[int, int]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory(device, ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value
