"""A form over the Questions screen for the filter of its list.

Returns the filter, or None to change nothing. It reads nothing. Example:
    app.push_screen(QuestionFilterScreen(wanted, reasons=["new", "tie"], rounds=2), self._take_filter)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Label, Select, Static

from crescent_lite.store.browsing import QuestionFilter
from crescent_tui.content.words import spaced

HINT = "tab: next field · space: tick · enter: apply · escape: cancel"


class Tick(Checkbox):
    """A checkbox that is empty if it is off, because colour alone would not show it. Enter is for the whole panel."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.apply", "Apply", show=False)]

    def __init__(self, label: str, value: bool, *, id: str) -> None:
        super().__init__(label, value, id=id, compact=True)
        self.BUTTON_INNER = "x" if value else " "

    def watch_value(self) -> None:
        """Draw the mark."""
        self.BUTTON_INNER = "x" if self.value else " "
        super().watch_value()


class QuestionFilterScreen(ModalScreen[QuestionFilter | None]):
    """Asks for everything but the verdict and the search, which have their own keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "apply", "Apply", show=False),
    ]
    DEFAULT_CSS = """
    QuestionFilterScreen { align: center middle; background: $background 60%; }
    QuestionFilterScreen #form {
        width: 66; max-width: 100%; height: auto; max-height: 100%; padding: 1 2;
        border: round $key; background: $surface;
    }
    QuestionFilterScreen .field { height: 1; margin-bottom: 1; }
    QuestionFilterScreen .field Label { width: 14; color: $muted; }
    QuestionFilterScreen Select { width: 1fr; }
    QuestionFilterScreen Input { width: 8; }
    QuestionFilterScreen .field .unit { width: auto; padding: 0 2 0 1; }
    QuestionFilterScreen Checkbox { width: 1fr; }
    QuestionFilterScreen Button { margin-right: 2; }
    QuestionFilterScreen #wrong { color: $text-error; height: auto; }
    QuestionFilterScreen #hint { color: $muted; }
    """

    def __init__(self, wanted: QuestionFilter, reasons: Sequence[str], rounds: int) -> None:
        super().__init__()
        self._wanted = wanted
        known = [*reasons, wanted.reason] if wanted.reason and wanted.reason not in reasons else reasons
        self._reasons = [(Content(spaced(reason)), reason) for reason in known if reason]
        last = max(rounds, wanted.round or 0)
        self._rounds = [(str(number), number) for number in range(1, last + 1)]

    def compose(self) -> ComposeResult:
        low, high = self._wanted.shares or (None, None)
        with VerticalScroll(id="form", can_focus=False) as form:
            form.border_title = "Filter questions"
            with Horizontal(classes="field"):
                yield Label("reason")
                reason = self._wanted.reason or Select.NULL
                yield Select(self._reasons, prompt="any", id="by-reason", compact=True, value=reason)
            with Horizontal(classes="field"):
                yield Label("round")
                number = self._wanted.round or Select.NULL
                yield Select(self._rounds, prompt="any", id="by-round", compact=True, value=number)
            with Horizontal(classes="field"):
                yield Label("share from")
                yield Input(_percent(low), id="low", compact=True, placeholder="0", max_length=6)
                yield Label("to", classes="unit")
                yield Input(_percent(high), id="high", compact=True, placeholder="100", max_length=6)
                yield Label("%", classes="unit")
            with Horizontal(classes="field"):
                yield Label("only")
                yield Tick("disputed", self._wanted.disputed, id="disputed")
                yield Tick("with notes", self._wanted.noted, id="noted")
            with Horizontal(classes="field"):
                yield Button("Apply", id="apply", compact=True, variant="primary")
                yield Button("All questions", id="all", compact=True)
            yield Static(id="wrong")
            yield Static(HINT, id="hint")

    @on(Input.Submitted)
    @on(Button.Pressed, "#apply")
    def action_apply(self) -> None:
        """Apply the filter, if the shares are valid."""
        low, high = (_fraction(self.query_one(name, Input).value) for name in ("#low", "#high"))
        low, high = 0.0 if low is None else low, 1.0 if high is None else high
        if not 0 <= low <= high <= 1:
            self.query_one("#wrong", Static).update("Shares must be from 0 to 100 %, the lower one first.")
            return
        reason, number = self.query_one("#by-reason", Select).value, self.query_one("#by-round", Select).value
        self.dismiss(
            replace(
                self._wanted,
                reason=reason if isinstance(reason, str) else None,
                round=number if isinstance(number, int) else None,
                shares=(low, high) if (low, high) != (0.0, 1.0) else None,
                disputed=self.query_one("#disputed", Checkbox).value,
                noted=self.query_one("#noted", Checkbox).value,
            )
        )

    @on(Button.Pressed, "#all")
    def _everything(self) -> None:
        wanted = self._wanted
        self.dismiss(QuestionFilter(wanted.run_id, verdict=wanted.verdict, search=wanted.search))


def _percent(share: float | None) -> str:
    return f"{100 * share:g}" if share is not None else ""


def _fraction(typed: str) -> float | None:
    """A percentage as a fraction; None if nothing was typed, NaN if it is not a number."""
    typed = typed.strip().removesuffix("%").replace(",", ".")
    try:
        return float(typed) / 100 if typed else None
    except ValueError:
        return math.nan
