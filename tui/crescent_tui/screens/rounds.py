"""The Rounds screen: the base and the rounds on the left, and the results of the selected one on the right.

Scores come from the app's snapshot; everything else is read in the background when the database has changed.
"""

from __future__ import annotations

from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from crescent_tui.content import losses as loss_content
from crescent_tui.content import round as round_content
from crescent_tui.content import score as score_content
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.curves import Losses, fetch_losses
from crescent_tui.sources.refresher import Refresher
from crescent_tui.sources.round_detail import Comparisons, RoundDetail, fetch_comparisons, fetch_round
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.chart import Chart
from crescent_tui.widgets.fitted_text import FittedText
from crescent_tui.widgets.row_list import RowList

COLUMNS = (RowColumn("round", 5), RowColumn("score", 6, right=True), RowColumn("", 0))
LEFT = (
    ("scores", "Scores, 95% interval"),
    ("standing", "Which round is kept"),
    ("gains", "Where the gain comes from"),
)
RIGHT = (
    ("loss", "Training loss"),
    ("flow", "Yield"),
    ("shares", "Share of the leading answer"),
    ("alarms", "Alarms"),
    ("lengths", "Length of the solutions"),
)
COPIED_WIDTH = 100
LOSS_ROWS = 10
"""Height of the curves of the loss, with their axis."""


