"""The Questions screen: the questions of the run that match the filter, newest first, and the selected one in full.

The list reads its rows itself; the screen reads the selected question and remembers the filter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import Input

from crescent_lite.printable import printable
from crescent_lite.records import Verdict
from crescent_lite.store import Store
from crescent_lite.store.browsing import QuestionFilter
from crescent_lite.workspace.notes import pending_on
from crescent_tui.content.question_filters import FIRST_VERDICT, filter_line, from_saved, is_filtered, to_saved
from crescent_tui.screens.question_filter import QuestionFilterScreen
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.question_list import EMPTY, QuestionList
from crescent_tui.widgets.question_pane import QuestionDetail, QuestionPane
from crescent_tui.widgets.row_list import RowList

VERDICTS: tuple[Verdict | None, ...] = ("kept", None, "rejected")
REMEMBERED = "questions"


class QuestionsScreen(TabScreen):
    """The questions of the chosen run."""

    TAB = "Questions"
    AUTO_FOCUS = "QuestionList"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", priority=True),
        Binding("f", "filter", "Filter"),
        Binding("d", "next_disputed", "Disputed", show=False),
        Binding("v", "next_verdict", "Verdict", show=False),
        Binding("c", "clear", "Clear", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]
    DEFAULT_CSS = """
    QuestionsScreen #split { height: 1fr; layout: vertical; }
    QuestionsScreen #listed { height: 1fr; }
    QuestionsScreen #question { height: 1fr; }
    QuestionsScreen.-wide #split { layout: horizontal; }
    QuestionsScreen.-wide #listed { width: 9fr; height: 100%; }
    QuestionsScreen.-wide #question { width: 11fr; height: 100%; }
    QuestionsScreen #filter-line { height: 1; padding: 0 2; }
    QuestionsScreen #questions { width: 100%; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._wanted = QuestionFilter(0)
        self._version = -1
        """The version of the database that the list was read from."""

    def body(self) -> ComposeResult:
        with Container(id="split"):
            with Vertical(id="listed"):
                yield CachedStatic(id="filter-line")
                yield FilterInput(id="search")
                yield QuestionList(id="questions", classes="panel")
            yield QuestionPane(id="question", classes="panel")

    def on_mount(self) -> None:
        self._wanted = from_saved(self.app.saved_state.get(REMEMBERED))
        search = self.query_one(FilterInput)
        with search.prevent(Input.Changed):
            search.value = self._wanted.search
        search.display = bool(self._wanted.search)
        self.query_one(QuestionList).border_title = "Questions"
        self.query_one(QuestionPane).border_title = "Question"

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        if not snapshot.is_loaded:
            return
        rows = self.query_one(QuestionList)
        run_id = snapshot.run.run_id if snapshot.run else 0
        if run_id != self._wanted.run_id:
            self._list(replace(self._wanted, run_id=run_id), seek=self.app.question_id)
        elif snapshot.version != self._version:
            rows.refresh_rows()
            self._read_question(rows.key)
        self._version = snapshot.version

    def on_screen_resume(self) -> None:
        """Select the question that another screen has moved to. (Textual calls the inherited handler too.)"""
        if self.is_mounted and self.app.question_id is not None:
            self.query_one(QuestionList).move_to_key(self.app.question_id)

    def action_next_verdict(self) -> None:
        """List kept questions, then all, then only rejected ones."""
        following = VERDICTS.index(self._wanted.verdict) + 1
        self._list(replace(self._wanted, verdict=VERDICTS[following % len(VERDICTS)]))

    def action_filter(self) -> None:
        """Filter the list by reason, round, share and notes."""
        run_id = self._wanted.run_id
        self.app.read("reasons", lambda store: store.browsing.fetch_reasons(run_id), self._open_filter)

    def _open_filter(self, reasons: list[str]) -> None:
        if self.is_current:
            rounds = self.app.snapshot.run.round if self.app.snapshot.run else 0
            self.app.push_screen(QuestionFilterScreen(self._wanted, reasons, rounds), self._take_filter)

    def _take_filter(self, wanted: QuestionFilter | None) -> None:
        if wanted is not None:
            self._list(replace(wanted, run_id=self._wanted.run_id))

    def action_clear(self) -> None:
        """Clear the filter."""
        search = self.query_one(FilterInput)
        with search.prevent(Input.Changed):
            search.value = ""
        search.display = False
        self._list(QuestionFilter(self._wanted.run_id, verdict=FIRST_VERDICT))

    def action_search(self) -> None:
        """Search for words as you type."""
        self.query_one(FilterInput).open()

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        # While typing, the cursor is on the first match; after clearing, it stays on the selected question.
        self._list(replace(self._wanted, search=event.value), seek=None if event.value else self.app.question_id)

    @on(FilterInput.Done)
    def _focus_list(self) -> None:
        self.set_focus(self.query_one(QuestionList))

    def action_next_disputed(self) -> None:
        """Go to the next disputed question in the list, after the last one to the first."""
        wanted, here = replace(self._wanted, disputed=True), self.query_one(QuestionList).key

        def fetch(store: Store) -> int | None:
            return store.browsing.fetch_next(wanted, before=here) or store.browsing.fetch_next(wanted)

        self.app.read("next disputed question", fetch, self._go_to)

    def _go_to(self, question_id: int | None) -> None:
        if question_id is None:
            self.notify("No question in this list is disputed.")
        else:
            self.query_one(QuestionList).move_to_key(question_id)

    def action_copy(self) -> None:
        """Copy the text of the question."""
        if question := self.query_one(QuestionPane).question:
            self.app.copy(printable(question.text), f"Question {question.question_id}")

    def _list(self, wanted: QuestionFilter, seek: int | None = None) -> None:
        """List other questions. By default the selected question stays under the cursor, if it is among them."""
        self._wanted = wanted
        self.app.saved_state[REMEMBERED] = to_saved(wanted)
        if seek is None and not wanted.search:
            seek = self.query_one(QuestionList).key
        self.query_one(QuestionList).set_filter(wanted, seek)
        self._show_title()

    @on(QuestionList.Changed)
    def _show_title(self) -> None:
        rows = self.query_one(QuestionList)
        rows.border_title = f"Questions: {self._wanted.verdict or 'all'}, {len(rows.keys):,}"
        self.query_one("#filter-line", CachedStatic).update(filter_line(self._wanted))
        if not rows.keys:
            empty = (
                "No question matches; press c to clear the filter."
                if is_filtered(self._wanted)
                else EMPTY[self._wanted.verdict]
            )
            self.query_one(QuestionPane).clear(empty)

    @on(RowList.Highlighted)
    def _select(self, event: RowList.Highlighted) -> None:
        self.app.question_id = event.key
        self._read_question(event.key)

    @on(RowList.Chosen)
    def _open(self, event: RowList.Chosen) -> None:
        self.app.open_question(event.key, "votes")

    def _read_question(self, question_id: int | None) -> None:
        if question_id is None:
            return
        workspace = self.app.workspace

        def fetch(store: Store) -> QuestionDetail | None:
            if (question := store.watching.fetch_question(question_id)) is None:
                return None
            pending = pending_on(workspace, question_id, question.notes)
            return QuestionDetail(question, tuple(store.browsing.fetch_chain(question_id)), pending)

        self.app.read("question", fetch, self._show_question)

    def _show_question(self, detail: QuestionDetail | None) -> None:
        if detail:
            self.query_one(QuestionPane).show(detail)

    def on_descendant_focus(self) -> None:
        """Stay on a question while the user reads it, although new ones arrive."""
        self.query_one(QuestionList).follow = not self.query_one(QuestionPane).has_focus
