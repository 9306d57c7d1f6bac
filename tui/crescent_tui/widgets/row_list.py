"""A list of any length that draws only the rows in view. A row has a key; its cells are requested when it is shown.

It is sorted by any column, with a key or a click on its heading: by the cells, or by its owner if `sorts_itself` is
False. Knows no database: it posts the keys whose cells it needs, and its owner calls `set_cells`. Example:
    rows.set_keys(array("q", [9, 8, 7])); ... on_row_list_cells_needed(event): self.fetch(event.keys, rows.set_cells)
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from crescent_lite.printable import printable_line
from crescent_tui.content.row_cells import Order, RowCell, RowColumn, clicked, in_order, stepped, widths

CACHED = 2000
"""Rows whose cells are kept; the least recently shown are dropped first."""
AHEAD = 30
"""Rows above and below the view that are requested with it."""


class RowList(ScrollView, can_focus=True):
    """A table with a cursor that is always on a row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-list--header", "row-list--cursor", "row-list--good", "row-list--bad", "row-list--muted",
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
        Binding("greater_than_sign", "sort(1)", "Sort by the next column", show=False, key_display=">"),
        Binding("less_than_sign", "sort(-1)", "Sort by the previous column", show=False, key_display="<"),
        Binding("R", "reverse", "Reverse the order", show=False),
    ]
    DEFAULT_CSS = """
    RowList { overflow-x: hidden; scrollbar-size-vertical: 1; }
    RowList > .row-list--header { color: $muted; }
    RowList > .row-list--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    RowList:focus > .row-list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    RowList > .row-list--good { color: $text-success; }
    RowList > .row-list--bad { color: $text-warning; }
    RowList > .row-list--muted { color: $muted; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """The position of the row under the cursor, counted from 0."""

    class Highlighted(Message):
        """The cursor has moved to another row."""

        def __init__(self, row_list: RowList, key: int) -> None:
            super().__init__()
            self.row_list, self.key = row_list, key

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    class Chosen(Highlighted):
        """Enter or a double click on a row."""

    class CellsNeeded(Message):
        """Cells are needed for the rows with these keys."""

        def __init__(self, row_list: RowList, keys: tuple[int, ...]) -> None:
            super().__init__()
            self.row_list, self.keys = row_list, keys

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    class OrderChanged(Message):
        """The user has chosen another order."""

        def __init__(self, row_list: RowList, order: Order | None) -> None:
            super().__init__()
            self.row_list, self.order = row_list, order

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    sorts_itself: ClassVar[bool] = True
    """Whether the list is sorted by its cells. Else its owner calls `set_keys` with keys in the order."""

    placeholder: reactive[str] = reactive("")
    """The text of an empty list. Trusted."""

    def __init__(self, columns: Sequence[RowColumn], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._given: array[int] = array("q")
        """The keys in the order in which the owner gave them."""
        self._keys: array[int] = array("q")
        """The keys in the order in which they are shown."""
        self._order: Order | None = None
        self._cells: OrderedDict[int, tuple[RowCell, ...]] = OrderedDict()
        self._requested: frozenset[int] = frozenset()

    @property
    def key(self) -> int | None:
        """The key under the cursor; None in an empty list."""
        return self._keys[self.cursor] if self._keys else None

    @property
    def keys(self) -> array[int]:
        """All keys, in the order in which they were given."""
        return self._given

    @property
    def order(self) -> Order | None:
        """The order that the user chose; None for the order in which the keys were given."""
        return self._order

    def set_columns(self, columns: Sequence[RowColumn]) -> None:
        """Show other columns; cells must be set anew."""
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._cells.clear()
            self._requested = frozenset()
            if self._order and self._order.column >= len(self._columns):
                self._order = None

    def set_order(self, order: Order | None) -> None:
        """Show the rows in another order; the cursor stays on its row."""
        if order != self._order:
            self._order = order
            self.post_message(self.OrderChanged(self, order))
            if self.sorts_itself:
                self.set_keys(self._given, follow=False)

    def set_keys(self, keys: array[int], *, stay: bool = True, follow: bool = True, at: int | None = None) -> None:
        """List other keys.

        With `stay`, the cursor stays on its row, or at its position if the row is no longer listed; without it, the
        cursor moves to key `at`, or to the top. With `follow`, a cursor at the very top stays at the top, so that it
        follows new rows.
        """
        before, cursor, top = self.key, self.cursor, self._top
        self._given = keys
        keys = self._keys = self._sorted()
        if not stay or before is None or (follow and cursor == top == 0):
            position = _position(keys, at, 0) if at is not None and not stay else 0
            scroll = max(0, position - self.size.height // 2)
        else:
            position = _position(keys, before, min(cursor, max(0, len(keys) - 1)))
            scroll = max(0, top + position - cursor)
        self.set_reactive(RowList.cursor, position)
        self.virtual_size = Size(self.size.width, len(keys) + 1)
        if scroll != top:
            self._scroll_to_row(scroll)
        if self.key != before and self.key is not None:
            self.post_message(self.Highlighted(self, self.key))
        self._request_missing()

    def extend_keys(self, more: Sequence[int]) -> None:
        """Append keys."""
        self.set_keys(self._given + array("q", more))

    def set_cells(self, cells: Mapping[int, tuple[RowCell, ...]]) -> None:
        """Set or replace the cells of these rows."""
        self._cells.update(cells)
        while len(self._cells) > CACHED and not self._sorts_now:
            self._cells.popitem(last=False)
        self._requested = frozenset()
        if self._sorts_now and self._sorted() != self._keys:
            self.set_keys(self._given, follow=False)
        self.refresh()

    @property
    def _sorts_now(self) -> bool:
        return self.sorts_itself and self._order is not None

    def _sorted(self) -> array[int]:
        """The given keys in the chosen order; cells that are missing for it are requested."""
        if self._order is None or not self.sorts_itself:
            return self._given
        missing = tuple(key for key in self._given if key not in self._cells)
        if missing and not self._requested.issuperset(missing):
            self._requested = frozenset(missing)
            self.post_message(self.CellsNeeded(self, missing))
        return array("q", in_order(self._given, self._order, self._cell))

    def _cell(self, key: int, column: int) -> RowCell | None:
        cells = self._cells.get(key, ())
        return cells[column] if column < len(cells) else None

    def reload_cells(self) -> None:
        """Request all cells again, because the rows may have changed. Rows in view stay until then."""
        keys = tuple(self._given) if self._sorts_now else self._in_view(AHEAD)
        kept = set(keys)
        for key in [key for key in self._cells if key not in kept]:
            del self._cells[key]
        if keys:
            self.post_message(self.CellsNeeded(self, keys))

    def move_to(self, position: int) -> None:
        """Move the cursor to a position and scroll to it."""
        if self._keys:
            self.cursor = max(0, min(position, len(self._keys) - 1))

    def move_to_key(self, key: int) -> bool:
        """Move the cursor to a row. Returns False if it is not in the list."""
        position = _position(self._keys, key, -1)
        if position < 0:
            return False
        self.move_to(position)
        return True

    def watch_cursor(self, before: int, position: int) -> None:
        """Scroll to the cursor and post that it has moved."""
        self._bring_into_view()
        if self.key is not None:
            self.post_message(self.Highlighted(self, self.key))
        self._request_missing()

    def watch_scroll_y(self, before: float, after: float) -> None:
        """Request the rows that have come into view."""
        super().watch_scroll_y(before, after)
        self._request_missing()

    def on_resize(self) -> None:
        """Fit the last column to the new width and keep the cursor in view."""
        self.virtual_size = Size(self.size.width, len(self._keys) + 1)
        self._bring_into_view()
        self._request_missing()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to a clicked row; a double click opens it. A click on a heading sorts by its column."""
        place = event.get_content_offset(self)
        if place and place.y == 0:
            self._sort_at(place.x)
            return
        position = self._top + place.y - 1 if place and place.y else -1
        if not 0 <= position < len(self._keys):
            return
        self.move_to(position)
        if event.chain == 2:
            self.action_choose()

    def action_move(self, rows: int) -> None:
        """Move the cursor by a number of rows."""
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a number of pages."""
        self.move_to(self.cursor + pages * max(1, self.size.height - 2))

    def action_edge(self, last: int) -> None:
        """Move the cursor to the first or the last row."""
        self.move_to(last * (len(self._keys) - 1))

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def action_sort(self, step: int) -> None:
        """Sort by another column."""
        self.set_order(stepped(self._order, step, len(self._columns)))

    def action_reverse(self) -> None:
        """Reverse the order."""
        if self._order:
            self.set_order(Order(self._order.column, not self._order.descending))

    def _sort_at(self, x: int) -> None:
        """Sort by the column at this cell of the heading."""
        end = 0
        for index, width in enumerate(widths(self._columns, self.size.width)):
            end += width + 2
            if x < end:
                self.set_order(clicked(self._order, index))
                break

    def render_line(self, y: int) -> Strip:
        """Draw the header or a row."""
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("row-list--header")
            return Strip(self._headings(style), width).adjust_cell_length(width, self.rich_style)
        position = self._top + y - 1
        if y == 1 and not self._keys:
            muted = self.get_component_rich_style("row-list--muted")
            return Strip([Segment(f" {self.placeholder}", muted)]).adjust_cell_length(width, self.rich_style)
        if position >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        key = self._keys[position]
        cells = self._cells.get(key, (RowCell("…", "muted"),))
        if key in self._cells:
            self._cells.move_to_end(key)
        style, under = self.rich_style, position == self.cursor
        if under:
            style += self.get_component_rich_style("row-list--cursor")
        return Strip(self._segments(cells, style, plain=under), width).adjust_cell_length(width, style)

    def _headings(self, style: Style) -> list[Segment]:
        """The names of the columns, with an arrow at the one that the rows are sorted by."""
        found = self._segments(tuple(RowCell(column.name) for column in self._columns), style)
        if self._order:
            at = self._order.column
            arrow = "▼" if self._order.descending else "▲"
            found[at] = Segment(f"{found[at].text[:-1]}{arrow}", style + Style(bold=True))
        return found

    def _segments(self, cells: tuple[RowCell, ...], style: Style, *, plain: bool = False) -> list[Segment]:
        """The cells of a row, fitted to the columns. `plain` ignores their colours, to keep the cursor readable."""
        found: list[Segment] = []
        for column, width, cell in zip(self._columns, widths(self._columns, self.size.width), cells, strict=False):
            text = printable_line(cell.text, 4 * width)
            strip = Strip([Segment(text)])
            if strip.cell_length > width:
                strip = Strip([*strip.crop(0, width - 1)._segments, Segment("…")])
            gap = max(0, width - strip.cell_length)
            padded = " " * gap + strip.text if column.right else strip.text + " " * gap
            colour = style
            if cell.style and not plain:
                colour += self.get_component_rich_style(f"row-list--{cell.style}", partial=True)
            found.append(Segment(f" {padded} ", colour))
        return found

    @property
    def _top(self) -> int:
        """The position of the first row in view."""
        return round(self.scroll_y)

    def _bring_into_view(self) -> None:
        """Scroll just far enough to show the cursor."""
        rows = max(1, self.size.height - 1)
        if self.cursor < self._top:
            self._scroll_to_row(self.cursor)
        elif self.cursor >= self._top + rows:
            self._scroll_to_row(self.cursor - rows + 1)

    def _scroll_to_row(self, row: int) -> None:
        # Immediately, because the next key press starts from this position.
        self.scroll_to(y=row, animate=False, force=True, immediate=True)

    def _in_view(self, around: int) -> tuple[int, ...]:
        first = max(0, self._top - around)
        return tuple(self._keys[first : self._top + self.size.height + around])

    def _request_missing(self) -> None:
        """Request the cells that are in view and not known."""
        missing_keys = [key for key in self._in_view(0) if key not in self._cells]
        if missing_keys and not self._requested.issuperset(missing_keys):
            keys = tuple(key for key in self._in_view(AHEAD) if key not in self._cells)
            self._requested = frozenset(keys)
            self.post_message(self.CellsNeeded(self, keys))
        self.refresh()


def _position(keys: Sequence[int], key: int, missing: int) -> int:
    """The position of a key, or `missing` if it is not in the list."""
    try:
        return keys.index(key)
    except ValueError:
        return missing
