"""A list of any length: only what is in view is held and drawn. A row is known by its key, and fetched when it shows.

Knows no database: it says which keys it lacks, and whoever owns it hands over their cells. Example:
    rows.set_keys(array("q", [9, 8, 7])); ... on_row_list_lacking(event): self.fetch(event.keys, rows.set_cells)
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

CACHED = 2000
"""Rows held, of those that were in view."""
AHEAD = 30
"""Rows beyond the view that are asked for too."""


@dataclass(frozen=True)
class Column:
    """One column. The last one of a list takes what room is left."""

    name: str
    width: int
    """Cells, without the two between columns."""
    right: bool = False
    """Numbers stand to the right."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text as stored, and the component class that colours it."""

    text: str
    style: str = ""
    """'good', 'bad', 'muted' or nothing."""


class RowList(ScrollView, can_focus=True):
    """A table of which the cursor is always on a row."""

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
    ]
    DEFAULT_CSS = """
    RowList { overflow-x: hidden; scrollbar-size-vertical: 1; }
    RowList > .row-list--header { color: $foreground 60%; }
    RowList > .row-list--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    RowList:focus > .row-list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    RowList > .row-list--good { color: $text-success; }
    RowList > .row-list--bad { color: $text-warning; }
    RowList > .row-list--muted { color: $foreground 60%; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """The position of the row under the cursor, from 0."""

    class Highlighted(Message):
        """The cursor is on another row."""

        def __init__(self, row_list: RowList, key: int) -> None:
            super().__init__()
            self.row_list, self.key = row_list, key

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    class Chosen(Highlighted):
        """Enter or a double click on a row."""

    class Lacking(Message):
        """Rows in view, and some around them, whose cells are not known yet."""

        def __init__(self, row_list: RowList, keys: tuple[int, ...]) -> None:
            super().__init__()
            self.row_list, self.keys = row_list, keys

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    placeholder: reactive[str] = reactive("")
    """What stands in an empty list. Plain words of ours."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._keys: array[int] = array("q")
        self._cells: OrderedDict[int, tuple[Cell, ...]] = OrderedDict()
        self._asked: frozenset[int] = frozenset()

    @property
    def key(self) -> int | None:
        """The key under the cursor; None in an empty list."""
        return self._keys[self.cursor] if self._keys else None

    @property
    def keys(self) -> array[int]:
        """All keys, in their order."""
        return self._keys

    def set_keys(self, keys: array[int], *, stay: bool = True, follow: bool = True, at: int | None = None) -> None:
        """Another list of keys. `stay`: the cursor stays on its row, or at its place where that row is gone; else it
        goes to key `at` or to the top. `follow`: at the very top it stays at the top, as who looks at the newest
        wants to go on so.
        """
        before, cursor, top = self.key, self.cursor, self._top
        self._keys = keys
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
        self._look()

    def extend_keys(self, more: Sequence[int]) -> None:
        """Further keys at the end."""
        self.set_keys(self._keys + array("q", more))

    def set_cells(self, cells: Mapping[int, tuple[Cell, ...]]) -> None:
        """What stands in rows. Those that were known are replaced."""
        self._cells.update(cells)
        while len(self._cells) > CACHED:
            self._cells.popitem(last=False)
        self._asked = frozenset()
        self.refresh()

    def forget_cells(self) -> None:
        """What is in view may have changed: it stays until it is handed over again."""
        keys = self._in_view(AHEAD)
        kept = set(keys)
        for key in [key for key in self._cells if key not in kept]:
            del self._cells[key]
        if keys:
            self.post_message(self.Lacking(self, keys))

    def move_to(self, position: int) -> None:
        """Put the cursor on a position, and in view."""
        if self._keys:
            self.cursor = max(0, min(position, len(self._keys) - 1))

    def move_to_key(self, key: int) -> bool:
        """Put the cursor on a row; False where it is not in the list."""
        position = _position(self._keys, key, -1)
        if position < 0:
            return False
        self.move_to(position)
        return True

    def watch_cursor(self, before: int, position: int) -> None:
        """Bring it into view and say so."""
        self._bring_into_view()
        if self.key is not None:
            self.post_message(self.Highlighted(self, self.key))
        self._look()

    def watch_scroll_y(self, before: float, after: float) -> None:
        """Other rows are in view."""
        super().watch_scroll_y(before, after)
        self._look()

    def on_resize(self) -> None:
        """The last column takes what room is left, and the cursor is not left outside."""
        self.virtual_size = Size(self.size.width, len(self._keys) + 1)
        self._bring_into_view()
        self._look()

    def on_click(self, event: events.Click) -> None:
        """Choose with the mouse; a double click opens."""
        place = event.get_content_offset(self)
        position = self._top + place.y - 1 if place and place.y else -1
        if not 0 <= position < len(self._keys):
            return
        self.move_to(position)
        if event.chain == 2:
            self.action_choose()

    def action_move(self, rows: int) -> None:
        """One row on."""
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """A screenful on."""
        self.move_to(self.cursor + pages * max(1, self.size.height - 2))

    def action_edge(self, last: int) -> None:
        """To the first or the last row."""
        self.move_to(last * (len(self._keys) - 1))

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def render_line(self, y: int) -> Strip:
        """The header, then the rows from the scroll position on."""
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("row-list--header")
            return Strip(self._segments(tuple(Cell(c.name) for c in self._columns), style), width).adjust_cell_length(
                width, self.rich_style
            )
        position = self._top + y - 1
        if y == 1 and not self._keys:
            muted = self.get_component_rich_style("row-list--muted")
            return Strip([Segment(f" {self.placeholder}", muted)]).adjust_cell_length(width, self.rich_style)
        if position >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        key = self._keys[position]
        cells = self._cells.get(key, (Cell("…", "muted"),))
        if key in self._cells:
            self._cells.move_to_end(key)
        style, under = self.rich_style, position == self.cursor
        if under:
            style += self.get_component_rich_style("row-list--cursor")
        return Strip(self._segments(cells, style, plain=under), width).adjust_cell_length(width, style)

    def _segments(self, cells: tuple[Cell, ...], style: Style, *, plain: bool = False) -> list[Segment]:
        """The cells of a row, each in its column. `plain`: without their own colours, so the cursor can be read."""
        found: list[Segment] = []
        left = self.size.width
        for index, (column, cell) in enumerate(zip(self._columns, cells, strict=False)):
            last = index == len(self._columns) - 1
            width = max(1, left - 2) if last else column.width
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
            left -= width + 2
        return found

    @property
    def _top(self) -> int:
        """The position of the first row in view."""
        return round(self.scroll_y)

    def _bring_into_view(self) -> None:
        """Scroll no further than the cursor needs."""
        rows = max(1, self.size.height - 1)
        if self.cursor < self._top:
            self._scroll_to_row(self.cursor)
        elif self.cursor >= self._top + rows:
            self._scroll_to_row(self.cursor - rows + 1)

    def _scroll_to_row(self, row: int) -> None:
        # At once: the next key press reckons from where this one has scrolled to.
        self.scroll_to(y=row, animate=False, force=True, immediate=True)

    def _in_view(self, around: int) -> tuple[int, ...]:
        first = max(0, self._top - around)
        return tuple(self._keys[first : self._top + self.size.height + around])

    def _look(self) -> None:
        """Ask for what is in view and not known."""
        lacking = [key for key in self._in_view(0) if key not in self._cells]
        if lacking and not self._asked.issuperset(lacking):
            keys = tuple(key for key in self._in_view(AHEAD) if key not in self._cells)
            self._asked = frozenset(keys)
            self.post_message(self.Lacking(self, keys))
        self.refresh()


def _position(keys: Sequence[int], key: int, missing: int) -> int:
    """Where a key is, or `missing` where it is not there."""
    try:
        return keys.index(key)
    except ValueError:
        return missing
