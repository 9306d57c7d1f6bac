"""Lays out tables for a terminal: aligned columns, or one stacked record for each row where the columns do not fit.

Keys and values are never broken. Only prose is shortened, to an ending of "...", or wrapped at words if the whole
text is wanted. Numbers stand right, with four significant digits. Knows no command and prints nothing. Example:
    table_lines(("model", "score"), [("base", 31.4159), ("round 1", 56.3)], width=80)
    # ["model    score", "-------  -----", "base     31.42", "round 1   56.3"]
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich.cells import cell_len, set_cell_size

from crescent_lite.printable import printable, printable_line

Cell: TypeAlias = str | int | float | None
"""A value of a table. None is an empty cell."""

GAP = 2
"""Spaces between two columns."""
LEAST_PROSE = 24
"""Columns that a shortened or wrapped text needs at least; with fewer, rows become records (guess)."""
LONG = 24
"""A text with spaces that is longer than this may be shortened (guess); a shorter one is a value."""
SHORTENED = "..."
"""Ends a text that is not shown whole."""
EMPTY = "-"
"""Stands for an empty value in a record."""
NUMBER = re.compile(r"[<>~]?\s?[-+\u2212]?[\d,]+(\.\d+)?(e[-+]?\d+)?\s?%?")
"""A text that stands right like a number: '1,234', '+12.3%', '<0.001'."""


@dataclass(frozen=True)
class Layout:
    """A table as lines of text."""

    head: tuple[str, ...]
    """The names of the columns and the rule under them; empty for records."""
    body: tuple[str, ...]
    """The lines of the rows."""
    shortened: bool
    """Whether a text is not shown whole."""


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, width: int) -> list[str]:
    """The lines of a table, its head included."""
    layout = lay_out(columns, rows, width=width)
    return [*layout.head, *layout.body]


def lay_out(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    width: int,
    full: bool = False,
    prose: Collection[str] | None = None,
) -> Layout:
    """Lay out a table in `width` columns of the terminal.

    `full`: wrap long texts instead of shortening them. `prose`: the names of the columns whose texts may be shortened
    or wrapped; None: those with a long text in several words.
    """
    names = [printable_line(each) for each in columns]
    cells = [[_Value.of(cell) for cell in row] for row in rows]
    drawn = [_Column.of(name, [row[at] for row in cells], prose) for at, name in enumerate(names)]
    widths = _widths(drawn, width)
    if widths is None:
        return _records(names, cells, [each.is_prose for each in drawn], width, full=full)
    heads = [_aligned(each.name, wide, right=each.is_number) for each, wide in zip(drawn, widths, strict=True)]
    head = (_joined(heads), _joined("-" * wide for wide in widths))
    body: list[str] = []
    shortened = False
    for row in cells:
        pieces = [
            _fitted(cell.text, wide, full=full, is_prose=column.is_prose)
            for cell, wide, column in zip(row, widths, drawn, strict=True)
        ]
        shortened |= any(lines[0] != cell.text for lines, cell in zip(pieces, row, strict=True)) and not full
        for line in range(max(map(len, pieces), default=0)):
            body.append(
                _joined(
                    _aligned(lines[line] if line < len(lines) else "", wide, right=column.is_number)
                    for lines, wide, column in zip(pieces, widths, drawn, strict=True)
                )
            )
    return Layout(head, tuple(body), shortened)


def number_text(value: float) -> str:
    """A number for readers: whole numbers in full, others with four significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


@dataclass(frozen=True)
class _Value:
    text: str
    """On one line, printable."""
    whole: str
    """As it is, with its lines."""
    is_number: bool

    @classmethod
    def of(cls, cell: Cell) -> _Value:
        if cell is None:
            return cls("", "", is_number=False)
        if isinstance(cell, int | float):
            text = number_text(cell)
            return cls(text, text, is_number=not isinstance(cell, bool))
        line = printable_line(cell)
        return cls(line, printable(cell).strip("\n"), is_number=NUMBER.fullmatch(line) is not None)


@dataclass(frozen=True)
class _Column:
    name: str
    natural: int
    """Columns of the terminal that its widest cell needs."""
    least: int
    """The fewest that it can be drawn with."""
    is_number: bool
    is_prose: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[_Value], prose: Collection[str] | None) -> _Column:
        lengths = [cell_len(cell.text) for cell in cells]
        natural = max([cell_len(name), *lengths])
        filled = [cell for cell in cells if cell.text not in ("", EMPTY, "NULL")]
        is_number = bool(filled) and all(cell.is_number for cell in filled)
        is_prose = (
            any(length > LONG and " " in cell.text for length, cell in zip(lengths, cells, strict=True))
            if prose is None
            else name in prose
        )
        least = max(cell_len(name), min(natural, LEAST_PROSE)) if is_prose else natural
        return cls(name, natural, least, is_number, is_prose)


def _widths(columns: Sequence[_Column], width: int) -> list[int] | None:
    """The width of each column, where the widest texts give way first; None if the columns do not fit."""
    room = width - GAP * (len(columns) - 1)
    if sum(each.least for each in columns) > room:
        return None
    widths = [each.natural for each in columns]
    while (over := sum(widths) - room) > 0:
        free = sorted({wide for wide, each in zip(widths, columns, strict=True) if wide > each.least}, reverse=True)
        widest = [at for at, wide in enumerate(widths) if wide == free[0] and wide > columns[at].least]
        floor = max([*free[1:2], *(columns[at].least for at in widest)])
        step = max(1, min(free[0] - floor, over // len(widest)))
        for at in widest:
            widths[at] -= step
    return widths


def _records(
    names: Sequence[str], rows: Sequence[Sequence[_Value]], prose: Sequence[bool], width: int, *, full: bool
) -> Layout:
    """One line for each value, and an empty line between two rows."""
    key = max(map(cell_len, names), default=0)
    room = max(LEAST_PROSE, width - key - GAP)
    lines: list[str] = []
    shortened = False
    for number, row in enumerate(rows):
        lines += [""] if number else []
        for name, cell, is_prose in zip(names, row, prose, strict=True):
            whole = cell.whole if full else cell.text
            parts = [
                piece for line in whole.split("\n") for piece in _fitted(line, room, full=full, is_prose=is_prose)
            ]
            shortened |= not full and parts[0] != cell.text
            lines.append(f"{_aligned(name, key)}{' ' * GAP}{parts[0] or EMPTY}")
            lines += [f"{' ' * (key + GAP)}{part}".rstrip() for part in parts[1:]]
    return Layout((), tuple(lines), shortened)


def _fitted(text: str, width: int, *, full: bool, is_prose: bool) -> list[str]:
    """The lines of a cell: one, unless its whole text is wanted and is too long for one."""
    if not is_prose or cell_len(text) <= width:
        return [text]
    if full:
        return wrapped(text, width)
    return [set_cell_size(text, width - len(SHORTENED)).rstrip() + SHORTENED]


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most `width` columns of the terminal, broken at spaces only."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _aligned(text: str, width: int, *, right: bool = False) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _joined(cells: Iterable[Any]) -> str:
    return (" " * GAP).join(cells).rstrip()
