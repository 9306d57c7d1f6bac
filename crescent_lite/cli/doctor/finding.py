"""What one check of `crescent doctor` found, with its advice. Each finding is one line of the report. Example:
Finding("peft", "missing", "not installed", "fine-tuning needs it: pip install 'crescent-lite[train]'")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import psutil

from crescent_lite.errors import CrescentError, ExitCode


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for, and what was found."""

    name: str
    state: Literal["ok", "optional", "missing", "warning"]
    """'optional' is not there and not needed; 'missing' is needed for something, which the advice names."""
    value: str
    """What was found: a version, a size, a path."""
    advice: str = ""
    """What to do, one line; empty if there is nothing to do."""
    code: ExitCode = ExitCode.OK
    """Exit code of a run that this would end; OK for everything else."""


Check = Callable[[], Iterable[Finding]]


def safely(name: str, check: Check) -> list[Finding]:
    """What a check found, or that it cannot be done, with the reason."""
    try:
        return list(check())
    except (CrescentError, ImportError, OSError, psutil.Error) as error:
        return [Finding(name, "missing", "cannot be examined", str(error))]
