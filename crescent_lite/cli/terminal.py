"""What the command line prints: results on stdout, as text or JSON, and talk on stderr, with texts made printable.

Knows tables and the terminal, no command. Example: result(options, {"run": 1}, "run 1")
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from crescent_lite.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from crescent_lite.report import Report

MANY_COLUMNS = 5
TOO_NARROW = 1.5
"""A table of more columns than that, and so many times as wide as the terminal, is not folded (guess)."""

EMPTY = "-"
"""In such a sentence, so that what follows keeps its place."""


def print_report(report: Report) -> None:
    """The tables of a run."""
    from crescent_lite.printable import printable

    screen = console()
    lines = [printable(line) for line in (report.title, *report.lines)]
    screen.print(*lines, sep="\n", markup=False, highlight=False)
    for table in report.tables:
        print_table(table.title, table.columns, table.rows, table.note)


def print_table(title: str, columns: tuple[str, ...], rows: Any, note: str = "") -> None:
    """A table as wide as the terminal; one that would be folded beyond reading as sentences."""
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
    if screen.is_terminal and len(columns) > MANY_COLUMNS and wide > TOO_NARROW * screen.width:
        # Folded so often, a table cannot be read: each row becomes a sentence.
        lines = [" | ".join(columns), *(" | ".join(printable(cell) or EMPTY for cell in row) for row in rows)]
        screen.print(Text(title, style="bold"), *map(Text, lines), "", sep="\n")
    else:
        screen.print(table)
    if note:
        screen.print(note, markup=False, highlight=False)


def console(*, stderr: bool = False) -> Console:
    """Rich's, on stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width of its own: a table is then as wide as it needs to be, up to 200 columns.
    return Console(stderr=stderr, width=None if stream.isatty() else 200)


def result(options: argparse.Namespace, value: Any, text: str) -> int:
    """The result on stdout: as JSON where asked, else as text."""
    print(json.dumps(value, indent=1, default=str) if options.json else text)
    return ExitCode.OK


class PrintableOutput:
    """Stdout as a file: made printable where it is a terminal, as it is elsewhere."""

    def write(self, text: str) -> int:
        """As a file's."""
        from crescent_lite.printable import printable

        return sys.stdout.write(printable(text, len(text)) if sys.stdout.isatty() else text)


def stream_text(piece: str) -> None:
    """A part of a growing text on stdout, at once, made printable."""
    from crescent_lite.printable import printable

    print(printable(piece), end="", flush=True)


def stream_json(value: Any) -> None:
    """One value on a line of stdout, at once."""
    print(json.dumps(value, default=str), flush=True)


def say(line: str) -> None:
    """A line of talk on stderr."""
    from crescent_lite.printable import printable

    print(printable(line), file=sys.stderr)
