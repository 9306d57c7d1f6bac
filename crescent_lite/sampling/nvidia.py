"""The NVIDIA GPUs that a CUDA program started here can use, as NVIDIA's management library lists them.

CUDA_VISIBLE_DEVICES hides cards from CUDA, and not from the driver, so it is applied here. Its numbers are the
driver's, since this program sets CUDA_DEVICE_ORDER=PCI_BUS_ID where it is unset. Loads no torch, which takes seconds.
Example: [gpu.description for gpu in list_gpus()] -> ["NVIDIA L4, 23034 MiB, driver 550.54"]
Source: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables; nvml.h
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

MIB = 2**20
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
REPAIR = "repair or reinstall the NVIDIA driver"


class NvidiaError(Exception):
    """The driver failed or does not answer. The message is one line with the reason."""

    def __init__(self, message: str, advice: str = REPAIR) -> None:
        super().__init__(message)
        self.advice = advice
        """What to do, one line."""


@dataclass(frozen=True)
class NvidiaGpu:
    """One GPU, or one instance of a divided GPU (MIG), at one moment."""

    name: str
    driver: str
    """Version of the driver, such as '550.54'."""
    memory_bytes: int | None
    """Size of the GPU's memory; None where the driver does not report it."""
    used_bytes: int | None
    """Memory in use, by all processes together; None where the driver does not report it."""
    busy: float | None
    """Utilisation over the driver's last sample period, 0-1; None where the driver does not report it."""
    uuid: str = ""
    """'GPU-...' or 'MIG-...'; '' where the driver does not report it."""
    instances: tuple[NvidiaGpu, ...] = ()
    """The instances of a divided GPU, of which CUDA uses the first unless another is named; else empty."""

    @property
    def description(self) -> str:
        """Name, memory and driver on one line: 'NVIDIA L4, 23034 MiB, driver 550.54'."""
        memory = "[N/A]" if self.memory_bytes is None else f"{self.memory_bytes // MIB} MiB"
        return f"{self.name}, {memory}, driver {self.driver}"


def list_gpus() -> tuple[NvidiaGpu, ...]:
    """The GPUs that a CUDA program started now would use, in its order. Raises NvidiaError."""
    return visible_gpus(installed_gpus(), os.environ.get(VISIBLE_DEVICES))


def visible_gpus(installed: Sequence[NvidiaGpu], setting: str | None) -> tuple[NvidiaGpu, ...]:
    """The GPUs that a value of CUDA_VISIBLE_DEVICES leaves, in its order. None, for unset, leaves all.

    It is a list of numbers, beginnings of UUIDs, or UUIDs of instances. CUDA ignores the first entry that names no
    GPU, or one that is named already, and all entries after it.
    """
    if setting is None:
        return tuple(_used(gpu) for gpu in installed)
    visible: list[NvidiaGpu] = []
    for entry in setting.split(","):
        gpu = _named(installed, entry.strip())
        if gpu is None or gpu in visible:
            break
        visible.append(gpu)
    return tuple(visible)


def installed_gpus() -> tuple[NvidiaGpu, ...]:
    """Every GPU of the machine, in the driver's order; empty without a driver. Raises NvidiaError."""
    with _management_library() as nvml:
        driver = nvml.nvmlSystemGetDriverVersion() if nvml else ""
        count = nvml.nvmlDeviceGetCount() if nvml else 0
        return tuple(_read(nvml, nvml.nvmlDeviceGetHandleByIndex(number), driver) for number in range(count))


def _used(gpu: NvidiaGpu) -> NvidiaGpu:
    """What CUDA uses of a GPU: the first instance if it is divided."""
    return gpu.instances[0] if gpu.instances else gpu


def _named(installed: Sequence[NvidiaGpu], entry: str) -> NvidiaGpu | None:
    """The GPU or instance that an entry of CUDA_VISIBLE_DEVICES names; None if it names none, or several."""
    if entry.isascii() and entry.isdecimal():
        return _used(installed[int(entry)]) if int(entry) < len(installed) else None
    units = [unit for gpu in installed for unit in (gpu, *gpu.instances)]
    found = [unit for unit in units if entry[:4] in ("GPU-", "MIG-") and unit.uuid.startswith(entry)]
    return _used(found[0]) if len(found) == 1 else None


# ── NVIDIA's library ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _management_library() -> Iterator[Any]:
    """NVIDIA's management library, opened; None on a machine without one. Raises NvidiaError for its errors."""
    try:
        import pynvml as nvml  # takes 60 ms
    except ImportError:
        raise NvidiaError("nvidia-ml-py is not installed", "pip install nvidia-ml-py") from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound:
        yield None
        return
    except nvml.NVMLError as error:
        raise NvidiaError(f"the NVIDIA driver does not answer: {error}") from None
    try:
        yield nvml
    except nvml.NVMLError as error:
        raise NvidiaError(f"the NVIDIA driver fails: {error}") from None
    finally:
        nvml.nvmlShutdown()


def _read(nvml: Any, handle: Any, driver: str) -> NvidiaGpu:
    """What the driver reports of one GPU, with its instances."""
    instances = []
    if _reported(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0]):
        for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            part = _reported(nvml, lambda at=number: nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, at))
            if part is not None:
                instances.append(_read_unit(nvml, part, driver))
    return replace(_read_unit(nvml, handle, driver), instances=tuple(instances))


def _read_unit(nvml: Any, handle: Any, driver: str) -> NvidiaGpu:
    memory = _reported(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    percent = _reported(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    return NvidiaGpu(
        name=nvml.nvmlDeviceGetName(handle),
        driver=driver,
        memory_bytes=memory.total if memory else None,
        used_bytes=memory.used if memory else None,
        busy=None if percent is None else percent / 100,
        uuid=_reported(nvml, lambda: nvml.nvmlDeviceGetUUID(handle)) or "",
    )


def _reported(nvml: Any, ask: Callable[..., Any]) -> Any:
    """A value that not every GPU has; None where the driver does not report it."""
    try:
        return ask()
    except nvml.NVMLError:
        return None
