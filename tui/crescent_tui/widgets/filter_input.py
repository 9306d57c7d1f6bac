"""A line to type a filter into: there while it is typed, gone when it is empty and left.

Example: a screen yields TypedFilter() under its list, and binds "/" to `open`; each change is an Input.Changed.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

MAX_CHARACTERS = 200
PLACEHOLDER = "words to look for; enter to the list, escape for all"


class TypedFilter(Input):
    """Escape empties it and leaves, enter leaves it as it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_and_leave", "No filter"),
        Binding("enter,down", "leave", "To the list"),
    ]
    DEFAULT_CSS = """
    TypedFilter { border: none; height: 1; padding: 0 1; background: $panel; }
    TypedFilter:focus { border: none; }
    """

    class Left(Message):
        """The list should have the focus again."""

    def __init__(self, id: str) -> None:
        super().__init__(placeholder=PLACEHOLDER, select_on_focus=False, id=id, max_length=MAX_CHARACTERS)
        self.display = False

    def open(self) -> None:
        """Type here."""
        self.display = True
        self.screen.set_focus(self)  # at once: the next key may be here already

    def action_leave(self) -> None:
        """To the list; the filter stays."""
        self.display = bool(self.value)
        self.post_message(self.Left())

    def action_clear_and_leave(self) -> None:
        """To the whole list."""
        self.value = ""
        self.action_leave()
