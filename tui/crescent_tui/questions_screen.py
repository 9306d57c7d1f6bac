"""The Questions screen: every question of the run, newest first, and the chosen one in full with its votes.

Shows what the app's follower saw, and tells it what is wanted; reads nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from crescent_lite.printable import printable_line
from crescent_lite.records import Verdict
from crescent_lite.store.watching import QuestionLine
from crescent_tui.follower import PAGE, Wanted
from crescent_tui.question_content import question_in_full
from crescent_tui.title_bar import TitleBar
from crescent_tui.words import spaced

if TYPE_CHECKING:
    from crescent_tui.app import CrescentApp

FILTERS: tuple[Verdict | None, ...] = (None, "kept", "rejected")
COLUMNS = (("id", 6), ("round", 5), ("verdict", 8), ("reason", 17), ("share", 5))
CELL_PADDING = 2
"""Left and right of a cell together."""
LINE_CHARACTERS = 200


class QuestionsScreen(Screen[None]):
    """Questions of the latest run."""

    app: CrescentApp
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "next_filter", "Verdict"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[QuestionLine, ...] | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar("Questions")
        with Container(id="split"):
            yield DataTable[Text](id="questions", classes="panel", cursor_type="row")
            with VerticalScroll(id="question", classes="panel"):
                yield Static(id="question-in-full")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#question").border_title = "Question"
        self.watch(self.app, "sight", self._show)
        self.watch(self.app, "starting", self._show)

    @on(DataTable.RowHighlighted)
    def _want_question(self, event: DataTable.RowHighlighted) -> None:
        self._want(self.app.wanted.verdict, _question_id(event.row_key.value))

    def on_resize(self) -> None:
        self._shown = None
        self._show()

    def action_next_filter(self) -> None:
        """All, then kept, then rejected."""
        following = FILTERS.index(self.app.wanted.verdict) + 1
        self._want(FILTERS[following % len(FILTERS)], self.app.wanted.question_id)

    def action_move(self, rows: int) -> None:
        """Vim's keys for the arrows."""
        table = self.query_one(DataTable)
        table.move_cursor(row=max(0, min(table.cursor_row + rows, table.row_count - 1)))

    def _want(self, verdict: Verdict | None, question_id: int | None) -> None:
        self.app.want(Wanted(verdict, question_id))

    def _show(self) -> None:
        sight = self.app.sight
        self.query_one(TitleBar).show(sight, starting=self.app.starting)
        if self._shown != sight.questions:
            self._fill(sight.questions)
            self._shown = sight.questions
        count = f"the newest {PAGE}" if len(sight.questions) == PAGE else f"{len(sight.questions):,}"
        self.query_one(DataTable).border_title = f"Questions: {self.app.wanted.verdict or 'all'}, {count}"
        nothing = Content.styled("No question yet.", "$foreground 60%")
        full = question_in_full(sight.question) if sight.question else nothing
        pane = self.query_one("#question-in-full", Static)
        if pane.content != full:
            pane.update(full)

    def _fill(self, lines: tuple[QuestionLine, ...]) -> None:
        """Fill the table anew; the cursor stays on its question, or on top where it follows the newest."""
        table = self.query_one("#questions", DataTable)
        row, scroll_y = table.cursor_row, table.scroll_y
        before = self.app.wanted.question_id if row else None
        ids = [line.question_id for line in lines]
        now = ids.index(before) if before in ids else 0
        free = table.scrollable_content_region.width - sum(width + CELL_PADDING for _, width in COLUMNS)
        text_width = max(16, free - CELL_PADDING)
        with self.prevent(DataTable.RowHighlighted):
            table.clear(columns=True)
            for name, width in (*COLUMNS, ("text", text_width)):
                table.add_column(name, width=width)
            for line in lines:
                table.add_row(*_cells(line), key=str(line.question_id))
            table.move_cursor(row=now, scroll=False)
        table.call_after_refresh(table.scroll_to, y=scroll_y + now - row if now else 0, animate=False)
        self._want(self.app.wanted.verdict, ids[now] if ids else None)


def _cells(line: QuestionLine) -> list[Text]:
    share = f"{line.share:.0%}" if line.share is not None else ""
    judged = (line.verdict or "–", spaced(line.reason or ""))
    text = printable_line(line.text, LINE_CHARACTERS)
    cells = (str(line.question_id), str(line.round), *judged, share, text)
    return [Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells]


def _question_id(row_key: str | None) -> int | None:
    return int(row_key) if row_key else None
