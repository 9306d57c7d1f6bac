"""The Questions screen: every question of the run, newest first, and the chosen one in full with its votes.

Of the list it holds the keys; the rows are read as they come into view.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from crescent_lite.records import Verdict
from crescent_lite.store.browsing import QuestionFilter, QuestionLine
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.follower import Sight
from crescent_tui.question_content import question_in_full
from crescent_tui.screens.watching import WatchingScreen
from crescent_tui.widgets.row_list import Cell, Column, RowList
from crescent_tui.words import spaced

VERDICTS: tuple[Verdict | None, ...] = (None, "kept", "rejected")
COLUMNS = (
    Column("id", 6, right=True),
    Column("round", 5, right=True),
    Column("verdict", 8),
    Column("reason", 17),
    Column("share", 5, right=True),
    Column("text", 0),
)
IDS_AT_ONCE = 20_000
MUTED = "$foreground 60%"


class QuestionsScreen(WatchingScreen):
    """Questions of the chosen run."""

    TAB = "Questions"
    AUTO_FOCUS = "RowList"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "next_verdict", "Verdict")]

    def __init__(self) -> None:
        super().__init__()
        self._wanted = QuestionFilter(0)
        self._version = -1
        """Of the sight that the list was read at."""

    def body(self) -> ComposeResult:
        with Container(id="split"):
            yield RowList(COLUMNS, id="questions", classes="panel")
            with VerticalScroll(id="question", classes="panel"):
                yield Static(id="question-in-full")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#question").border_title = "Question"

    def show(self, sight: Sight) -> None:
        run_id = sight.run.run_id if sight.run else 0
        if run_id != self._wanted.run_id:
            self._list(replace(self._wanted, run_id=run_id))
        elif sight.version != self._version:
            self._list_newer()
            self._fetch_question(self.app.question_id)
        self._version = sight.version

    def action_next_verdict(self) -> None:
        """All, then kept, then rejected."""
        following = VERDICTS.index(self._wanted.verdict) + 1
        self._list(replace(self._wanted, verdict=VERDICTS[following % len(VERDICTS)]))

    def _list(self, wanted: QuestionFilter) -> None:
        """Another list."""
        self._wanted = wanted
        self._set_ids([], more=False, first=True)
        self.app.read(
            "ids",
            lambda store: store.browsing.fetch_ids(wanted, limit=IDS_AT_ONCE),
            lambda ids: self._set_ids(ids, more=len(ids) == IDS_AT_ONCE, first=True),
        )

    def _list_newer(self) -> None:
        wanted, rows = self._wanted, self.query_one(RowList)
        newest = rows.keys[0] if rows.keys else 0
        self.app.read(
            "newer ids",
            lambda store: store.browsing.fetch_ids(wanted, after=newest, limit=IDS_AT_ONCE),
            self._prepend,
        )
        rows.forget_cells()

    def _list_older(self) -> None:
        wanted, oldest = self._wanted, self.query_one(RowList).keys[-1]
        self.app.read(
            "older ids",
            lambda store: store.browsing.fetch_ids(wanted, before=oldest, limit=IDS_AT_ONCE),
            lambda ids: self._set_ids(ids, more=len(ids) == IDS_AT_ONCE, first=False),
        )

    def _set_ids(self, ids: Sequence[int], *, more: bool, first: bool) -> None:
        rows = self.query_one(RowList)
        if first:
            rows.set_keys(array("q", ids))
        else:
            rows.extend_keys(ids)
        self._entitle()
        if more:
            self._list_older()

    def _prepend(self, ids: Sequence[int]) -> None:
        if ids:
            rows = self.query_one(RowList)
            rows.set_keys(array("q", [*ids, *rows.keys]))
            self._entitle()

    def _entitle(self) -> None:
        rows = self.query_one(RowList)
        rows.border_title = f"Questions: {self._wanted.verdict or 'all'}, {len(rows.keys):,}"
        if not rows.keys:
            self._show_question(None)

    @on(RowList.Lacking)
    def _fetch_lines(self, event: RowList.Lacking) -> None:
        keys = event.keys
        self.app.read("lines", lambda store: store.browsing.fetch_lines(keys), self._show_lines)

    def _show_lines(self, lines: dict[int, QuestionLine]) -> None:
        self.query_one(RowList).set_cells({key: _cells(line) for key, line in lines.items()})

    @on(RowList.Highlighted)
    def _look_at(self, event: RowList.Highlighted) -> None:
        self.app.question_id = event.key
        self._fetch_question(event.key)

    def _fetch_question(self, question_id: int | None) -> None:
        if question_id is not None:
            self.app.read("question", lambda store: store.watching.fetch_question(question_id), self._show_question)

    def _show_question(self, question: WatchedQuestion | None) -> None:
        pane = self.query_one("#question-in-full", Static)
        pane.update(question_in_full(question) if question else Content.styled("No question yet.", MUTED))


def _cells(line: QuestionLine) -> tuple[Cell, ...]:
    share = f"{line.share:.0%}" if line.share is not None else ""
    style = {"kept": "good", "rejected": "bad"}.get(line.verdict or "", "muted")
    return (
        Cell(str(line.question_id), "muted"),
        Cell(str(line.round), "muted"),
        Cell(line.verdict or "–", style),
        Cell(spaced(line.reason or "")),
        Cell(share),
        Cell(line.text),
    )
