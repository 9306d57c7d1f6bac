"""The list of runs, to choose the run that the screens show."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from crescent_lite.printable import printable_line
from crescent_lite.store.watching import RunLine
from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import local_date_time
from crescent_tui.workspace_app import WorkspaceApp

LATEST = "latest"


class RunsScreen(ModalScreen[None]):
    """The list of runs, shown over any other screen."""

    app: WorkspaceApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,r,q", "dismiss", "Close"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
    ]

    def compose(self) -> ComposeResult:
        latest = Option(Content.assemble(("latest", "bold"), (", following new runs", MUTED)), id=LATEST)
        runs = [Option(_line(run), id=str(run.run_id)) for run in self.app.snapshot.runs]
        choices = OptionList(latest, *runs, id="runs")
        choices.border_title = "Runs"
        choices.border_subtitle = "enter shows a run"
        yield choices

    def on_mount(self) -> None:
        shown = self.app.saved_state.number("run")
        if shown is not None and any(run.run_id == shown for run in self.app.snapshot.runs):
            self.query_one(OptionList).highlighted = self.query_one(OptionList).get_option_index(str(shown))

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Show the selected run."""
        chosen = event.option_id
        self.app.choose_run(None if chosen in (None, LATEST) else int(chosen))
        self.dismiss()

    def action_move(self, direction: str) -> None:
        """Move with vim's keys."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()


def _line(run: RunLine) -> Content:
    what = f"control: {run.control}" if run.control else "evaluation" if run.kind == "evaluation" else "improvement"
    if run.teacher_id:
        what = f"learns from run {run.teacher_id}"
    return Content.assemble(
        (f"{run.run_id:>4}  ", "bold"),
        f"{what:<24.24}",
        (f" {run.state:<9}", MUTED),
        (f" {local_date_time(run.started_at)}  ", MUTED),
        printable_line(run.base, 40),
    )
