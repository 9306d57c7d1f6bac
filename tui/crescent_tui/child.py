"""The `crescent` command as a child process of the app: an engine that outlives it, or a short command and its end.

An engine is asked through the workspace like any other one; its output goes to a file in the workspace's logs. Knows
no widget and no table. Example:
    child = start_engine(Workspace(Path("data")), ["--rounds", "2"]); child.ended()   # None while it runs
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.config_text import starter_toml
from crescent_lite.errors import StorageError
from crescent_lite.workspace import Workspace

OUTPUT_NAME = "engine-output.txt"
TAIL_BYTES = 2000


@dataclass(frozen=True)
class EngineChild:
    """A `crescent run` that was started from here."""

    process: subprocess.Popen[bytes]
    output_path: Path
    output_begins: int
    """Where its own output begins in the file, in bytes."""

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    def last_line(self) -> str:
        """The last thing it said, which is the reason when it failed. Untrusted."""
        try:
            with self.output_path.open("rb") as file:
                file.seek(max(self.output_begins, self.output_path.stat().st_size - TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Ended:
    """How a short command ended. Its texts are untrusted."""

    exit_code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """What it said last: the reason where it failed."""
        lines = (self.errors if self.exit_code else self.output or self.errors).strip().splitlines()
        return lines[-1].removeprefix("crescent: ") if lines else ""


def crescent(workspace: Workspace, command: str, *arguments: str) -> list[str]:
    """The very command a user would type, with this interpreter."""
    return [sys.executable, "-m", "crescent_lite.cli", command, "-w", str(workspace.folder), *arguments]


def run_to_its_end(
    workspace: Workspace,
    command: str,
    *arguments: str,
    begun: Callable[[subprocess.Popen[bytes]], object] | None = None,
) -> Ended:
    """Run a short command and wait for it. `begun` is handed the process, by which it can be ended early."""
    try:
        with subprocess.Popen(
            crescent(workspace, command, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if begun:
                begun(process)
            output, errors = process.communicate()
    except OSError as error:
        return Ended(1, "", f"crescent {command} cannot be started: {error.strerror}")
    return Ended(process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


def start_engine(workspace: Workspace, arguments: Sequence[str] = ()) -> EngineChild:
    """Start a run or go on with the unfinished one; a new workspace gets the quick preset. Raises CrescentError."""
    if not workspace.config_path.is_file():
        workspace.create(starter_toml("quick"))
    output_path = workspace.logs / OUTPUT_NAME
    try:
        workspace.logs.mkdir(parents=True, exist_ok=True)
        with output_path.open("ab") as output:
            # A session of its own: the terminal's Ctrl-C and hang-up do not reach it.
            process = subprocess.Popen(
                crescent(workspace, "run", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            return EngineChild(process, output_path, output.tell())
    except OSError as error:
        raise StorageError(f"{output_path}: the run cannot be started: {error.strerror}") from None
