"""The questions of a run that match a filter, newest first: keys are held, rows read as they come into view.

New questions are added on top. Under a filter the keys are read again, as a question may come to match it long after
it was asked; no more often than every REFRESH_SECONDS. Example:
    questions.wish(QuestionFilter(3, verdict="kept")); ... questions.look_again()   # something was written
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from crescent_lite.store import Store
from crescent_lite.store.browsing import QuestionFilter, QuestionLine
from crescent_tui.content.question_filters import is_filtered
from crescent_tui.content.words import spaced
from crescent_tui.widgets.row_list import Cell, Column, RowList

if TYPE_CHECKING:
    from crescent_tui.app import CrescentApp

COLUMNS = (
    Column("id", 6, right=True),
    Column("round", 5, right=True),
    Column("verdict", 8),
    Column("reason", 17),
    Column("share", 5, right=True),
    Column("text", 0),
)
IDS_AT_ONCE = 20_000
REFRESH_SECONDS = 2.0
READING = "Looking …"


class QuestionList(RowList):
    """Owns the reads for its rows."""

    app: CrescentApp

    class Listed(Message):
        """The list is another one, or longer."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(COLUMNS, id=id, classes=classes)
        self.wanted = QuestionFilter(0)
        self.follow = True
        """Whether the cursor stays on the newest question while others come."""
        self._is_refreshing = self._is_stale = False

    def wish(self, wanted: QuestionFilter, seek: int | None = None) -> None:
        """Another list. The cursor goes to question `seek` where it is there, else to the top."""
        self.wanted = wanted
        self._is_refreshing = self._is_stale = False
        self.app.drop("older questions")
        self.app.drop("newer questions")
        if not wanted.run_id:
            self.placeholder = "No run yet: s starts one."
            return
        if not self.keys:
            self.placeholder = READING
        self.app.read(
            "questions",
            lambda store: _fetch_down_to(store, wanted, seek),
            lambda ids: self._begin(wanted, ids, seek),
        )

    def look_again(self) -> None:
        """Something was written."""
        self.forget_cells()
        wanted, newest = self.wanted, self.keys[0] if self.keys else None
        if is_filtered(replace(wanted, round=None)):
            self._refresh()
        elif newest is None:
            self.wish(wanted)
        else:
            self.app.read(
                "newer questions",
                lambda store: store.browsing.fetch_ids(wanted, after=newest, limit=IDS_AT_ONCE),
                lambda ids: self._put_on_top(wanted, newest, ids),
            )

    def _begin(self, wanted: QuestionFilter, ids: Sequence[int], seek: int | None) -> None:
        if wanted != self.wanted:
            return
        keys = array("q", ids)
        self.placeholder = "No question matches." if is_filtered(wanted) else "No question yet."
        self.set_keys(keys, stay=seek is not None and self.key == seek and seek in keys, follow=False, at=seek)
        self.post_message(self.Listed())
        self._go_on(wanted, ids)

    def _go_on(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        """Where a page was full there are older ones."""
        if not ids or len(ids) % IDS_AT_ONCE:
            return
        oldest = ids[-1]
        self.app.read(
            "older questions",
            lambda store: store.browsing.fetch_ids(wanted, before=oldest, limit=IDS_AT_ONCE),
            lambda more: self._extend(wanted, more),
        )

    def _extend(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        if wanted == self.wanted and ids:
            self.extend_keys(ids)
            self.post_message(self.Listed())
            self._go_on(wanted, ids)

    def _put_on_top(self, wanted: QuestionFilter, newest: int, ids: Sequence[int]) -> None:
        if wanted != self.wanted or not ids or not self.keys or self.keys[0] != newest:
            return
        if len(ids) == IDS_AT_ONCE:
            self.wish(wanted, self.key)  # too many to know that none is missing
            return
        self.set_keys(array("q", ids) + self.keys, follow=self.follow)
        self.post_message(self.Listed())

    def _refresh(self) -> None:
        self._is_stale = True
        if self._is_refreshing:
            return
        self._is_refreshing, self._is_stale, wanted = True, False, self.wanted
        self.app.read(
            "questions",
            lambda store: _fetch_down_to(store, wanted, 0),
            lambda ids: self._replace(wanted, ids),
            lambda _reason: self._may_refresh(wanted),
        )

    def _replace(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        if wanted != self.wanted:
            return
        self.app.drop("older questions")  # these are all there are
        keys = array("q", ids)
        if keys != self.keys:
            self.set_keys(keys, follow=self.follow)
            self.post_message(self.Listed())
        self.set_timer(REFRESH_SECONDS, lambda: self._may_refresh(wanted))

    def _may_refresh(self, wanted: QuestionFilter) -> None:
        if wanted == self.wanted:
            self._is_refreshing = False
            if self._is_stale:
                self._refresh()

    def on_row_list_lacking(self, event: RowList.Lacking) -> None:
        """Read the rows in view."""
        keys = event.keys
        self.app.read("question lines", lambda store: store.browsing.fetch_lines(keys), self._show_lines)

    def _show_lines(self, lines: dict[int, QuestionLine]) -> None:
        self.set_cells({key: _cells(line) for key, line in lines.items()})


def _fetch_down_to(store: Store, wanted: QuestionFilter, seek: int | None) -> array[int]:
    """The first page, and further ones down to the question that is sought. 0: all of them."""
    ids: array[int] = array("q")
    while True:
        before = ids[-1] if ids else None
        page = store.browsing.fetch_ids(wanted, before=before, limit=IDS_AT_ONCE)
        ids.extend(page)
        if len(page) < IDS_AT_ONCE or seek is None or ids[-1] <= seek:
            return ids


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
