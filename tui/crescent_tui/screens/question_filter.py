"""A form over the Questions screen: which questions are wanted.

Dismissed with the filter, or with None to leave it. Reads nothing. Example:
    app.push_screen(FilterScreen(wanted, reasons=["new", "tie"], rounds=2), self._take_filter)
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

HINT = "tab: next field · enter: show these · escape: no change"


class Tick(Checkbox):
    """A box that is empty where it is not chosen: colour alone would not say so."""

    def __init__(self, label: str, value: bool, *, id: str) -> None:
        super().__init__(label, value, id=id, compact=True)
        self.BUTTON_INNER = "x" if value else " "

    def watch_value(self) -> None:
        """Draw it, and say so."""
        self.BUTTON_INNER = "x" if self.value else " "
        super().watch_value()


class FilterScreen(ModalScreen[QuestionFilter | None]):
    """The verdict and the search are not asked for: they have keys of their own."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "apply", "Show these", show=False),
    ]
    DEFAULT_CSS = """
    FilterScreen { align: center middle; background: $background 60%; }
    FilterScreen #form {
        width: 66; max-width: 100%; height: auto; max-height: 100%; padding: 1 2;
        border: round $accent; background: $surface;
    }
    FilterScreen .field { height: 1; margin-bottom: 1; }
    FilterScreen .field Label { width: 14; color: $foreground 60%; }
    FilterScreen Select { width: 1fr; }
    FilterScreen Input { width: 8; }
    FilterScreen .field .unit { width: auto; padding: 0 2 0 1; }
    FilterScreen Checkbox { width: 1fr; }
    FilterScreen Button { margin-right: 2; }
    FilterScreen #wrong { color: $text-error; height: auto; }
    FilterScreen #hint { color: $foreground 60%; }
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
            form.border_title = "Which questions"
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
                yield Label("only those")
                yield Tick("disputed", self._wanted.disputed, id="disputed")
                yield Tick("with notes", self._wanted.noted, id="noted")
            with Horizontal(classes="field"):
                yield Button("Show these", id="apply", compact=True, variant="primary")
                yield Button("All questions", id="all", compact=True)
            yield Static(id="wrong")
            yield Static(HINT, id="hint")

    @on(Input.Submitted)
    @on(Button.Pressed, "#apply")
    def action_apply(self) -> None:
        """Show these, if the shares make sense."""
        low, high = (_fraction(self.query_one(name, Input).value) for name in ("#low", "#high"))
        low, high = 0.0 if low is None else low, 1.0 if high is None else high
        if not 0 <= low <= high <= 1:
            self.query_one("#wrong", Static).update("A share goes from 0 to 100 %, and from less to more.")
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
    """As a fraction; None where nothing was typed, not-a-number where it is none."""
    typed = typed.strip().removesuffix("%").replace(",", ".")
    try:
        return float(typed) / 100 if typed else None
    except ValueError:
        return math.nan
