"""Columns and cells of a list, as values: content fills them, `widgets.row_list` draws them.

Example: (RowColumn("id", 6, right=True), RowColumn("text", 0)), with rows like (RowCell("12"), RowCell("2 + 3?"))
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowColumn:
    """A column of a list."""

    name: str
    """The heading; '' for none."""
    width: int
    """Terminal cells, without the two between columns. The last column ignores it and takes what is left."""
    right: bool = False
    """Whether the text is right-aligned, as numbers are."""


@dataclass(frozen=True)
class RowCell:
    """The text of one row in one column."""

    text: str
    """As stored: the list makes it printable."""
    style: str = ""
    """'good', 'bad', 'muted', or '' for the default colour."""
