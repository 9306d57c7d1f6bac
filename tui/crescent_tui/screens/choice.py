"""A list of values to choose from, shown over the start form; the last line is for a value that is typed.

Example: app.push_screen(ChoiceScreen("model", ("embedded", "models/a.gguf"), "embedded"), then)   # then("embedded")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from crescent_lite.printable import printable_line

TYPED = "another value, typed …"


class ChoiceScreen(ModalScreen[str | None]):
    """Returns the chosen value, '' to type one, or None to change nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
    ]
    CSS = """
    ChoiceScreen { align: center middle; background: $background 60%; }
    #choices { width: 80; max-width: 100%; height: auto; max-height: 80%; border: round $key; padding: 0 1; }
    """

    def __init__(self, name: str, values: Sequence[str], now: str) -> None:
        super().__init__()
        self._title, self._values, self._now = name, tuple(values), now

    def compose(self) -> ComposeResult:
        options = [Option(Content(printable_line(value, 300))) for value in self._values]
        choices = OptionList(*options, Option(TYPED, id="typed"), id="choices")
        choices.border_title = Content(self._title)
        choices.border_subtitle = "enter chooses, escape closes"
        yield choices

    def on_mount(self) -> None:
        if self._now in self._values:
            self.query_one(OptionList).highlighted = self._values.index(self._now)

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Return the selected value."""
        self.dismiss("" if event.option_id == "typed" else self._values[event.option_index])

    def action_move(self, direction: str) -> None:
        """Move with vim's keys."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()
