"""Which sizes of models fit on this machine, to sample from and to train, from the memory that is free now.

An estimate before a model is chosen; for the model of a workspace, `sampling` in the same report is computed from its
file. Example: largest(12e9, BYTES_TO_SAMPLE) -> "up to 8B"
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.cli.doctor.finding import Finding
from crescent_lite.sampling.memory_plan import MEMORY_FRACTION
from crescent_lite.sampling.nvidia import NvidiaGpu
from crescent_lite.workspace.machine import GIB, memory_now

SIZES = (0.1, 0.5, 1, 1.5, 3, 4, 8, 14, 32, 70)
"""Common sizes of models, in billions of parameters."""
BYTES_TO_SAMPLE = 0.61 * 1.3 / MEMORY_FRACTION
"""Free memory for each parameter: 4.85 bits of Q4_K_M, 30% more for the cache (guess), and the share left free."""
OVERHEAD = 1.3
"""Memory of a training as a multiple of the weights: adapter, optimiser and activations (guess)."""
BYTES_TO_TRAIN = {"float32": 4 * OVERHEAD, "bfloat16": 2 * OVERHEAD, "NF4": 0.6 * OVERHEAD}
"""Free memory for each parameter, by the number type that the frozen weights are held in."""


def sizes_that_fit(gpus: tuple[NvidiaGpu, ...], *, samples_on_gpu: bool, trains_on_gpu: bool) -> list[Finding]:
    """The largest common size that fits to sample from, and to train. `gpus`: those that CUDA may use."""
    memory = memory_now().free_bytes
    on_gpu = max((_free(gpu) for gpu in gpus), default=0)
    sampling = on_gpu if samples_on_gpu and on_gpu else memory
    training = on_gpu if trains_on_gpu and on_gpu else memory
    precision = "NF4" if training == on_gpu else cpu_precision(Path("/proc/cpuinfo"))
    return [
        Finding("models to sample", "ok", f"{largest(sampling, BYTES_TO_SAMPLE)} as Q4_K_M, {_of(sampling)}"),
        Finding(
            "models to train", "ok", f"{largest(training, BYTES_TO_TRAIN[precision])} in {precision}, {_of(training)}"
        ),
    ]


def largest(free_bytes: float, bytes_per_parameter: float) -> str:
    """The largest common size that fits, in words."""
    fit = [size for size in SIZES if size * 1e9 * bytes_per_parameter <= free_bytes]
    return f"up to {fit[-1]:g}B" if fit else f"none of {SIZES[0]:g}B or more"


def cpu_precision(cpuinfo: Path) -> str:
    """The number type that train.precision = 'auto' means on this processor."""
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return "float32"
    return "bfloat16" if flags & {"avx512_bf16", "amx_tile"} else "float32"


def _free(gpu: NvidiaGpu) -> int:
    return (gpu.memory_bytes or 0) - (gpu.used_bytes or 0)


def _of(size: float) -> str:
    return f"with {size / GIB:.1f} GiB free"
