"""A query's answer as it is shown: cells, widths, and the line that says how it went. Pure; knows no widget.

Names and texts are anybody's, so everything passes `printable_line` and nothing is markup. Example:
    outcome(QueryResult(("n",), ((1,),), False, 0.02))     # "1 row, 0.02 s"
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text
from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.store.querying import Cell, QueryResult, Relation
from crescent_tui.content.colours import MUTED

CELL_WIDTH = 48
"""Characters of a cell in the table; enter shows the whole."""


def shown_cell(cell: Cell) -> Text:
    """One cell: a number to the right, a missing value in words."""
    if cell is None:
        return Text("NULL", style="dim italic", no_wrap=True)
    if isinstance(cell, str):
        return Text(printable_line(cell[: 10 * CELL_WIDTH], CELL_WIDTH), no_wrap=True, overflow="ellipsis")
    return Text(shown_number(cell), justify="right", no_wrap=True)


def shown_number(number: int | float) -> str:
    """With as many digits as it has, and no more than a score needs."""
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def shown_name(name: str) -> Text:
    """A column's name."""
    return Text(printable_line(name, CELL_WIDTH) or " ", no_wrap=True, overflow="ellipsis")


def column_widths(names: Sequence[Text], rows: Sequence[Sequence[Text]]) -> list[int]:
    """How wide each column is to be, in cells."""
    columns = zip(names, *rows, strict=True)
    return [min(CELL_WIDTH, max(cell_len(cell.plain) for cell in column)) for column in columns]


def outcome(result: QueryResult) -> Content:
    """How many rows, whether there are more, and how long it took."""
    count = len(result.rows)
    rows = "no rows" if count == 0 else "1 row" if count == 1 else f"{count:,} rows"
    seconds = f"{result.seconds:.2f} s"
    if not result.truncated:
        return Content(f"{rows}, {seconds}")
    return Content.assemble(
        f"the first {rows}, {seconds}; ", ("there are more: ctrl+s saves them all", "$text-warning")
    )


def fault(reason: str) -> Content:
    """What is wrong with a query."""
    return Content.styled(f"Error: {printable_line(reason, 500)}", "$text-error")


def at_work(doing: str, seconds: float) -> Content:
    """While it is being answered."""
    return Content.assemble((f"{doing}: {seconds:.0f} s", "$text-accent"), ("; escape cancels", MUTED))


def relation_label(relation: Relation) -> Text:
    """A view's or a table's line in the list."""
    return Text(printable_line(relation.name, 100), style="bold" if relation.kind == "view" else "", no_wrap=True)


def column_label(name: str, kind: str) -> Text:
    """A column's line in the list."""
    return Text.assemble(printable_line(name, 100), (f" {printable_line(kind, 20).lower()}", "dim"), no_wrap=True)


def csv_name(now: datetime) -> str:
    """A file's name with the time in it."""
    return f"query-{now:%Y%m%d-%H%M%S}.csv"
