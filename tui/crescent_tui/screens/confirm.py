"""A panel that asks before work is started or stopped: what will happen, enter to go on, escape to change nothing.

It takes any lines, so that an estimate or a difference of settings can stand in it. A key that is neither enter nor
escape closes it as escape does, so that a word typed into a list by mistake cannot start a run. Example:
    app.push_screen(ConfirmScreen(stopping_question()), then)    # then(True) after enter
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from crescent_tui.content.starting import Question

TYPED_ON_SECONDS = 0.3
"""An enter this soon after the panel opened belongs to a word that was typed, such as `ls`, and is no answer (guess:
nobody reads the panel in this time)."""


class ConfirmScreen(ModalScreen[bool | None]):
    """The panel. Returns True for enter or a click on it, False otherwise."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer(True)", "Yes"),
        Binding("escape", "answer(False)", "No"),
    ]
    CSS = """
    ConfirmScreen { align: center middle; background: $background 60%; }
    #confirm { width: 72; max-width: 100%; height: auto; max-height: 100%; border: round $accent; padding: 0 2;
               background: $surface; }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._opened = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm") as box:
            box.border_title = Content(self._question.title)
            box.border_subtitle = Content(f"enter: {self._question.verb} · escape: no")
            yield Static(Content("\n".join(self._question.lines)))

    def on_mount(self) -> None:
        self._opened = time.monotonic()

    def on_click(self, event: events.Click) -> None:
        """Go on with a click into the panel; a click beside it changes nothing."""
        self.dismiss(event.widget is not self)

    def on_key(self, event: events.Key) -> None:
        """Close with any other key that is a character."""
        if event.is_printable:
            event.stop()
            self.dismiss(False)

    def action_answer(self, yes: bool) -> None:
        """Answer with enter or escape."""
        if not yes or time.monotonic() - self._opened > TYPED_ON_SECONDS:
            self.dismiss(yes)
