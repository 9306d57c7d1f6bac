"""The command log: what was done on the screens, as the command lines that do the same, newest first."""

from __future__ import annotations

import time
from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.sources.command_lines import CommandLine
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import WorkspaceApp

COLUMNS = (RowColumn("time", 8), RowColumn("command", 0))


class CommandLogScreen(ModalScreen[None]):
    """The command log, shown over any other screen."""

    app: WorkspaceApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy"),
        Binding("escape,ctrl+l,q", "dismiss", "Close"),
    ]
    CSS = """
    CommandLogScreen { align: center middle; background: $background 60%; }
    CommandLogScreen #command-log {
        width: 110; max-width: 100%; height: 24; max-height: 100%;
        border: round $key; padding: 0 1; background: $surface;
    }
    CommandLogScreen RowList { height: 1fr; background: $surface; }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="command-log") as box:
            box.border_title = "Commands that do the same"
            box.border_subtitle = "enter or y copies, escape closes"
            yield RowList(COLUMNS)

    def on_mount(self) -> None:
        rows = self.query_one(RowList)
        rows.placeholder = "Nothing done yet that a command could do."
        lines = list(self.app.commands)
        rows.set_keys(array("q", reversed(range(len(lines)))))
        rows.set_cells({number: _cells(line) for number, line in enumerate(lines)})

    @on(RowList.Chosen)
    def action_copy(self) -> None:
        """Copy the command under the cursor."""
        key = self.query_one(RowList).key
        if key is not None and key < len(self.app.commands):
            self.app.copy(self.app.commands[key].text, "The command")


def _cells(line: CommandLine) -> tuple[RowCell, ...]:
    return (RowCell(time.strftime("%H:%M:%S", time.localtime(line.at)), "muted"), RowCell(line.text))
