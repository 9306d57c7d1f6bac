"""The user's program at the end of a run: the setting `run.on_finish`, a list of arguments that no shell reads.

Its failure is a warning and changes nothing. Example:
    start_on_finish(("notify-send", "run {run} {state}"), workspace, run_id=3, state="finished")
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Sequence

from crescent_lite.printable import printable_line
from crescent_lite.workspace.folder import Workspace

SECONDS = 60.0
"""Time that the program has; then it is stopped."""
logger = logging.getLogger(__name__)


def start_on_finish(
    command: Sequence[str], workspace: Workspace, run_id: int, state: str, seconds: float = SECONDS
) -> None:
    """Start the program and wait until it ends, at most `seconds`."""
    if not command:
        return
    facts = {"{run}": str(run_id), "{state}": state}
    arguments = [_filled(argument, facts) for argument in command]
    folder = str(workspace.folder.resolve())
    environment = {**os.environ, "CRESCENT_RUN": str(run_id), "CRESCENT_STATE": state, "CRESCENT_WORKSPACE": folder}
    try:
        ended = subprocess.run(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
        why = f"ended with exit code {ended.returncode}" if ended.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"was stopped after {seconds:g} s"
    except (OSError, ValueError) as error:
        why = f"could not be started: {getattr(error, 'strerror', None) or error}"
    if why:
        logger.warning("run.on_finish: %s %s", printable_line(arguments[0], 200), why)


def _filled(argument: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        argument = argument.replace(name, value)
    return argument
