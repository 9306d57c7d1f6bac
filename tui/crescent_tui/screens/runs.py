"""The Runs screen: every run with its score and the settings that differ, to choose, compare, and draw together.

Controls and distillations stand under their run. Selected runs are compared, and their losses are drawn together;
without a selection the run under the cursor is shown.
"""

from __future__ import annotations

from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from crescent_lite.printable import printable
from crescent_lite.store import Store
from crescent_lite.store.run_rows import RunRow, common_differences
from crescent_tui.content.colours import MUTED
from crescent_tui.content.line_chart import Curve
from crescent_tui.content.runs import cells, columns, in_full, matching
from crescent_tui.screens.text import TextScreen
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.curves import Loss, fetch_last_losses
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.chart import Chart
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.reading_pane import ReadingPane
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import WorkspaceApp

MOST_CURVES = 6
"""Curves drawn together at most: there are as many colours."""


class RunsScreen(ModalScreen[None]):
    """The runs of the workspace, shown over any other screen."""

    app: WorkspaceApp
    AUTO_FOCUS = "#runs"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  as Textual has it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", "Select"),
        Binding("c", "compare", "Compare"),
        Binding("l", "latest", "Latest"),
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("y", "copy", "Copy", show=False),
        Binding("escape,r,q", "leave", "Close"),
    ]
    CSS = """
    RunsScreen { background: $background; }
    RunsScreen #runs-and-one { height: 1fr; }
    RunsScreen #runs { height: 1fr; }
    RunsScreen #below-runs { height: 8; layout: vertical; }
    RunsScreen.-tall #below-runs { height: 14; }
    RunsScreen #run-curves { display: none; height: 100%; }
    RunsScreen #run-in-full { height: 100%; }
    RunsScreen.-wide #below-runs { layout: horizontal; }
    RunsScreen.-wide #run-in-full { width: 1fr; }
    RunsScreen.-wide #run-curves { display: block; width: 1fr; }
    RunsScreen.-overlay.-narrow #run-in-full { display: none; }
    RunsScreen.-overlay #run-curves { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[RunRow, ...] = ()
        self._shown: dict[int, RunRow] = {}
        self._selected: list[int] = []
        """The selected runs, in the order in which they were selected."""

    def compose(self) -> ComposeResult:
        with Vertical(id="runs-and-one"):
            yield RowList(columns(self.app.size.width), id="runs", classes="panel")
            yield FilterInput(id="runs-filter")
            with Container(id="below-runs"):
                with ReadingPane(id="run-in-full", classes="panel"):
                    yield CachedStatic(id="run-facts")
                yield Chart(id="run-curves", classes="panel")

    def on_mount(self) -> None:
        rows = self.query_one("#runs", RowList)
        rows.placeholder = "Reading …"
        rows.border_subtitle = "enter shows a run, space selects, c compares, / filters, l follows the latest, escape"
        self.query_one("#run-in-full").border_title = "Run"
        self.query_one("#run-curves").border_title = "Loss of the last training, nats per token"
        self.watch(self.app, "snapshot", self._read, init=False)
        self._read()

    def on_resize(self) -> None:
        """Show more or fewer columns."""
        self._fill()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the letters to the line that is typed in."""
        return not (isinstance(self.focused, Input) and action in ("filter", "select", "compare", "latest", "copy"))

    def action_select(self) -> None:
        """Select the run, or no longer: selected runs are compared and drawn together"""
        if (key := self.query_one("#runs", RowList).key) is None:
            return
        if key in self._selected:
            self._selected.remove(key)
        else:
            self._selected.append(key)
        self.set_class(bool(self._selected), "-overlay")
        self._fill()
        self.query_one("#runs", RowList).action_move(1)
        self._read_curves()

    def action_compare(self) -> None:
        """Compare the selected runs with the first of them: settings, scores with paired tests."""
        if len(self._selected) < 2:
            self.notify("Select two or more runs with space first; the others are compared with the first.")
            return
        numbers = [str(run_id) for run_id in self._selected]
        self.app.command(self._show_comparison, "compare", *numbers, read_only=True)
        self.app.note_command("compare", *numbers)
        self.notify("Comparing …")

    def action_latest(self) -> None:
        """Show the latest run, and each new one when it begins."""
        self.app.choose_run(None)
        self.dismiss()

    def action_filter(self) -> None:
        """Filter by words in names, notes, states, models and settings."""
        self.query_one(FilterInput).open()

    def action_copy(self) -> None:
        """Copy what is shown of the run."""
        if row := self._row():
            self.app.copy(in_full(row).plain, f"Run {row.run_id}")

    def action_leave(self) -> None:
        """Close the list."""
        self.dismiss()

    @on(RowList.Chosen, "#runs")
    def _choose(self, event: RowList.Chosen) -> None:
        """Show the run on the other screens."""
        self.app.choose_run(event.key)
        self.app.note_command("show", "run", str(event.key))
        self.dismiss()

    @on(RowList.Highlighted, "#runs")
    def _look(self) -> None:
        self._show_one()
        if not self._selected:
            self._read_curves()

    @on(RowList.OrderChanged, "#runs")
    def _order_changed(self) -> None:
        """Draw the branches only in the order of the families."""
        self._set_cells()

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self._fill()

    @on(FilterInput.Done)
    def _back_to_list(self) -> None:
        self.set_focus(self.query_one("#runs"))

    def _read(self) -> None:
        if self.app.snapshot.version:
            self.app.read("runs", lambda store: store.run_rows.fetch(), self._take)
        else:
            self.query_one("#runs", RowList).placeholder = "No run yet; press s to start one."

    @property
    def _is_open(self) -> bool:
        """Whether the screen has not been closed: an answer may come later."""
        return self in self.app.screen_stack

    def _take(self, rows: tuple[RunRow, ...]) -> None:
        if not self._is_open:
            return
        is_first, self._rows = not self._rows, rows
        self._fill()
        shown = self.app.snapshot.run
        if is_first and shown:
            self.query_one("#runs", RowList).move_to_key(shown.run_id)
        self._show_one()

    def _fill(self) -> None:
        """List the runs that match."""
        rows = self.query_one("#runs", RowList)
        found = matching(self._rows, self.query_one(FilterInput).value)
        self._shown = {row.run_id: row for row in found}
        rows.set_columns(columns(self.size.width))
        rows.border_title = f"Runs: {len(found):,}" + (f", {len(self._selected)} selected" if self._selected else "")
        if self._rows:
            rows.placeholder = "No run matches."
        rows.set_keys(array("q", self._shown), follow=False)
        self._set_cells()

    def _set_cells(self) -> None:
        rows = self.query_one("#runs", RowList)
        common = common_differences([row for row in self._rows if not row.depth])
        flat = rows.order is not None or bool(self.query_one(FilterInput).value)
        rows.set_cells(
            {
                run_id: cells(row, self.size.width, selected=run_id in self._selected, common=common, flat=flat)
                for run_id, row in self._shown.items()
            }
        )

    def _row(self) -> RunRow | None:
        key = self.query_one("#runs", RowList).key
        return self._shown.get(key) if key is not None else None

    def _show_one(self) -> None:
        row = self._row()
        self.query_one("#run-facts", CachedStatic).update(
            in_full(row) if row else Content.styled("No run selected.", MUTED)
        )

    def _read_curves(self) -> None:
        row = self._row()
        wanted = tuple(self._selected[:MOST_CURVES]) or ((row.run_id,) if row else ())

        def fetch(store: Store) -> tuple[Loss, ...]:
            return fetch_last_losses(store, wanted)

        self.app.read("losses of runs", fetch, self._draw)

    def _draw(self, losses: tuple[Loss, ...]) -> None:
        if not self._is_open:
            return
        titles = {row.run_id: row.title for row in self._rows}
        curves = []
        for loss in losses:
            name = titles.get(loss.run_id, f"run {loss.run_id}")
            curves.append(Curve(name, loss.run_id, loss.steps))
            if loss.held_out:
                curves.append(Curve(f"{name}, held out", loss.run_id, loss.held_out, is_sparse=True))
        self.query_one("#run-curves", Chart).draw(curves, empty="No training yet.")

    def _show_comparison(self, result: CommandResult) -> None:
        if result.exit_code:
            self.app.show_error(result.last_line or "The runs could not be compared.")
        else:
            self.app.push_screen(TextScreen("Runs compared", printable(result.output, 200_000)))
