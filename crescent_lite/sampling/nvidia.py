"""The NVIDIA GPUs of this machine, as NVIDIA's own tool lists them. The only place that runs nvidia-smi.

Loads no library: importing torch to list the GPUs would take seconds. Example:
    [gpu.description for gpu in list_gpus()] -> ["NVIDIA L4, 23034 MiB, driver 550.54"]
Source: `nvidia-smi --help-query-gpu`
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

FIELDS = ("name", "memory.total", "driver_version", "memory.used", "utilization.gpu")
TIMEOUT_SECONDS = 10
MIB = 2**20


class NvidiaSmiError(Exception):
    """nvidia-smi failed or did not answer. The message is one line with the reason."""


@dataclass(frozen=True)
class NvidiaGpu:
    """One GPU at one moment."""

    name: str
    driver: str
    """Version of the driver, such as '550.54'."""
    memory_bytes: int | None
    """Size of the GPU's memory; None where the driver does not report it."""
    used_bytes: int | None
    """Memory in use, by all processes together; None where the driver does not report it."""
    busy: float | None
    """Utilisation over the driver's last sample period, 0-1; None where the driver does not report it."""

    @property
    def description(self) -> str:
        """Name, memory and driver on one line: 'NVIDIA L4, 23034 MiB, driver 550.54'."""
        memory = "[N/A]" if self.memory_bytes is None else f"{self.memory_bytes // MIB} MiB"
        return f"{self.name}, {memory}, driver {self.driver}"


def list_gpus() -> tuple[NvidiaGpu, ...]:
    """The GPUs that the driver lists; empty where there is no nvidia-smi. Raises NvidiaSmiError."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(
            query, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NvidiaSmiError(f"nvidia-smi does not answer: {type(error).__name__}") from None
    if process.returncode:
        lines = [line.strip() for line in process.stdout.splitlines() if line.strip()]
        raise NvidiaSmiError(lines[0] if lines else f"nvidia-smi failed with exit code {process.returncode}")
    return parse_listing(process.stdout)


def parse_listing(listing: str) -> tuple[NvidiaGpu, ...]:
    """The GPUs in nvidia-smi's output, one per line with the values of FIELDS; other lines are skipped.

    "NVIDIA L4, 23034, 550.54, 1024, 45" is an L4 with 1 GiB of its memory in use, busy for 0.45 of the time.
    """
    lines = [[part.strip() for part in line.rsplit(",", len(FIELDS) - 1)] for line in listing.splitlines()]
    return tuple(
        NvidiaGpu(name, driver, _bytes(total), _bytes(used), _fraction(busy))
        for name, total, driver, used, busy in (line for line in lines if len(line) == len(FIELDS))
    )


def _bytes(mib: str) -> int | None:
    return int(mib) * MIB if _is_number(mib) else None


def _fraction(percent: str) -> float | None:
    return int(percent) / 100 if _is_number(percent) else None


def _is_number(text: str) -> bool:
    """False for '[N/A]', '[Insufficient Permissions]' and the like."""
    return text.isascii() and text.isdecimal()
