"""The questions of a run that match a filter, newest first. All ids are kept, but rows are read only when in view.

New questions are added on top. With a filter, all ids are read again, at most every REFRESH_SECONDS, because a
question may match long after it was asked. Example:
    questions.set_filter(QuestionFilter(3, verdict="kept")); ... questions.refresh_rows()   # after a write
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace

from textual.message import Message

from crescent_lite.store import Store
from crescent_lite.store.browsing import QuestionFilter, QuestionLine
from crescent_tui.content.question_filters import is_filtered
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.words import spaced
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import WorkspaceApp

COLUMNS = (
    RowColumn("id", 6, right=True),
    RowColumn("round", 5, right=True),
    RowColumn("verdict", 8),
    RowColumn("reason", 17),
    RowColumn("share", 5, right=True),
    RowColumn("text", 0),
)
IDS_PER_READ = 20_000
REFRESH_SECONDS = 2.0
"""Least time between two reads of all ids."""
JUDGED_LATE = 1_000
"""Questions at the top of the list that are read again after a write: their verdicts follow a little after them."""
READING = "Reading …"
EMPTY = {
    None: "No question yet.",
    "kept": "No question is kept yet; v lists all.",
    "rejected": "No question is rejected.",
}
"""What an empty list says, by the verdict that it is restricted to."""


class QuestionList(RowList):
    """A list that reads its rows itself, also in another order."""

    app: WorkspaceApp
    sorts_itself = False

    class Changed(Message):
        """The list has other questions, or more."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(COLUMNS, id=id, classes=classes)
        self.wanted = QuestionFilter(0)
        self.follow = True
        """Whether a cursor on the newest question moves to the next new one."""
        self._is_refreshing = self._is_stale = False

    def set_filter(self, wanted: QuestionFilter, seek: int | None = None) -> None:
        """List other questions. The cursor moves to question `seek` if it is among them, else to the top."""
        self.wanted = wanted
        self._is_refreshing = self._is_stale = False
        self.app.drop("older questions")
        self.app.drop("newer questions")
        if not wanted.run_id:
            self.placeholder = "No run yet; press s to start one."
            return
        if not self.keys:
            self.placeholder = READING
        self.app.read(
            "questions",
            self._fetch(wanted, seek),
            lambda ids: self._take_first_page(wanted, ids, seek),
        )

    def _fetch(self, wanted: QuestionFilter, seek: int | None) -> Callable[[Store], array[int]]:
        """The read of ids down to question `seek`, or of all ids where they are sorted."""
        order = self.order
        if order is None:
            return lambda store: _fetch_down_to(store, wanted, seek)
        name = COLUMNS[order.column].name
        return lambda store: array("q", store.browsing.fetch_sorted(wanted, name, descending=order.descending))

    def on_row_list_order_changed(self) -> None:
        """Read the ids in the new order."""
        self.set_filter(self.wanted, self.key)

    def refresh_rows(self) -> None:
        """Update the list after a write to the database."""
        self.reload_cells()
        wanted, newest = self.wanted, self.keys[0] if self.keys else None
        if self.order or is_filtered(replace(wanted, round=None)):
            self._refresh()
        elif newest is None:
            self.set_filter(wanted)
        else:
            above = self.keys[min(JUDGED_LATE, len(self.keys) - 1)] if wanted.verdict else newest
            self.app.read(
                "newer questions",
                lambda store: store.browsing.fetch_ids(wanted, after=above, limit=IDS_PER_READ),
                lambda ids: self._put_on_top(wanted, above, ids),
            )

    def _take_first_page(self, wanted: QuestionFilter, ids: Sequence[int], seek: int | None) -> None:
        if wanted != self.wanted:
            return
        keys = array("q", ids)
        self.placeholder = "No question matches." if is_filtered(wanted) else EMPTY[wanted.verdict]
        self.set_keys(keys, stay=seek is not None and self.key == seek and seek in keys, follow=False, at=seek)
        self.post_message(self.Changed())
        self._read_next_page(wanted, ids)

    def _read_next_page(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        """Read the next page if this one was full."""
        if self.order or not ids or len(ids) % IDS_PER_READ:
            return
        oldest = ids[-1]
        self.app.read(
            "older questions",
            lambda store: store.browsing.fetch_ids(wanted, before=oldest, limit=IDS_PER_READ),
            lambda more: self._extend(wanted, more),
        )

    def _extend(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        if wanted == self.wanted and ids:
            self.extend_keys(ids)
            self.post_message(self.Changed())
            self._read_next_page(wanted, ids)

    def _put_on_top(self, wanted: QuestionFilter, above: int, ids: Sequence[int]) -> None:
        """Replace the ids above `above` by these."""
        if wanted != self.wanted or above not in self.keys:
            return
        if len(ids) == IDS_PER_READ:
            self.set_filter(wanted, self.key)  # there may be more in between, so read them all
            return
        keys = array("q", ids) + self.keys[self.keys.index(above) :]
        if keys != self.keys:
            self.set_keys(keys, follow=self.follow)
            self.post_message(self.Changed())

    def _refresh(self) -> None:
        self._is_stale = True
        if self._is_refreshing:
            return
        self._is_refreshing, self._is_stale, wanted = True, False, self.wanted
        self.app.read(
            "questions",
            self._fetch(wanted, 0),
            lambda ids: self._replace(wanted, ids),
            lambda _reason: self._may_refresh(wanted),
        )

    def _replace(self, wanted: QuestionFilter, ids: Sequence[int]) -> None:
        if wanted != self.wanted:
            return
        self.app.drop("older questions")  # all ids have just been read
        keys = array("q", ids)
        if keys != self.keys:
            self.set_keys(keys, follow=self.follow and self.order is None)
            self.post_message(self.Changed())
        self.set_timer(REFRESH_SECONDS, lambda: self._may_refresh(wanted))

    def _may_refresh(self, wanted: QuestionFilter) -> None:
        if wanted == self.wanted:
            self._is_refreshing = False
            if self._is_stale:
                self._refresh()

    def on_row_list_cells_needed(self, event: RowList.CellsNeeded) -> None:
        """Read the rows that are in view."""
        keys = event.keys
        self.app.read("question lines", lambda store: store.browsing.fetch_lines(keys), self._show_lines)

    def _show_lines(self, lines: dict[int, QuestionLine]) -> None:
        self.set_cells({key: _cells(line) for key, line in lines.items()})


def _fetch_down_to(store: Store, wanted: QuestionFilter, seek: int | None) -> array[int]:
    """Ids page by page, down to question `seek`: the first page only if it is None, all pages if it is 0."""
    ids: array[int] = array("q")
    while True:
        before = ids[-1] if ids else None
        page = store.browsing.fetch_ids(wanted, before=before, limit=IDS_PER_READ)
        ids.extend(page)
        if len(page) < IDS_PER_READ or seek is None or ids[-1] <= seek:
            return ids


def _cells(line: QuestionLine) -> tuple[RowCell, ...]:
    share = f"{line.share:.0%}" if line.share is not None else ""
    style = {"kept": "good", "rejected": "bad"}.get(line.verdict or "", "muted")
    return (
        RowCell(str(line.question_id), "muted"),
        RowCell(str(line.round), "muted"),
        RowCell(line.verdict or "–", style),
        RowCell(spaced(line.reason or "")),
        RowCell(share),
        RowCell(line.text),
    )
