"""The result of a query as it is shown: cells, column widths, and the line on its outcome. Pure; knows no widget.

Names and texts are untrusted, so they pass through `printable_line` and are never parsed as markup. Example:
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
from crescent_tui.content.row_cells import Order

CELL_WIDTH = 48
"""Characters of a cell shown in the table at most; enter shows all of them."""


def shown_cell(cell: Cell) -> Text:
    """A cell of the table: numbers are right-aligned, a missing value is NULL."""
    if cell is None:
        return Text("NULL", style="dim italic", no_wrap=True)
    if isinstance(cell, str):
        return Text(printable_line(cell[: 10 * CELL_WIDTH], CELL_WIDTH), no_wrap=True, overflow="ellipsis")
    return Text(shown_number(cell), justify="right", no_wrap=True)


def shown_number(number: int | float) -> str:
    """A number; a float has at most six significant digits."""
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def shown_name(name: str, index: int = 0, order: Order | None = None) -> Text:
    """The name of a column, with an arrow if the rows are sorted by it."""
    arrow = "" if order is None or order.column != index else " ▼" if order.descending else " ▲"
    return Text((printable_line(name, CELL_WIDTH - 2) or " ") + arrow, no_wrap=True, overflow="ellipsis")


def column_widths(names: Sequence[Text], rows: Sequence[Sequence[Text]]) -> list[int]:
    """The width of each column in cells."""
    columns = zip(names, *rows, strict=True)
    return [min(CELL_WIDTH, max(cell_len(cell.plain) for cell in column)) for column in columns]


def outcome(result: QueryResult) -> Content:
    """The number of rows, whether there are more, and the time taken."""
    count = len(result.rows)
    rows = "no rows" if count == 0 else "1 row" if count == 1 else f"{count:,} rows"
    seconds = f"{result.seconds:.2f} s"
    if not result.truncated:
        return Content(f"{rows}, {seconds}")
    return Content.assemble(f"the first {rows}, {seconds}; ", ("there are more: ctrl+s saves all", "$text-warning"))


def error_line(reason: str) -> Content:
    """The error of a query."""
    return Content.styled(f"Error: {printable_line(reason, 500)}", "$text-error")


def completions_line(ways: Sequence[str]) -> Content:
    """How the word before the cursor may go on; tab takes the first way."""
    first, *others = (printable_line(way, 60) for way in ways)
    return Content.assemble(("tab: ", MUTED), (first, "bold"), (f"   {'   '.join(others)}", MUTED))


def running_line(doing: str, seconds: float) -> Content:
    """The line shown while a query runs."""
    return Content.assemble((f"{doing}: {seconds:.0f} s", "$text-accent"), ("; escape cancels", MUTED))


def relation_label(relation: Relation) -> Text:
    """The line of a view or table in the catalogue."""
    return Text(printable_line(relation.name, 100), style="bold" if relation.kind == "view" else "", no_wrap=True)


def group_label(name: str) -> Text:
    """The line of a group of queries in the catalogue."""
    return Text(name, style="italic", no_wrap=True)


def query_label(text: str) -> Text:
    """The line of a query in the catalogue: its name, or its beginning."""
    return Text(printable_line(text, 60), no_wrap=True)


def column_label(name: str, kind: str) -> Text:
    """The line of a column in the catalogue."""
    return Text.assemble(printable_line(name, 100), (f" {printable_line(kind, 20).lower()}", "dim"), no_wrap=True)


def csv_name(now: datetime) -> str:
    """The name of a CSV file, with the time in it."""
    return f"query-{now:%Y%m%d-%H%M%S}.csv"
