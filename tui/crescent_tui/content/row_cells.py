"""Columns and cells of a list, as values, and their order: content fills them, `widgets.row_list` draws them.

Example: (RowColumn("id", 6, right=True), RowColumn("text", 0)), with rows like (RowCell("12"), RowCell("2 + 3?"))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[+\-−]?\d[\d,]*(\.\d+)?(?=%|\b|$)")
"""A number at the start of a text, as it is written in a column."""


@dataclass(frozen=True)
class RowColumn:
    """A column of a list."""

    name: str
    """The heading; '' for none."""
    width: int
    """Terminal cells, without the two between columns. The first with 0, else the last one, takes what is left."""
    right: bool = False
    """Whether the text is right-aligned, as numbers are."""


@dataclass(frozen=True)
class RowCell:
    """The text of one row in one column."""

    text: str
    """As stored: the list makes it printable."""
    style: str = ""
    """'good', 'bad', 'muted', or '' for the default colour."""
    value: float | None = None
    """What the row is sorted by, where the text does not say it, as with '18.3 MB'; None for the text."""


@dataclass(frozen=True)
class Order:
    """The order of a list: by one of its columns."""

    column: int
    """The index of the column."""
    descending: bool = False


def clicked(order: Order | None, column: int) -> Order | None:
    """The order after a click on a heading: ascending, then descending, then as it was."""
    if order is None or order.column != column:
        return Order(column)
    return None if order.descending else Order(column, descending=True)


def stepped(order: Order | None, step: int, columns: int) -> Order | None:
    """The order by the next column, or the previous one; between the last and the first the list is as it was."""
    at = (order.column + 1 if order else 0) + step
    at %= columns + 1
    return Order(at - 1, order.descending if order else False) if at else None


def widths(columns: Sequence[RowColumn], room: int) -> list[int]:
    """The width of each column in a list of `room` cells, without the blank on either side."""
    stretched = next((index for index, column in enumerate(columns) if not column.width), len(columns) - 1)
    others = sum(column.width + 2 for index, column in enumerate(columns) if index != stretched)
    return [max(1, room - others - 2) if index == stretched else each.width for index, each in enumerate(columns)]


def in_order(keys: Iterable[int], order: Order, cell_of: Callable[[int, int], RowCell | None]) -> list[int]:
    """The keys in an order; rows without a value come last. `cell_of` returns the cell of a key in a column."""
    found = [(key, _sort_value(cell_of(key, order.column))) for key in keys]
    known = [each for each in found if each[1] is not None]
    known.sort(key=lambda each: each[1] or (0, 0.0, ""), reverse=order.descending)
    return [key for key, _ in known] + [key for key, value in found if value is None]


def _sort_value(cell: RowCell | None) -> tuple[int, float, str] | None:
    """Numbers by their value, then texts by their letters; None for an empty cell."""
    if cell is None or (cell.value is None and cell.text.strip() in ("", "–", "…")):
        return None
    if cell.value is not None:
        return (0, cell.value, "")
    text = cell.text.strip()
    number = NUMBER.match(text)
    if number:
        return (0, float(number[0].replace(",", "").replace("−", "-")), text.casefold())
    return (1, 0.0, text.casefold())
