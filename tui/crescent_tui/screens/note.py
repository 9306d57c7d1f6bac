"""A dialog over the Votes screen for a note on a question.

Returns the text, '' to remove all notes, or None to change nothing. It stores nothing itself. Example:
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
EXPLANATION = (
    "A note is kept with the question, for people.\nIt is never used as a label, and nothing is learned from it.\n"
)


class NoteScreen(ModalScreen[str | None]):
    """Asks for the note."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close")]
    DEFAULT_CSS = """
    NoteScreen { align: center middle; background: $background 60%; }
    NoteScreen #form {
        width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 1 2;
        border: round $key; background: $surface;
    }
    NoteScreen #hint { color: $muted; margin-top: 1; }
    """

    def __init__(self, question_id: int, notes: int) -> None:
        super().__init__()
        self._question_id, self._notes = question_id, notes
        self._asked_to_remove = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="form", can_focus=False) as form:
            form.border_title = f"Note on question {self._question_id}"
            yield Static(Content.styled(EXPLANATION, MUTED))
            yield Input(placeholder="your note", max_length=NOTE_CHARACTERS, compact=True)
            yield Static("enter: save · escape: cancel", id="hint")

    @on(Input.Submitted)
    def keep(self, event: Input.Submitted) -> None:
        """Return the note. An empty note would remove all others, so it requires a second enter."""
        text = event.value.strip()
        if text or self._asked_to_remove:
            self.dismiss(text)
        elif not self._notes:
            self.dismiss(None)
        else:
            self._asked_to_remove = True
            words = "Press enter again to remove every note on this question."
            self.query_one("#hint", Static).update(Content.styled(words, "$text-warning"))

    @on(Input.Changed)
    def write(self, event: Input.Changed) -> None:
        """Cancel the removal as soon as something is typed."""
        if event.value.strip():
            self._asked_to_remove = False
