"""Columns of a text: cells that never touch their neighbour, however long the text in them. Pure.

A format such as f"{name:<16}" leaves no blank after a name of 16 characters, and two columns run together. Example:
    cell("too little known", 16) + "false consensus"     # "too little known false consensus"
    widths([("17.0 to 23.1", "664 of 1,000")])           # [12, 12]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

GAP = 1
"""Blanks between two columns at least."""


def cell(text: str, width: int, *, right: bool = False) -> str:
    """The text in a column of `width` terminal cells, its gap included; a longer text makes its column wider.

    The gap is after the text, or before it if the text is right-aligned.
    """
    blanks = " " * max(GAP, width - cell_len(text))
    return blanks + text if right else text + blanks


def widths(rows: Iterable[Sequence[str]]) -> list[int]:
    """The widest text of each column, in terminal cells, without a gap. Every row has the same number of columns."""
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
