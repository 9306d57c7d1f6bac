"""Asks whether a run should keep another round. Says that nothing is deleted.

Example: app.push_screen(KeepRoundScreen(run_id=3, round_number=2), then)   # then(True) keeps it
"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

YES, NO = "yes", "no"


class KeepRoundScreen(ModalScreen[bool | None]):
    """The question whether to keep a round, shown over the Models screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("escape,n,q", "answer(False)", "No"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
    ]
    CSS = """
    KeepRoundScreen { align: center middle; background: $background 60%; }
    #keep { width: 66; max-width: 100%; height: auto; border: round $key; padding: 1 2; background: $surface; }
    #keep OptionList { height: auto; border: none; margin-top: 1; background: $surface; }
    """

    def __init__(self, run_id: int, round_number: int | None) -> None:
        super().__init__()
        self._run_id = run_id
        self._round = round_number
        """The round to keep; None for the best one."""

    def compose(self) -> ComposeResult:
        which = f"round {self._round}" if self._round else "its best round"
        with Vertical(id="keep") as box:
            box.border_title = f"Keep {which} of run {self._run_id}?"
            box.border_subtitle = "y yes, n no"
            words = (
                "Nothing is deleted: every round stays with its adapter, questions and scores, and another round "
                "can be kept at any time. An export of the run uses the kept round."
            )
            yield Static(Content(words))
            yield OptionList(Option(f"Yes, keep {which}", id=YES), Option("No, change nothing", id=NO))

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Answer with enter or the mouse."""
        self.dismiss(event.option_id == YES)

    def action_answer(self, yes: bool) -> None:
        """Answer with a letter."""
        self.dismiss(yes)

    def action_move(self, direction: str) -> None:
        """Move with vim's keys."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()
