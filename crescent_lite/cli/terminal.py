"""Output of the command line: results on stdout, as text or JSON, and messages on stderr.

All that is printed is made printable here, and messages lose their secrets. JSON has real numbers and names in
snake_case; an error is one line of JSON on stderr. Knows no command. Example:
    result(options, {"run": 1}, "run 1")
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from crescent_lite.errors import CrescentError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from crescent_lite.cli.tables import Cell
    from crescent_lite.report import Report

CANNOT_DRAW = ("", "dumb", "unknown")
"""Terminal types that stand for no terminal at all, or for one that only prints lines."""


def open_closed_streams() -> None:
    """Open /dev/null in place of each standard stream that the process was started without.

    Otherwise the next file that is opened gets its number, and whatever a library prints goes into that file.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # the lowest free number is taken each time
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  for the life of the process
            setattr(sys, name, stream)


def accept_every_character() -> None:
    """Let stdout and stderr write characters that their encoding lacks, as escapes such as \\u2153.

    Without this, a question with such a character would end a command with a UnicodeEncodeError wherever the locale
    is not UTF-8, and so would a path that is not UTF-8 everywhere else.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a shell can close it, and tests replace it
            stream.reconfigure(errors="backslashreplace")


def terminal_fault(term: str) -> str | None:
    """Why a full-screen program cannot be shown on a terminal of this type ($TERM), in words; None if it can.

    Types of the xterm family that this machine does not know pass, such as xterm-ghostty over ssh; so does every type
    on a machine without a list of terminals.
    """
    if term in CANNOT_DRAW:
        return f"the terminal is {term!r} (TERM), which cannot place the cursor" if term else "TERM is not set"
    if term.startswith("xterm"):
        return None
    try:
        import curses
    except ImportError:
        return None
    for name in (term, "xterm"):
        try:
            # Only the first successful call counts, so xterm is asked for only after the real type is unknown.
            curses.setupterm(name, sys.__stderr__.fileno() if sys.__stderr__ else 2)
        except curses.error:
            continue
        if name != term:
            return f"the terminal type {term[:40]!r} (TERM) is not known on this machine"
        return None if curses.tigetstr("cup") else f"the terminal {term[:40]!r} (TERM) cannot place the cursor"
    return None


def print_report(report: Report, *, full: bool = False) -> None:
    """Print the first lines and the tables of a run's short report."""
    from crescent_lite.printable import printable

    screen = console()
    lines = [printable(line) for line in (report.title, *report.lines)]
    screen.print(*lines, sep="\n", markup=False, highlight=False)
    shortened = [_draw(screen, each.title, each.columns, each.rows, each.note, full=full) for each in report.tables]
    _say_what_is_shortened(screen, any(shortened))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    note: str = "",
    *,
    full: bool = False,
    prose: Collection[str] | None = None,
) -> None:
    """Print a table, as wide as the terminal allows, or one record for each row where its columns do not fit.

    `full`: show long texts whole, usually `options.full`. `prose`: the columns whose texts may be shortened; None:
    those with a long text in several words.
    """
    screen = console()
    _say_what_is_shortened(screen, _draw(screen, title, columns, rows, note, full=full, prose=prose))


def _draw(
    screen: Console,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    note: str,
    *,
    full: bool,
    prose: Collection[str] | None = None,
) -> bool:
    """Print a table. Returns whether a text in it is shortened."""
    from rich.text import Text

    from crescent_lite.cli.tables import lay_out
    from crescent_lite.printable import printable

    layout = lay_out(columns, rows, width=screen.width, full=full, prose=prose)
    if title:
        screen.print(Text(printable(title), style="bold"), soft_wrap=True)
    if layout.head:
        screen.print(Text("\n".join(layout.head), style="bold"), soft_wrap=True)
    if layout.body:
        screen.print(Text("\n".join(layout.body)), soft_wrap=True)
    if note:
        screen.print(printable(note), markup=False, highlight=False)
    if title:
        screen.print()
    return layout.shortened


def _say_what_is_shortened(screen: Console, shortened: bool) -> None:
    if shortened and screen.is_terminal:
        say("Long texts are shortened; --full shows them whole.")


def console(*, stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr."""
    from rich import console as rich

    class Console(rich.Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the command to end; Rich would end the process with the exit code of a bug."""
            raise BrokenPipeError

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width, so a table may be as wide as it needs to be, up to 200 columns.
    width = None if stream.isatty() else 200
    return Console(file=cast("IO[str]", Talk(stream)), stderr=True, width=width) if stderr else Console(width=width)


class Talk:
    """A stream for messages. That nobody can read them, because a terminal is gone or a disk is full, ends no run."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream has."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or lose it. Returns the number of characters."""
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or lose it."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def result(options: argparse.Namespace, value: Any, text: str) -> int:
    """Print the result of a command: `value` with --json, else `text`, made printable. Returns ExitCode.OK."""
    from crescent_lite.printable import printable

    print(json_text(value, indent=1) if options.json else printable(text, len(text)))
    return ExitCode.OK


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON that every reader accepts: NaN and infinities become null, and paths texts."""
    try:
        return json.dumps(value, indent=indent, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def say_error(error: CrescentError, *, as_json: bool) -> None:
    """Print an error as one line on stderr; with --json as {"error": {"code", "name", "message", "hint"}}."""
    from crescent_lite.redaction import redacted_values

    if as_json:
        code = ExitCode(error.exit_code)
        value = {"code": int(code), "name": code.name.lower(), "message": error.fact, "hint": error.hint or None}
        print(json_text({"error": redacted_values(value)}), file=Talk(sys.stderr), flush=True)
    else:
        message = " ".join(str(error).split("\n"))
        say(message if message.startswith(("crescent ", "crescent:")) else f"crescent: {message}")


class PrintableOutput:
    """A file-like stdout. Text is made printable on a terminal, and written unchanged elsewhere."""

    def write(self, text: str) -> int:
        """Write a text. Returns the number of characters written."""
        from crescent_lite.printable import printable

        return sys.stdout.write(printable(text, len(text)) if sys.stdout.isatty() else text)


def stream_text(piece: str) -> None:
    """Print a piece of a growing text at once, made printable."""
    from crescent_lite.printable import printable

    print(printable(piece), end="", flush=True)


def stream_json(value: Any) -> None:
    """Print one value as a line of JSON, at once."""
    print(json_text(value), flush=True)


def say(line: str) -> None:
    """Print a message on stderr, made printable and without secrets."""
    from crescent_lite.printable import printable
    from crescent_lite.redaction import redacted

    print(redacted(printable(line)), file=Talk(sys.stderr), flush=True)
