"""Output of the command line: results on stdout, as text or JSON, and messages on stderr.

Tables, messages and growing texts are made printable here; callers of `result` make their text printable.
Knows no command. Example: result(options, {"run": 1}, "run 1")
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import TYPE_CHECKING, Any

from crescent_lite.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from crescent_lite.report import Report

MANY_COLUMNS = 5
TOO_WIDE = 1.5
"""A table with more than MANY_COLUMNS that is over TOO_WIDE times as wide as the terminal cannot be read with folded
cells, so each row becomes a line instead (guesses)."""
CANNOT_DRAW = ("", "dumb", "unknown")
"""Terminal types that stand for no terminal at all, or for one that only prints lines."""
EMPTY = "-"
"""Stands for an empty cell in a row that is printed as a line."""


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


def print_report(report: Report) -> None:
    """Print the first lines and the tables of a run's short report."""
    from crescent_lite.printable import printable

    screen = console()
    lines = [printable(line) for line in (report.title, *report.lines)]
    screen.print(*lines, sep="\n", markup=False, highlight=False)
    for table in report.tables:
        print_table(table.title, table.columns, table.rows, table.note)


def print_table(title: str, columns: tuple[str, ...], rows: Any, note: str = "") -> None:
    """Print a table, or one line for each row if the table is much wider than the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crescent_lite.printable import printable

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    columns = tuple(map(printable, columns))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    screen = console()
    wide = screen.measure(table, options=screen.options.update(max_width=10_000)).maximum
    if screen.is_terminal and len(columns) > MANY_COLUMNS and wide > TOO_WIDE * screen.width:
        lines = [" | ".join(columns), *(" | ".join(printable(cell) or EMPTY for cell in row) for row in rows)]
        screen.print(Text(title, style="bold"), *map(Text, lines), "", sep="\n")
    else:
        screen.print(table)
    if note:
        screen.print(note, markup=False, highlight=False)


def console(*, stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width, so a table may be as wide as it needs to be, up to 200 columns.
    return Console(stderr=stderr, width=None if stream.isatty() else 200)


def result(options: argparse.Namespace, value: Any, text: str) -> int:
    """Print the result of a command: `value` with --json, else `text`. Returns ExitCode.OK."""
    print(json.dumps(value, indent=1, default=str) if options.json else text)
    return ExitCode.OK


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
    print(json.dumps(value, default=str), flush=True)


def say(line: str) -> None:
    """Print a message on stderr, made printable."""
    from crescent_lite.printable import printable

    print(printable(line), file=sys.stderr)
