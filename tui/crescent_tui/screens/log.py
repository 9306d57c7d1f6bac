"""The Log screen: what the engine noted of the chosen run, item by item, and what it printed. The newest is last.

Holds the last HELD lines only, whatever the size of the file. Reads files, nothing of the database.
"""

from __future__ import annotations

from array import array
from collections import deque
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from crescent_tui.content import log as log_content
from crescent_tui.content.colours import MUTED
from crescent_tui.content.log import LEVELS, LogLine
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.child_process import OUTPUT_NAME
from crescent_tui.sources.follower import Sight
from crescent_tui.sources.log_tail import LogTail
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.filter_input import TypedFilter
from crescent_tui.widgets.row_list import RowList

HELD = 5_000
LOOK_SECONDS = 1.0


class LinesRead(Message):
    """A look at the file."""

    def __init__(self, path: Path, lines: list[LogLine], *, anew: bool) -> None:
        super().__init__()
        self.path, self.lines, self.anew = path, lines, anew


class LogScreen(WatchingScreen):
    """The end of a log, which it follows until one scrolls up."""

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
        self._looking = False
        self._of_engine = False
        """Shown is what the engine printed."""
        self._held: deque[LogLine] = deque(maxlen=HELD)
        self._read = 0
        """Lines so far: the number of the newest one."""
        self._level = LEVELS[0]

    def body(self) -> ComposeResult:
        with Vertical(id="log"):
            yield RowList(log_content.COLUMNS, id="log-events", classes="panel")
            yield RowList(log_content.OUTPUT_COLUMNS, id="log-output", classes="panel")
            with VerticalScroll(id="log-line", classes="panel", can_focus=False) as pane:
                pane.border_title = "Line"
                yield SteadyText(id="log-line-in-full")
        yield TypedFilter(id="log-filter")

    def on_mount(self) -> None:
        self.query_one("#log-output").display = False
        self.set_interval(LOOK_SECONDS, self._look)

    def show(self, sight: Sight) -> None:
        path = self._path(sight)
        if path is None or self._tail is None or path != self._tail.path:
            self._tail = LogTail(path) if path else None
            self._begin_anew()
            self._list()
            self._look()

    def action_next_level(self) -> None:
        """Without single items, then alarms and errors only, then everything."""
        self._level = LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)]
        self._list()

    def action_filter(self) -> None:
        """Words to look for."""
        self.query_one(TypedFilter).open()

    def action_other_log(self) -> None:
        """What the engine printed since it was first started from here, or the events of the run."""
        self._of_engine = not self._of_engine
        self.query_one("#log-output").display = self._of_engine
        self.query_one("#log-events").display = not self._of_engine
        self.set_focus(self._rows())
        self.show(self.app.sight)

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self._list()

    @on(TypedFilter.Left)
    def _back_to_list(self) -> None:
        self.set_focus(self._rows())

    def _path(self, sight: Sight) -> Path | None:
        if self._of_engine:
            return self.app.workspace.logs / OUTPUT_NAME
        return self.app.workspace.log_of(sight.run.run_id) if sight.run else None

    def _rows(self) -> RowList:
        return self.query_one("#log-output" if self._of_engine else "#log-events", RowList)

    def _look(self) -> None:
        """In the background, one look at a time, and only while the screen is in front."""
        if self.is_current and self._tail and not self._looking:
            self._looking = True
            tail, read = self._tail, log_content.output_line if self._of_engine else log_content.event_line

            def look() -> None:
                found = tail.look()
                self.post_message(LinesRead(tail.path, [read(line) for line in found.lines[-HELD:]], anew=found.anew))

            self.run_worker(look, thread=True, group="log")

    def on_lines_read(self, message: LinesRead) -> None:
        """Show them at the end, and stay there if that is where one is."""
        self._looking = False
        if self._tail is None or message.path != self._tail.path:
            self._look()
            return
        if message.anew:
            self._begin_anew()
        if message.lines or message.anew or not self._read:
            self._held.extend(message.lines)
            self._read += len(message.lines)
            self._list()

    def _begin_anew(self) -> None:
        self._held.clear()
        self._read = 0
        self._rows().set_keys(array("q"))

    def _line(self, number: int) -> LogLine | None:
        index = number - (self._read - len(self._held))
        return self._held[index] if 0 <= index < len(self._held) else None

    def _list(self) -> None:
        rows = self._rows()
        follows = not rows.keys or (rows.cursor == len(rows.keys) - 1 and rows.scroll_y >= rows.max_scroll_y)
        level = "all" if self._of_engine else self._level
        numbered = enumerate(self._held, start=self._read - len(self._held))
        numbers = log_content.matching(numbered, level, self.query_one(TypedFilter).value)
        what = "What the engine printed" if self._of_engine else f"Events: {level}"
        rows.border_title = Content(f"{what}, {len(numbers):,}")
        rows.border_subtitle = Content("" if follows else "G follows the newest")
        rows.set_keys(array("q", numbers))
        if follows:
            rows.move_to(len(numbers) - 1)
        self._show_one(rows.key)

    @on(RowList.Lacking)
    def _hand_over(self, event: RowList.Lacking) -> None:
        lines = {number: line for number in event.keys if (line := self._line(number))}
        event.row_list.set_cells({n: log_content.cells(line, of_engine=self._of_engine) for n, line in lines.items()})

    @on(RowList.Highlighted)
    def _look_at(self, event: RowList.Highlighted) -> None:
        self._show_one(event.key)

    def _show_one(self, number: int | None) -> None:
        line = self._line(number) if number is not None else None
        words = log_content.in_full(line) if line else Content.styled(self._empty(), MUTED)
        self.query_one("#log-line-in-full", SteadyText).update(words)

    def _empty(self) -> str:
        if self._tail is None:
            return "There is no run yet."
        if not self._held:
            return "Nothing was printed yet." if self._of_engine else "This run has no log file, or an empty one."
        return "No line is like that; l shows others, / looks for other words."
