"""Lines of a log in words, and which of them a filter leaves. Pure; whatever stands in a log is untrusted.

Example: event_line('{"at": ..., "event": "AlarmFired", ...}') -> LogLine("ALARM ...", name="alarm", grave=True)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from crescent_lite.printable import printable, printable_line
from crescent_lite.store.watching import EventLine
from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import event_sentence, local_day, local_time
from crescent_tui.sources.log_tail import logged_event
from crescent_tui.widgets.row_list import Cell, Column

Level = Literal["all", "without items", "alarms"]
LEVELS: tuple[Level, ...] = ("without items", "alarms", "all")
"""In the order in which a key goes through them."""
ITEMS = ("StageProgressed", "TrainingStepped")
GRAVE = ("AlarmFired", "AskingStopped")
NAMES = {
    "AlarmFired": "alarm", "AskingStopped": "stopped", "StageProgressed": "item", "TrainingStepped": "step",
    "StageStarted": "stage", "StageFinished": "stage", "RoundStarted": "round", "RoundFinished": "round",
    "RoundAdded": "round", "RunStarted": "run", "RunFinished": "run", "RunPaused": "pause", "RunResumed": "pause",
    "MachineNoted": "machine",
}  # fmt: skip
COLUMNS = (Column("time", 8), Column("", 7), Column("what happened", 0))
OUTPUT_COLUMNS = (Column("what the engine printed", 0),)


@dataclass(frozen=True)
class LogLine:
    """One line of a log."""

    text: str
    """Made printable, on one line."""
    created_at: str = ""
    """As stored; nothing for the engine's output."""
    name: str = ""
    """What it is about, in a word."""
    is_item: bool = False
    grave: bool = False
    """An alarm, an error, or that something was stopped."""


def event_line(line: str) -> LogLine:
    """A line of a run's log file. One that is no event is shown as it stands."""
    event = logged_event(line)
    if event is None:
        return LogLine(printable_line(line, 2000), name="?", grave=True)
    sentence = event_sentence(EventLine(0, event.kind, event.detail, event.created_at))
    grave = event.kind in GRAVE or (event.kind == "RunFinished" and bool(event.detail.get("reason")))
    name = NAMES.get(event.kind, printable_line(event.kind, 7))
    return LogLine(sentence, event.created_at, name, event.kind in ITEMS, grave)


def output_line(line: str) -> LogLine:
    """A line that the engine printed."""
    return LogLine(printable_line(line, 4000), grave=line.startswith("crescent: ") or " ALARM " in line)


def matching(lines: Iterable[tuple[int, LogLine]], level: Level, typed: str) -> list[int]:
    """The numbers of those lines that are of this level and hold every typed word."""
    words = typed.casefold().split()
    return [
        number
        for number, line in lines
        if (level == "all" or (line.grave if level == "alarms" else not line.is_item))
        and all(word in f"{line.name} {line.text}".casefold() for word in words)
    ]


def cells(line: LogLine, *, of_engine: bool) -> tuple[Cell, ...]:
    """As the list shows it. What is grave has a mark, not only a colour."""
    text = Cell(f"! {line.text}" if line.grave else line.text, "bad" if line.grave else "")
    if of_engine:
        return (text,)
    time = local_time(line.created_at) if line.created_at else ""
    return (Cell(time, "muted"), Cell(line.name, "bad" if line.grave else "muted"), text)


def in_full(line: LogLine) -> Content:
    """One line, however long."""
    day = f"{local_day(line.created_at)}  " if line.created_at else ""
    return Content.assemble((day, MUTED), printable(line.text, 4000))
