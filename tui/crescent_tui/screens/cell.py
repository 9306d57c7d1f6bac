"""A cell of a table in full, shown over any other screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from crescent_lite.printable import printable, printable_line


class CellScreen(ModalScreen[None]):
    """Shows the text of a cell."""

    DEFAULT_CSS = """
    CellScreen { align: center middle; background: $background 60%; }
    CellScreen > #cell {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        border: round $key; padding: 0 1; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]

    def __init__(self, column: str, text: str) -> None:
        super().__init__()
        self._column, self._text = column, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="cell") as box:
            box.border_title = Content(printable_line(self._column, 60))
            box.border_subtitle = "escape closes"
            yield Static(Content(printable(self._text)))

    def action_scroll(self, direction: str) -> None:
        """Scroll a line up or down."""
        box = self.query_one("#cell")
        box.scroll_down() if direction == "down" else box.scroll_up()
