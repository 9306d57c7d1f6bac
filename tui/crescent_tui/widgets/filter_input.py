"""A line to type a filter in: visible while it is used, hidden when it is empty and left.

Example: a screen yields FilterInput(id="search") above its list and binds "/" to `open`; changes post Input.Changed.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

MAX_CHARACTERS = 200
PLACEHOLDER = "words to find; enter: back to the list, escape: clear"


class FilterInput(Input):
    """A line for a filter: enter keeps the filter and leaves, escape clears it and leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_and_leave", "Clear filter"),
        Binding("enter,down", "leave", "Back to list"),
    ]
    DEFAULT_CSS = """
    FilterInput { border: none; height: 1; padding: 0 1; background: $panel; }
    FilterInput:focus { border: none; }
    """

    class Done(Message):
        """The user has left the line; the list should get the focus."""

    def __init__(self, id: str) -> None:
        super().__init__(placeholder=PLACEHOLDER, select_on_focus=False, id=id, max_length=MAX_CHARACTERS)
        self.display = False

    def open(self) -> None:
        """Show the line and give it the focus."""
        self.display = True
        self.screen.set_focus(self)  # immediately, because the next key may already be waiting

    def action_leave(self) -> None:
        """Keep the filter and go back to the list."""
        self.display = bool(self.value)
        self.post_message(self.Done())

    def action_clear_and_leave(self) -> None:
        """Clear the filter and go back to the list."""
        self.value = ""
        self.action_leave()
