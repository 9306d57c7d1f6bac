"""The Log screen: the events of the chosen run, or the output of the engine, newest last.

Keeps only the last HELD lines, whatever the size of the file. Where a run's log file is missing, as after a merge, it
shows the events stored in the database.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from crescent_lite.following.log_tail import LogTail
from crescent_lite.printable import printable_line
from crescent_lite.store.watching import EventLine
from crescent_tui.content import log as log_content
from crescent_tui.content.colours import MUTED
from crescent_tui.content.log import LEVELS, LogLine
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.child_process import OUTPUT_NAME
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.row_list import RowList

HELD = 5_000
READ_SECONDS = 1.0
"""Time between two reads of the file."""


class LinesRead(Message):
    """The file has been read."""

    def __init__(self, path: Path, lines: list[LogLine], *, is_new_file: bool, skipped: bool) -> None:
        super().__init__()
        self.path, self.lines, self.is_new_file, self.skipped = path, lines, is_new_file, skipped


class LogScreen(TabScreen):
    """Shows the end of a log, and follows it until the user scrolls up."""

    TAB = "Log"
    AUTO_FOCUS = "#log-events"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "next_level", "Level"),
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("o", "other_log", "Output"),
    ]
    CSS = """
    LogScreen #log { height: 1fr; }
    LogScreen RowList { height: 1fr; }
    LogScreen #log-line { height: 5; }
    LogScreen.-tall #log-line { height: 6; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._tail: LogTail | None = None
        self._is_reading = False
        self._shows_output = False
        """Whether the output of the engine is shown, not the events."""
        self._held: deque[LogLine] = deque(maxlen=HELD)
        self._lines_read = 0
        """The number of lines read so far, and so the number of the newest line."""
        self._are_all = True
        """Whether nothing at the beginning of the file was left out."""
        self._level = LEVELS[0]
        self._stored_at: tuple[int, int] | None = None
        """The run and the version of the database that the events were read from; None while a file is shown."""

    def body(self) -> ComposeResult:
        with Vertical(id="log"):
            yield RowList(log_content.COLUMNS, id="log-events", classes="panel")
            yield RowList(log_content.OUTPUT_COLUMNS, id="log-output", classes="panel")
            with VerticalScroll(id="log-line", classes="panel", can_focus=False) as pane:
                pane.border_title = "Line"
                yield CachedStatic(id="log-line-in-full")
        yield FilterInput(id="log-filter")

    def on_mount(self) -> None:
        self.query_one("#log-output").display = False
        self.set_interval(READ_SECONDS, self._read_file)

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        path = self._path(snapshot)
        if path is None or self._tail is None or path != self._tail.path:
            self._tail = LogTail(path) if path else None
            self._clear()
            self._list()
            self._read_file()
        elif self._stored_at:
            self._read_stored()

    def action_next_level(self) -> None:
        """Show events without single items, then only alarms and errors, then everything."""
        self._level = LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)]
        self._list()

    def action_filter(self) -> None:
        """Filter the lines by words."""
        self.query_one(FilterInput).open()

    def action_other_log(self) -> None:
        """Show the output of engines started from here, or the events of the run."""
        self._shows_output = not self._shows_output
        self.query_one("#log-output").display = self._shows_output
        self.query_one("#log-events").display = not self._shows_output
        self.set_focus(self._rows())
        self.show(self.app.snapshot)

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self._list()

    @on(FilterInput.Done)
    def _back_to_list(self) -> None:
        self.set_focus(self._rows())

    def _path(self, snapshot: WorkspaceSnapshot) -> Path | None:
        if self._shows_output:
            return self.app.workspace.logs / OUTPUT_NAME
        return self.app.workspace.log_of(snapshot.run.run_id) if snapshot.run else None

    def _rows(self) -> RowList:
        return self.query_one("#log-output" if self._shows_output else "#log-events", RowList)

    def _read_file(self) -> None:
        """Read the file in the background, once at a time and only while the screen is in front."""
        if self.is_current and self._tail and not self._is_reading:
            self._is_reading = True
            tail, read = self._tail, log_content.output_line if self._shows_output else log_content.event_line

            def read_chunk() -> None:
                chunk = tail.read_new()
                lines = [read(line) for line in chunk.lines[-HELD:]]
                skipped = chunk.skipped or len(lines) < len(chunk.lines)
                self.post_message(LinesRead(tail.path, lines, is_new_file=chunk.is_new_file, skipped=skipped))

            self.run_worker(read_chunk, thread=True, group="log")

    def on_lines_read(self, message: LinesRead) -> None:
        """Append the lines, and keep following the end if the cursor is there."""
        self._is_reading = False
        if self._tail is None or message.path != self._tail.path:
            self._read_file()
            return
        if message.is_new_file or (message.lines and self._stored_at):
            self._clear()
        if not (message.lines or self._held or self._shows_output):
            self._read_stored()
        if message.lines or message.is_new_file or not self._lines_read:
            self._held.extend(message.lines)
            self._lines_read += len(message.lines)
            self._are_all &= not message.skipped
            self._list()

    def _read_stored(self) -> None:
        """Read the events from the database, because there is no log file."""
        snapshot = self.app.snapshot
        if snapshot.run and self._stored_at != (snapshot.run.run_id, snapshot.version):
            run_id = snapshot.run.run_id
            self._stored_at = (run_id, snapshot.version)
            self.app.read(
                "stored events",
                lambda store: store.watching.fetch_events(run_id, HELD),
                lambda events: self._take_stored(run_id, events),
            )

    def _take_stored(self, run_id: int, events: Sequence[EventLine]) -> None:
        if self._stored_at and self._stored_at[0] == run_id and not self._shows_output:
            self._held = deque((log_content.stored_line(event) for event in reversed(events)), HELD)
            self._lines_read = len(self._held)
            self._list()

    def _clear(self) -> None:
        self._stored_at, self._are_all = None, True
        self._held.clear()
        self._lines_read = 0
        self._rows().set_keys(array("q"))

    def _line(self, number: int) -> LogLine | None:
        index = number - (self._lines_read - len(self._held))
        return self._held[index] if 0 <= index < len(self._held) else None

    def _list(self) -> None:
        rows = self._rows()
        follows = not rows.keys or (rows.cursor == len(rows.keys) - 1 and rows.scroll_y >= rows.max_scroll_y)
        follows &= rows.order is None
        level = "all" if self._shows_output else self._level
        numbered = enumerate(self._held, start=self._lines_read - len(self._held))
        numbers = log_content.matching(numbered, level, self.query_one(FilterInput).value)
        what = "Output of the engine" if self._shows_output else f"Events: {level}"
        what += ", from the database" if self._stored_at and self._held else ""
        what += f", {len(numbers):,}"
        if self._tail and not (self._are_all and self._lines_read == len(self._held)):
            what += f" of its end; all lines: {printable_line(self._tail.path.name, 60)}"
        rows.border_title = Content(what)
        rows.border_subtitle = Content("" if follows else "G follows the newest")
        rows.set_keys(array("q", numbers))
        if follows:
            rows.move_to(len(numbers) - 1)
        self._show_one(rows.key)

    @on(RowList.CellsNeeded)
    def _hand_over(self, event: RowList.CellsNeeded) -> None:
        lines = {number: line for number in event.keys if (line := self._line(number))}
        event.row_list.set_cells(
            {n: log_content.cells(line, is_output=self._shows_output) for n, line in lines.items()}
        )

    @on(RowList.Highlighted)
    def _select(self, event: RowList.Highlighted) -> None:
        self._show_one(event.key)

    def _show_one(self, number: int | None) -> None:
        line = self._line(number) if number is not None else None
        words = log_content.in_full(line) if line else Content.styled(self._empty(), MUTED)
        self.query_one("#log-line-in-full", CachedStatic).update(words)

    def _empty(self) -> str:
        if self._tail is None:
            return "No run yet; press s to start one."
        if not self._held:
            return (
                "The engine has printed nothing yet."
                if self._shows_output
                else "This run has no log file, and no event in the database."
            )
        return "No line matches; press l for another level, / for other words."
