"""The Questions screen: every question of the run that matches the filter, newest first, and the chosen one in full.

The list reads its rows itself; this reads the chosen question, and remembers the filter.
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
from crescent_lite.workspace.notes import pending_notes
from crescent_tui.content.question_filters import filter_line, is_filtered, recalled, remembered
from crescent_tui.screens.question_filter import FilterScreen
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.follower import Sight
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.filter_input import TypedFilter
from crescent_tui.widgets.question_list import QuestionList
from crescent_tui.widgets.question_pane import Looked, QuestionPane
from crescent_tui.widgets.row_list import RowList

VERDICTS: tuple[Verdict | None, ...] = (None, "kept", "rejected")
REMEMBERED = "questions"


class QuestionsScreen(WatchingScreen):
    """Questions of the chosen run."""

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
        """Of the sight that the list was read at."""

    def body(self) -> ComposeResult:
        with Container(id="split"):
            with Vertical(id="listed"):
                yield SteadyText(id="filter-line")
                yield TypedFilter(id="search")
                yield QuestionList(id="questions", classes="panel")
            yield QuestionPane(id="question", classes="panel")

    def on_mount(self) -> None:
        self._wanted = recalled(self.app.memory.get(REMEMBERED))
        search = self.query_one(TypedFilter)
        with search.prevent(Input.Changed):
            search.value = self._wanted.search
        search.display = bool(self._wanted.search)
        self.query_one(QuestionList).border_title = "Questions"
        self.query_one(QuestionPane).border_title = "Question"

    def show(self, sight: Sight) -> None:
        if not sight.looked:
            return
        rows = self.query_one(QuestionList)
        run_id = sight.run.run_id if sight.run else 0
        if run_id != self._wanted.run_id:
            self._list(replace(self._wanted, run_id=run_id), seek=self.app.question_id)
        elif sight.version != self._version:
            rows.look_again()
            self._read_question(rows.key)
        self._version = sight.version

    def on_screen_resume(self) -> None:
        """Another screen may have gone to another question. (The inherited handler is called beside this one.)"""
        if self.is_mounted and self.app.question_id is not None:
            self.query_one(QuestionList).move_to_key(self.app.question_id)

    def action_next_verdict(self) -> None:
        """All, then kept, then rejected."""
        following = VERDICTS.index(self._wanted.verdict) + 1
        self._list(replace(self._wanted, verdict=VERDICTS[following % len(VERDICTS)]))

    def action_filter(self) -> None:
        """Choose which questions are listed, by verdict, reason, round and share."""
        run_id = self._wanted.run_id
        self.app.read("reasons", lambda store: store.browsing.fetch_reasons(run_id), self._open_filter)

    def _open_filter(self, reasons: list[str]) -> None:
        if self.is_current:
            rounds = self.app.sight.run.round if self.app.sight.run else 0
            self.app.push_screen(FilterScreen(self._wanted, reasons, rounds), self._take_filter)

    def _take_filter(self, wanted: QuestionFilter | None) -> None:
        if wanted is not None:
            self._list(replace(wanted, run_id=self._wanted.run_id))

    def action_clear(self) -> None:
        """Every question."""
        search = self.query_one(TypedFilter)
        with search.prevent(Input.Changed):
            search.value = ""
        search.display = False
        self._list(QuestionFilter(self._wanted.run_id))

    def action_search(self) -> None:
        """Type words; the list follows."""
        self.query_one(TypedFilter).open()

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        # Whoever types looks at the top of what is found; whoever has found something stays with it.
        self._list(replace(self._wanted, search=event.value), seek=None if event.value else self.app.question_id)

    @on(TypedFilter.Left)
    def _leave_search(self) -> None:
        self.set_focus(self.query_one(QuestionList))

    def action_next_disputed(self) -> None:
        """The next disputed question down the list; from its end the first one."""
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
        """The question's text."""
        if question := self.query_one(QuestionPane).question:
            self.app.copy_to_clipboard(printable(question.text))
            self.notify(f"Question {question.question_id} is in the clipboard.")

    def _list(self, wanted: QuestionFilter, seek: int | None = None) -> None:
        """Another list; by default with the chosen question under the cursor, if it is there."""
        self._wanted = wanted
        self.app.memory[REMEMBERED] = remembered(wanted)
        if seek is None and not wanted.search:
            seek = self.query_one(QuestionList).key
        self.query_one(QuestionList).wish(wanted, seek)
        self._entitle()

    @on(QuestionList.Listed)
    def _entitle(self) -> None:
        rows = self.query_one(QuestionList)
        rows.border_title = f"Questions: {self._wanted.verdict or 'all'}, {len(rows.keys):,}"
        self.query_one("#filter-line", SteadyText).update(filter_line(self._wanted))
        if not rows.keys:
            empty = "No question matches; c clears the filter." if is_filtered(self._wanted) else "No question yet."
            self.query_one(QuestionPane).clear(empty)

    @on(RowList.Highlighted)
    def _look_at(self, event: RowList.Highlighted) -> None:
        self.app.question_id = event.key
        self._read_question(event.key)

    @on(RowList.Chosen)
    def _open(self, event: RowList.Chosen) -> None:
        self.app.open_question(event.key, "votes")

    def _read_question(self, question_id: int | None) -> None:
        if question_id is None:
            return
        workspace = self.app.workspace

        def look(store: Store) -> Looked | None:
            question = store.watching.fetch_question(question_id)
            waiting = tuple(note for note in pending_notes(workspace) if note.question_id == question_id)
            return Looked(question, tuple(store.browsing.fetch_chain(question_id)), waiting) if question else None

        self.app.read("question", look, self._show_question)

    def _show_question(self, looked: Looked | None) -> None:
        if looked:
            self.query_one(QuestionPane).show(looked)

    def on_descendant_focus(self) -> None:
        """Whoever reads a question keeps it while others come."""
        self.query_one(QuestionList).follow = not self.query_one(QuestionPane).has_focus
