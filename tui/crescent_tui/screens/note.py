"""One line over the Votes screen: a remark on a question.

Dismissed with the text, '' to take all remarks away, or None to leave them. Stores nothing. Example:
    app.push_screen(NoteScreen(412, notes=1), self._take_note)
"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from crescent_tui.content.colours import MUTED

NOTE_CHARACTERS = 1000
WHAT = "It is kept beside the question, for people.\nA note is never used as a label: nothing is learnt from it.\n"


class NoteScreen(ModalScreen[str | None]):
    """Asks for the note."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close")]
    DEFAULT_CSS = """
    NoteScreen { align: center middle; background: $background 60%; }
    NoteScreen #form {
        width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 1 2;
        border: round $accent; background: $surface;
    }
    NoteScreen #hint { color: $foreground 60%; margin-top: 1; }
    """

    def __init__(self, question_id: int, notes: int) -> None:
        super().__init__()
        self._question_id, self._notes = question_id, notes
        self._asked_to_remove = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="form", can_focus=False) as form:
            form.border_title = f"Note on question {self._question_id}"
            yield Static(Content.styled(WHAT, MUTED))
            yield Input(placeholder="what should be remembered", max_length=NOTE_CHARACTERS, compact=True)
            yield Static("enter: keep it · escape: leave it", id="hint")

    @on(Input.Submitted)
    def keep(self, event: Input.Submitted) -> None:
        """An empty note would take the others away, so that is asked twice."""
        text = event.value.strip()
        if text or self._asked_to_remove:
            self.dismiss(text)
        elif not self._notes:
            self.dismiss(None)
        else:
            self._asked_to_remove = True
            words = "Enter again takes every note on this question away."
            self.query_one("#hint", Static).update(Content.styled(words, "$text-warning"))

    @on(Input.Changed)
    def write(self, event: Input.Changed) -> None:
        """Something is written, so nothing is to be taken away."""
        if event.value.strip():
            self._asked_to_remove = False