class RoundPanels(VerticalScroll):
    """The results of the round; scrolled with the same keys as the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", show=False),
        Binding("up,k", "scroll_up", show=False),
        Binding("pagedown,ctrl+d", "page_down", show=False),
        Binding("pageup,ctrl+u", "page_up", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
        Binding("escape", "screen.focus('#rounds')", show=False),
    ]


class RoundsScreen(TabScreen):
    """The rounds of the chosen run."""

    TAB = "Rounds"
    AUTO_FOCUS = "RowList"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("J,shift+down", "scroll_panels(1)", show=False),
        Binding("K,shift+up", "scroll_panels(-1)", show=False),
        Binding("y", "copy", "Copy"),
    ]
    CSS = """
    #no-rounds { padding: 1 2; color: $muted; }
    #rounds { width: 26; height: 100%; padding: 0; }
    #panels { width: 1fr; height: 100%; scrollbar-gutter: stable; }
    #panels:focus FittedText { border: round $key; }
    #columns { height: auto; }
    #columns Vertical { height: auto; }
    #columns FittedText { height: auto; }
    #columns #round-loss { height: auto; }
    RoundsScreen.-narrow #columns { layout: vertical; }
    RoundsScreen.-wide #columns { layout: horizontal; }
    RoundsScreen.-wide #columns Vertical { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run_id: int | None = None
        self._detail: RoundDetail | None = None
        self._comparisons = Comparisons()

    def body(self) -> ComposeResult:
        yield Static("No run yet; press s to start one. Its rounds and their scores are shown here.", id="no-rounds")
        with Horizontal(id="rounds-and-panels"):
            yield RowList(COLUMNS, id="rounds", classes="panel")
            with RoundPanels(id="panels"), Horizontal(id="columns"):
                for column in (LEFT, RIGHT):
                    with Vertical():
                        for name, _ in column:
                            if name == "loss":
                                yield Chart(id=f"round-{name}", classes="panel", rows=LOSS_ROWS)
                            else:
                                yield FittedText(id=f"round-{name}", classes="panel")

    def on_mount(self) -> None:
        for name, title in (*LEFT, *RIGHT):
            self.query_one(f"#round-{name}").border_title = title
        self.query_one("#rounds").border_title = "Rounds"
        self._losses = Losses()
        self._curves = Refresher(
            self.app.read,
            "losses",
            lambda store, run_id: fetch_losses(store, run_id, self._losses),
            self._take_losses,
        )
        self._round = Refresher(self.app.read, "round", fetch_round, self._show_round)
        self._compared = Refresher(
            self.app.read,
            "rounds compared",
            lambda store, run_id: fetch_comparisons(store, run_id, self._comparisons),
            self._show_comparisons,
        )

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        run = snapshot.run
        self.query_one("#no-rounds").display = run is None and snapshot.is_loaded
        self.query_one("#rounds-and-panels").display = run is not None
        if run is None:
            return
        rows = self.query_one("#rounds", RowList)
        if run.run_id != self._run_id:
            self._run_id, self._detail, self._comparisons = run.run_id, None, Comparisons()
            self._losses = Losses()
            rows.set_keys(array("q"))
            rows.set_cells({})
        self._list_rounds(rows, max(run.round, *(count.round for count in run.scores), 0))
        self._fetch()
        self._draw_scores()

    def action_scroll_panels(self, screenfuls: int) -> None:
        """Scroll the panels while the list has the focus."""
        panels = self.query_one(RoundPanels)
        panels.scroll_relative(y=screenfuls * max(1, panels.size.height - 2), animate=False)

    def action_copy(self) -> None:
        """Copy the numbers of the round as text."""
        if self._detail is None:
            return
        parts = [f"Run {self._run_id}, {f'round {self._detail.number}' if self._detail.number else 'the base'}"]
        for (_, title), content in zip((*LEFT, *RIGHT), self._contents(COPIED_WIDTH), strict=True):
            parts.append(f"{title}\n{content.plain}")
        self.app.copy("\n\n".join(parts), "The text with the numbers of this round")

    def _list_rounds(self, rows: RowList, latest: int) -> None:
        """List the base and each round that has started. A cursor on the latest round moves to the next one."""
        if len(rows.keys) == latest + 1:
            return
        was_latest = not rows.keys or rows.key == rows.keys[-1]
        rows.set_keys(array("q", range(latest + 1)))
        if was_latest:
            rows.move_to_key(latest)

    def _fetch(self) -> None:
        number, version = self.query_one("#rounds", RowList).key, self.app.snapshot.version
        if self._run_id is not None and number is not None:
            self._round.request((self._run_id, number), version)
            self._compared.request(self._run_id, version)
            self._curves.request(self._run_id, version)

    @on(RowList.Highlighted)
    def _select(self, _event: RowList.Highlighted) -> None:
        self._fetch()
        self._draw_scores()

    @on(RowList.Chosen)
    def _open(self, _event: RowList.Chosen) -> None:
        self.set_focus(self.query_one(RoundPanels))

    @on(RowList.CellsNeeded)
    def _send_cells(self, event: RowList.CellsNeeded) -> None:
        event.row_list.set_cells({number: self._cells(number) for number in event.keys})

    def _cells(self, number: int) -> tuple[RowCell, ...]:
        standing = self._detail.standing if self._detail else None
        score = standing.scores.get(number) if standing else None
        kept = "kept" if standing and standing.kept == number else ""
        fired = self._detail.fired.get(number, 0) if self._detail else 0
        alarm = f"!{fired}" if fired else ""
        return (
            RowCell(str(number) if number else "base"),
            RowCell(f"{score:.1%}" if score is not None else "–"),
            RowCell(f"{kept} {alarm}", "bad" if fired else "good"),
        )

    def _show_round(self, subject: tuple[int, int], detail: RoundDetail) -> None:
        if subject[0] != self._run_id:
            return
        self._detail = detail
        whose = f"Round {detail.number}" if detail.number else "Base"
        self.query_one("#round-flow").border_title = f"{whose}: yield"
        self.query_one("#round-loss").border_title = f"{whose}: training loss"
        self.query_one("#round-shares").border_title = f"{whose}: share of the leading answer"
        self.query_one("#round-alarms").border_title = f"{whose}: alarms"
        self.query_one("#round-standing", FittedText).draw(lambda width: round_content.standing(detail, width))
        self._draw_losses()
        self.query_one("#round-flow", FittedText).draw(lambda width: round_content.flow(detail, width))
        self.query_one("#round-shares", FittedText).draw(lambda width: round_content.shares(detail, width))
        self.query_one("#round-alarms", FittedText).draw(lambda width: round_content.alarms(detail.alarms, width))
        self.query_one("#round-lengths", FittedText).draw(lambda width: round_content.lengths(detail, width))
        for name in ("loss", "flow", "shares", "alarms"):
            self.query_one(f"#round-{name}").display = detail.number > 0
        self._draw_scores()
        self.query_one("#rounds", RowList).reload_cells()

    def _take_losses(self, run_id: int, losses: Losses) -> None:
        if run_id == self._run_id:
            self._losses = losses
            self._draw_losses()

    def _draw_losses(self) -> None:
        if detail := self._detail:
            self.query_one("#round-loss", Chart).draw(
                loss_content.loss_curves(self._losses, detail.number),
                last=loss_content.last_step(self._losses, detail.number),
                note=lambda width: round_content.loss(detail, width),
            )

    def _show_comparisons(self, run_id: int, comparisons: Comparisons) -> None:
        if run_id == self._run_id:
            self._comparisons = comparisons
            self._draw_scores()
            self.query_one("#round-gains", FittedText).draw(
                lambda width: score_content.gains(comparisons.gains, width, comparisons.descent)
            )

    def _draw_scores(self) -> None:
        self.query_one("#round-scores", FittedText).draw(self._scores)

    def _scores(self, width: int) -> Content:
        chosen = self.query_one("#rounds", RowList).key or 0
        kept = self._detail.standing.kept if self._detail else None
        snapshot = self.app.snapshot
        has_ended = snapshot.run is not None and snapshot.run.state == "finished"
        return score_content.score_plots(
            snapshot.scores, self._comparisons, chosen=chosen, kept=kept, width=width, has_ended=has_ended
        )

    def _contents(self, width: int) -> list[Content]:
        """The contents of all panels, in order."""
        detail = self._detail
        assert detail
        return [
            self._scores(width),
            round_content.standing(detail, width),
            score_content.gains(self._comparisons.gains, width, self._comparisons.descent),
            round_content.loss(detail, width),
            round_content.flow(detail, width),
            round_content.shares(detail, width),
            round_content.alarms(detail.alarms, width),
            round_content.lengths(detail, width),
        ]
