"""The Rounds screen: on the left the base and the rounds, on the right what came of the chosen one, scores first.

Scores are those the app's follower saw; everything else is read in the background, when the database has changed.
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

from crescent_tui.content import round as round_content
from crescent_tui.content import score as score_content
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.follower import Sight
from crescent_tui.sources.refresher import Upkeep
from crescent_tui.sources.round_detail import Comparisons, RoundDetail, fetch_comparisons, fetch_round
from crescent_tui.widgets.fitted_text import Drawn
from crescent_tui.widgets.row_list import Cell, Column, RowList

COLUMNS = (Column("round", 5), Column("score", 6, right=True), Column("", 0))
LEFT = (
    ("scores", "Scores, 95% interval"),
    ("standing", "Which round is kept"),
    ("gains", "Where the gain comes from"),
)
RIGHT = (
    ("loss", "Loss of the training"),
    ("flow", "Yield"),
    ("shares", "Share of the leading answer"),
    ("alarms", "Alarms"),
    ("lengths", "Length of the solutions"),
)
COPIED_WIDTH = 100


class Panels(VerticalScroll):
    """What came of the round; scrolled as the list is moved in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", show=False),
        Binding("up,k", "scroll_up", show=False),
        Binding("pagedown,ctrl+d", "page_down", show=False),
        Binding("pageup,ctrl+u", "page_up", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
        Binding("escape", "screen.focus('#rounds')", show=False),
    ]


