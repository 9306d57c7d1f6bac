"""The lines of a log in words, and the filter on them. Pure. The content of a log is untrusted.

Example: event_line('{"at": ..., "event": "AlarmFired", ...}') -> LogLine("ALARM ...", name="alarm", is_serious=True)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from crescent_lite.following.log_tail import parse_event
from crescent_lite.printable import printable, printable_line
from crescent_lite.store.watching import EventLine
from crescent_tui.content.colours import MUTED
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.words import event_sentence, local_date_time, local_time

Level = Literal["all", "without items", "alarms"]
LEVELS: tuple[Level, ...] = ("without items", "alarms", "all")
"""In the order in which the key steps through them."""
ITEMS = ("StageProgressed", "TrainingStepped")
"""Events of single items: thousands in a round."""
SERIOUS = ("AlarmFired", "AskingStopped", "RunWarned", "SamplingWarned", "ThoughtsUnfinished")
NAMES = {
    "AlarmFired": "alarm", "AskingStopped": "stopped", "StageProgressed": "item", "TrainingStepped": "step",
    "StageStarted": "stage", "StageFinished": "stage", "RoundStarted": "round", "RoundFinished": "round",
    "RoundAdded": "round", "RunStarted": "run", "RunFinished": "run", "RunPaused": "pause", "RunResumed": "pause",
    "MachineNoted": "machine", "RunWarned": "warning", "SamplingWarned": "warning", "ThoughtsUnfinished": "thought",
}  # fmt: skip
COLUMNS = (RowColumn("time", 8), RowColumn("", 7), RowColumn("event", 0))
OUTPUT_COLUMNS = (RowColumn("line", 0),)


@dataclass(frozen=True)
class LogLine:
    """One line of a log."""

    text: str
    """Made printable, on one line."""
    created_at: str = ""
    """As stored: UTC, ISO 8601; '' for a line of the engine's output."""
    name: str = ""
    """The kind of event in one word."""
    is_item: bool = False
    """Whether the event is about a single item."""
    is_serious: bool = False
    """Whether it is an alarm or an error, or something was stopped early."""


def event_line(line: str) -> LogLine:
    """A line of a run's log file; a line that is not a valid event is shown as it is."""
    event = parse_event(line)
    if event is None:
        return LogLine(printable_line(line, 2000), name="?", is_serious=True)
    return stored_line(EventLine(0, event.kind, event.detail, event.created_at))


def stored_line(event: EventLine) -> LogLine:
    """An event of the database."""
    sentence = event_sentence(event)
    is_serious = event.kind in SERIOUS or (event.kind == "RunFinished" and bool(event.detail.get("reason")))
    name = NAMES.get(event.kind, printable_line(event.kind, 7))
    return LogLine(sentence, event.created_at, name, event.kind in ITEMS, is_serious)


def output_line(line: str) -> LogLine:
    """A line of the engine's output."""
    return LogLine(printable_line(line, 4000), is_serious=line.startswith("crescent: ") or " ALARM " in line)


def matching(lines: Iterable[tuple[int, LogLine]], level: Level, typed: str) -> list[int]:
    """The numbers of the lines that belong to this level and contain every typed word."""
    words = typed.casefold().split()
    return [
        number
        for number, line in lines
        if (level == "all" or (line.is_serious if level == "alarms" else not line.is_item))
        and all(word in f"{line.name} {line.text}".casefold() for word in words)
    ]


def cells(line: LogLine, *, is_output: bool) -> tuple[RowCell, ...]:
    """A line as a row of the list. A serious one has a mark, not only a colour."""
    text = RowCell(f"! {line.text}" if line.is_serious else line.text, "bad" if line.is_serious else "")
    if is_output:
        return (text,)
    time = local_time(line.created_at) if line.created_at else ""
    return (RowCell(time, "muted"), RowCell(line.name, "bad" if line.is_serious else "muted"), text)


def in_full(line: LogLine) -> Content:
    """One line in full, with its date."""
    day = f"{local_date_time(line.created_at, seconds=True)}  " if line.created_at else ""
    return Content.assemble((day, MUTED), printable(line.text, 4000))
