"""The `crescent` command as a child process of the app: an engine that outlives it, a short command and its end,
or a command whose lines are told as they come.

An engine is asked through the workspace like any other one; its output goes to a file in the workspace's logs. Knows
no widget and no table. Example:
    child = start_engine(Workspace(Path("data")), ["--rounds", "2"]); child.ended()   # None while it runs
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import StorageError
from crescent_lite.workspace import Workspace

OUTPUT_NAME = "engine-output.txt"
TAIL_BYTES = 2000
LINE_BYTES = 1_000_000
"""A longer line is told in parts."""
END_SECONDS = 2.0
"""Between asking a child to end and ending it."""


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
        from crescent_lite.config.text import starter_toml

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


class TellingChild:
    """A command that is given a text, and whose lines are told while it runs. It can be ended at any time."""

    def __init__(self, workspace: Workspace, text: str, command: str, *arguments: str) -> None:
        """Start it. Raises CrescentError."""
        self._text = text
        # A file and not a second pipe: nobody has to read it while the lines come.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed when it has ended
        try:
            self._process = subprocess.Popen(
                crescent(workspace, command, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise StorageError(f"crescent {command} cannot be started: {error.strerror}") from None

    def follow(self, tell: Callable[[str], object]) -> Ended:
        """In a thread of its own: give it the text, tell each line, wait for its end."""
        assert self._process.stdin and self._process.stdout
        with suppress(OSError), self._process.stdin as given:
            given.write(self._text.encode("utf-8", "replace"))
        with self._process.stdout as lines:
            while line := lines.readline(LINE_BYTES):
                tell(line.decode("utf-8", "replace"))
        exit_code = self._process.wait()
        with self._errors as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            return Ended(exit_code, "", file.read().decode("utf-8", "replace"))

    def end(self) -> None:
        """From any thread: TERM, wait, KILL. Returns when it is gone."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
