"""A long text, such as the output of a command, shown over any other screen. Its lines are not wrapped."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from crescent_tui.widgets.reading_pane import ReadingPane
from crescent_tui.workspace_app import WorkspaceApp


class TextScreen(ModalScreen[None]):
    """Shows a text that is already printable."""

    app: WorkspaceApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy"),
        Binding("escape,q", "dismiss", "Close"),
    ]
    CSS = """
    TextScreen { background: $background; }
    TextScreen ReadingPane { overflow-x: auto; border: round $key; padding: 0 1; }
    TextScreen Static { width: auto; text-wrap: nowrap; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with ReadingPane() as pane:
            pane.border_title = Content(self._title)
            pane.border_subtitle = "y copies, escape closes"
            yield Static(Content(self._text))

    def action_copy(self) -> None:
        """Copy the text."""
        self.app.copy(self._text, "The text")
