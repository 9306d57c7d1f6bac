"""What this machine has, and advice on what is missing. Reads versions and sizes, and tries the workspace's model.

Never loads torch; knows nothing of runs. Each finding is one line. Example:
    Finding("peft", "missing", "not installed", "fine-tuning needs it: pip install 'crescent-lite[train]'")
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.cli.doctor.finding import Check, Finding, safely
from crescent_lite.cli.doctor.fitting import sizes_that_fit
from crescent_lite.cli.doctor.hardware import find_gpu, machine
from crescent_lite.cli.doctor.libraries import llama, packages, sqlite, torch_accelerator
from crescent_lite.cli.doctor.workspace import settings
from crescent_lite.sampling.nvidia import NvidiaGpu

__all__ = ["Finding", "examine"]


def examine(workspace: Path) -> list[Finding]:
    """Examine the machine, the packages and the workspace. Raises nothing: a check that fails becomes a finding."""
    gpu, visible = find_gpu()
    has_gpu = bool(visible)
    checks: dict[str, Check] = {
        "machine": lambda: machine(workspace),
        "GPU": lambda: [gpu],
        "llama.cpp": lambda: llama(has_gpu=has_gpu),
        "packages": lambda: packages(has_gpu=has_gpu),
        "models": lambda: _fitting(visible),
        "SQLite": sqlite,
        "settings": lambda: settings(workspace),
    }
    return [finding for name, check in checks.items() for finding in safely(name, check)]


def _fitting(visible: tuple[NvidiaGpu, ...]) -> list[Finding]:
    from crescent_lite.sampling.build_info import read_build

    trains_on_gpu = bool(visible and torch_accelerator())
    return sizes_that_fit(
        visible, samples_on_gpu=bool(visible and read_build().can_offload), trains_on_gpu=trains_on_gpu
    )