class RoundsScreen(WatchingScreen):
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
    #no-rounds { padding: 1 2; color: $foreground 60%; }
    #rounds { width: 26; height: 100%; padding: 0; }
    #panels { width: 1fr; height: 100%; scrollbar-gutter: stable; }
    #panels:focus Drawn { border: round $accent; }
    #columns { height: auto; }
    #columns Vertical { height: auto; }
    #columns Drawn { height: auto; }
    RoundsScreen.-narrow #columns { layout: vertical; }
    RoundsScreen.-wide #columns { layout: horizontal; }
    RoundsScreen.-wide #columns Vertical { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run_id: int | None = None
        self._facts: RoundDetail | None = None
        self._comparisons = Comparisons()

    def body(self) -> ComposeResult:
        yield Static("No run yet: s starts one. Its rounds are shown here with their scores.", id="no-rounds")
        with Horizontal(id="rounds-and-panels"):
            yield RowList(COLUMNS, id="rounds", classes="panel")
            with Panels(id="panels"), Horizontal(id="columns"):
                for column in (LEFT, RIGHT):
                    with Vertical():
                        for name, _ in column:
                            yield Drawn(id=f"round-{name}", classes="panel")

    def on_mount(self) -> None:
        for name, title in (*LEFT, *RIGHT):
            self.query_one(f"#round-{name}").border_title = title
        self.query_one("#rounds").border_title = "Rounds"
        self._round = Upkeep(self.app.read, "round", fetch_round, self._show_round)
        self._compared = Upkeep(
            self.app.read,
            "rounds compared",
            lambda store, run_id: fetch_comparisons(store, run_id, self._comparisons),
            self._show_comparisons,
        )

    def show(self, sight: Sight) -> None:
        run = sight.run
        self.query_one("#no-rounds").display = run is None and sight.looked
        self.query_one("#rounds-and-panels").display = run is not None
        if run is None:
            return
        rows = self.query_one("#rounds", RowList)
        if run.run_id != self._run_id:
            self._run_id, self._facts, self._comparisons = run.run_id, None, Comparisons()
            rows.set_keys(array("q"))
            rows.set_cells({})
        self._list_rounds(rows, max(run.round, *(count.round for count in run.scores), 0))
        self._fetch()
        self._draw_scores()

    def action_scroll_panels(self, screenfuls: int) -> None:
        """The panels, while the list has the keys."""
        panels = self.query_one(Panels)
        panels.scroll_relative(y=screenfuls * max(1, panels.size.height - 2), animate=False)

    def action_copy(self) -> None:
        """The numbers of the round as text."""
        if self._facts is None:
            return
        parts = [f"Run {self._run_id}, {f'round {self._facts.number}' if self._facts.number else 'the base'}"]
        for (_, title), content in zip((*LEFT, *RIGHT), self._contents(COPIED_WIDTH), strict=True):
            parts.append(f"{title}\n{content.plain}")
        self.app.copy_to_clipboard("\n\n".join(parts))
        self.notify("The numbers of this round are copied.")

    def _list_rounds(self, rows: RowList, latest: int) -> None:
        """The base and each round that has begun. Who looks at the latest one follows it."""
        if len(rows.keys) == latest + 1:
            return
        was_latest = rows.cursor == len(rows.keys) - 1 or not rows.keys
        rows.set_keys(array("q", range(latest + 1)))
        if was_latest:
            rows.move_to(latest)

    def _fetch(self) -> None:
        number, version = self.query_one("#rounds", RowList).key, self.app.sight.version
        if self._run_id is not None and number is not None:
            self._round.want((self._run_id, number), version)
            self._compared.want(self._run_id, version)

    @on(RowList.Highlighted)
    def _look_at(self, _event: RowList.Highlighted) -> None:
        self._fetch()
        self._draw_scores()

    @on(RowList.Chosen)
    def _open(self, _event: RowList.Chosen) -> None:
        self.set_focus(self.query_one(Panels))

    @on(RowList.Lacking)
    def _tell_cells(self, event: RowList.Lacking) -> None:
        event.row_list.set_cells({number: self._cells(number) for number in event.keys})

    def _cells(self, number: int) -> tuple[Cell, ...]:
        standing = self._facts.standing if self._facts else None
        score = standing.scores.get(number) if standing else None
        kept = "kept" if standing and standing.kept == number else ""
        fired = self._facts.fired.get(number, 0) if self._facts else 0
        alarm = f"!{fired}" if fired else ""
        return (
            Cell(str(number) if number else "base"),
            Cell(f"{score:.1%}" if score is not None else "–"),
            Cell(f"{kept} {alarm}", "bad" if fired else "good"),
        )

    def _show_round(self, subject: tuple[int, int], facts: RoundDetail) -> None:
        if subject[0] != self._run_id:
            return
        self._facts = facts
        whose = f"Round {facts.number}" if facts.number else "Base"
        self.query_one("#round-flow").border_title = f"{whose}: yield"
        self.query_one("#round-loss").border_title = f"{whose}: loss of the training"
        self.query_one("#round-shares").border_title = f"{whose}: share of the leading answer"
        self.query_one("#round-alarms").border_title = f"{whose}: alarms"
        self.query_one("#round-standing", Drawn).draw(lambda width: round_content.standing(facts, width))
        self.query_one("#round-loss", Drawn).draw(lambda width: round_content.loss(facts, width))
        self.query_one("#round-flow", Drawn).draw(lambda width: round_content.flow(facts, width))
        self.query_one("#round-shares", Drawn).draw(lambda width: round_content.shares(facts, width))
        self.query_one("#round-alarms", Drawn).draw(lambda width: round_content.alarms(facts.alarms, width))
        self.query_one("#round-lengths", Drawn).draw(lambda width: round_content.lengths(facts, width))
        for name in ("loss", "flow", "shares", "alarms"):
            self.query_one(f"#round-{name}").display = facts.number > 0
        self._draw_scores()
        self.query_one("#rounds", RowList).forget_cells()

    def _show_comparisons(self, run_id: int, comparisons: Comparisons) -> None:
        if run_id == self._run_id:
            self._comparisons = comparisons
            self._draw_scores()
            self.query_one("#round-gains", Drawn).draw(lambda width: score_content.gains(comparisons.gains, width))

    def _draw_scores(self) -> None:
        self.query_one("#round-scores", Drawn).draw(self._scores)

    def _scores(self, width: int) -> Content:
        chosen = self.query_one("#rounds", RowList).key or 0
        kept = self._facts.standing.kept if self._facts else None
        return score_content.score_plots(
            self.app.sight.scores, self._comparisons, chosen=chosen, kept=kept, width=width
        )

    def _contents(self, width: int) -> list[Content]:
        """Of all panels, in their order."""
        facts = self._facts
        assert facts
        return [
            self._scores(width),
            round_content.standing(facts, width),
            score_content.gains(self._comparisons.gains, width),
            round_content.loss(facts, width),
            round_content.flow(facts, width),
            round_content.shares(facts, width),
            round_content.alarms(facts.alarms, width),
            round_content.lengths(facts, width),
        ]
