"""`crescent` commands as child processes: an engine that outlives the app, a short command, or one that streams.

The app controls an engine through requests in the workspace, whether or not it started it; the output of an engine
started here goes to a file in the workspace's logs. Knows no widget and no table. Example:
    child = start_engine(Workspace(Path("data")), ["--rounds", "2"]); child.exit_code()   # None while it runs
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import StorageError
from crescent_lite.printable import REPLACEMENT
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.machine import end_in_words

OUTPUT_NAME = "engine-output.txt"
TAIL_BYTES = 2000
"""Bytes read from the end of an output to find its last line."""
LINE_BYTES = 1_000_000
"""A longer line is passed on in pieces of this size."""
END_SECONDS = 2.0
"""Time between TERM and KILL."""


@dataclass(frozen=True)
class EngineChild:
    """A `crescent run` that this app started."""

    process: subprocess.Popen[bytes]
    output_path: Path
    output_begins: int
    """Offset in the file, in bytes, at which the output of this process begins."""

    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self.process.poll()

    def last_line(self) -> str:
        """The last line of output, which is the reason if the run failed; or the signal that ended it. Untrusted."""
        if signalled := _signal_in_words(self.exit_code()):
            return signalled
        try:
            with self.output_path.open("rb") as file:
                file.seek(max(self.output_begins, self.output_path.stat().st_size - TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command that has ended. The texts are untrusted."""

    exit_code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last line of output, or of the errors if the command failed; or the signal that ended it."""
        if signalled := _signal_in_words(self.exit_code):
            return signalled
        lines = (self.errors if self.exit_code else self.output or self.errors).strip().splitlines()
        return _error_in_words(lines[-1]).removeprefix("crescent: ") if lines else ""


def _error_in_words(line: str) -> str:
    """The message and hint of an error that a command wrote as JSON; any other line as it is."""
    try:
        error = json.loads(line)["error"]
        return "; ".join(filter(None, (error["message"], error["hint"])))
    except (ValueError, TypeError, KeyError):
        return line


def _signal_in_words(exit_code: int | None) -> str:
    """What ended a process that a signal ended; '' for another one."""
    return f"the process {end_in_words(exit_code)}" if exit_code is not None and exit_code < 0 else ""


def command_line(workspace: Workspace, command: str, *arguments: str) -> list[str]:
    """The command as a user would type it, run with this interpreter."""
    texts = (text.replace("\0", REPLACEMENT) for text in arguments)  # no argument can contain a NUL
    return [sys.executable, "-m", "crescent_lite.cli", command, "-w", str(workspace.folder), *texts]


def run_command(
    workspace: Workspace,
    command: str,
    *arguments: str,
    on_start: Callable[[subprocess.Popen[bytes]], object] | None = None,
) -> CommandResult:
    """Run a short command and wait until it ends. `on_start` receives the process, to terminate it early."""
    try:
        with subprocess.Popen(
            command_line(workspace, command, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if on_start:
                on_start(process)
            output, errors = process.communicate()
    except OSError as error:
        return CommandResult(1, "", f"cannot start crescent {command}: {error.strerror}")
    except UnicodeEncodeError:
        return CommandResult(1, "", f"crescent {command}: this locale cannot pass the text on; set LC_ALL=C.UTF-8")
    return CommandResult(process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


def start_engine(workspace: Workspace, arguments: Sequence[str] = (), command: str = "run") -> EngineChild:
    """Start a run or resume the unfinished one; a new workspace gets the quick preset. Raises CrescentError.

    `command`: another command that is an engine, such as 'controls'.
    """
    if not workspace.config_path.is_file():
        from crescent_lite.config.text import starter_toml

        workspace.create(starter_toml("quick"))
    output_path = workspace.logs / OUTPUT_NAME
    try:
        workspace.logs.mkdir(parents=True, exist_ok=True)
        with output_path.open("ab") as output:
            # In its own session, so that Ctrl-C and the hang-up of the terminal do not reach it.
            process = subprocess.Popen(
                command_line(workspace, command, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            return EngineChild(process, output_path, output.tell())
    except OSError as error:
        raise StorageError(f"{output_path}: cannot start the run: {error.strerror}") from None


class StreamingCommand:
    """A command that reads a text from stdin, and whose output is passed on line by line until it ends."""

    def __init__(self, workspace: Workspace, text: str, command: str, *arguments: str) -> None:
        """Start the command. Raises CrescentError."""
        self._text = text
        # A file rather than a second pipe, which would have to be read in parallel.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `follow`
        try:
            self._process = subprocess.Popen(
                command_line(workspace, command, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise StorageError(f"cannot start crescent {command}: {error.strerror}") from None

    def follow(self, on_line: Callable[[str], object]) -> CommandResult:
        """In a separate thread: send the text, pass each line to `on_line`, and wait for the end."""
        assert self._process.stdin and self._process.stdout
        with suppress(OSError), self._process.stdin as given:
            given.write(self._text.encode("utf-8", "replace"))
        with self._process.stdout as lines:
            while line := lines.readline(LINE_BYTES):
                on_line(line.decode("utf-8", "replace"))
        exit_code = self._process.wait()
        with self._errors as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            return CommandResult(exit_code, "", file.read().decode("utf-8", "replace"))

    def end(self) -> None:
        """From any thread: TERM, wait, KILL. Returns when the process has ended."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
