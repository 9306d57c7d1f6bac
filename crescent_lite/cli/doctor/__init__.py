"""What this machine has, and advice on what is missing. Reads versions and sizes, and tries the workspace's model.

Never loads torch; knows nothing of runs. Each finding is one line. Example:
    Finding("peft", "missing", "not installed", "fine-tuning needs it: pip install 'crescent-lite[train]'")
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.cli.doctor.finding import Check, Finding, safely
from crescent_lite.cli.doctor.hardware import find_gpu, machine
from crescent_lite.cli.doctor.libraries import llama, packages, sqlite
from crescent_lite.cli.doctor.workspace import settings

__all__ = ["Finding", "examine"]


def examine(workspace: Path) -> list[Finding]:
    """Examine the machine, the packages and the workspace. Raises nothing: a check that fails becomes a finding."""
    gpu = find_gpu()
    has_gpu = gpu.state == "ok"
    checks: dict[str, Check] = {
        "machine": lambda: machine(workspace),
        "GPU": lambda: [gpu],
        "llama.cpp": lambda: llama(has_gpu=has_gpu),
        "packages": lambda: packages(has_gpu=has_gpu),
        "SQLite": sqlite,
        "settings": lambda: settings(workspace),
    }
    return [finding for name, check in checks.items() for finding in safely(name, check)]
