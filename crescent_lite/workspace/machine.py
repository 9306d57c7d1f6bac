"""What a run is made on: the processor, the memory, the GPUs, the versions. Looks; loads no model and never torch.

Knows nothing of runs. Example: describe_machine().processor -> "AMD EPYC 7B13"
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from crescent_lite.events import MachineNoted

GIB = 2**30
GPU_FIELDS = "name,memory.total,driver_version"
SMI_SECONDS = 10
PACKAGES = (
    "crescent-lite", "llama-cpp-python", "numpy", "scipy", "torch", "transformers", "peft", "unsloth", "bitsandbytes",
    "sqlite-utils", "rapidfuzz",
)  # fmt: skip
"""Those on which the numbers of a run may depend."""


def describe_machine() -> MachineNoted:
    """This machine, for the record. Raises nothing: what cannot be found out is left empty."""
    return MachineNoted(
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor_name(),
        cores=physical_cores(),
        memory_gib=round(psutil.virtual_memory().total / GIB, 1),
        gpus=_gpus(),
        packages={name: version for name in PACKAGES if (version := installed_version(name))},
    )


def processor_name() -> str:
    """As the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def physical_cores() -> int:
    """Of the whole machine; a container may have fewer to itself."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def installed_version(package: str) -> str | None:
    """The version in the package's metadata; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def ask_nvidia_smi(fields: str = GPU_FIELDS) -> tuple[str, int] | None:
    """What NVIDIA's own tool lists, and its exit code; None where it is not there. Asking torch would cost seconds.

    Raises OSError, or subprocess.TimeoutExpired when it does not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    listed = subprocess.run(query, capture_output=True, text=True, errors="replace", timeout=SMI_SECONDS, check=False)
    return listed.stdout, listed.returncode


def cards_listed(listing: str) -> list[str]:
    """Each GPU of a listing in words. "NVIDIA L4, 23034 MiB, 550.54" -> "NVIDIA L4, 23034 MiB, driver 550.54"."""
    cards = [[part.strip() for part in line.rsplit(",", 2)] for line in listing.splitlines() if line.strip()]
    return [", driver ".join((", ".join(card[:-1]), card[-1])) for card in cards]


def _gpus() -> tuple[str, ...]:
    try:
        listed = ask_nvidia_smi()
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(cards_listed(listed[0])) if listed and listed[1] == 0 else ()
