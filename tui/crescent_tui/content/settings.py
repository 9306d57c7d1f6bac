"""Settings as rows of a list, and one of them in full. Pure; whatever stands in a config is untrusted.

Example: cells(line) -> (Cell("≠", "bad"), Cell("vote.max_tokens"), Cell("24"), Cell("preset quick"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.content import Content

from crescent_lite.config.fields import kinds, shown_value
from crescent_lite.config.text import ConfigRow
from crescent_lite.printable import printable, printable_line
from crescent_tui.content.colours import MUTED
from crescent_tui.widgets.row_list import Cell, Column

COLUMNS = (Column("", 1), Column("setting", 32), Column("value", 18), Column("from", 0))


@dataclass(frozen=True)
class SettingLine:
    """One setting in a list."""

    name: str
    value: str
    origin: str
    """'default', 'preset quick', a file, '--set'."""
    help: str
    mark: str = ""
    """One character in front: it differs, or was changed."""
    other: str | None = None
    """What it is elsewhere, where it is compared and not the same."""


def lines(rows: Iterable[ConfigRow]) -> list[SettingLine]:
    """The rows of a config."""
    return [SettingLine(name, shown_value(value), origin, text) for name, value, origin, text in rows]


def compared(these: Sequence[SettingLine], others: Sequence[SettingLine]) -> list[SettingLine]:
    """`these`, with a mark on what is not the same in `others`; then what is only there."""
    there = {line.name: line.value for line in others}
    here = {line.name for line in these}
    found = [
        line if there.get(line.name) == line.value else _differing(line, there.get(line.name, "not there"))
        for line in these
    ]
    absent = (line for line in others if line.name not in here)
    return found + [SettingLine(line.name, "not there", "", line.help, mark="≠", other=line.value) for line in absent]


def _differing(line: SettingLine, other: str) -> SettingLine:
    return SettingLine(line.name, line.value, line.origin, line.help, "≠", other)


def matching(these: Iterable[SettingLine], typed: str) -> list[SettingLine]:
    """Those in whose name, value, origin or help every typed word is found."""
    words = typed.casefold().split()
    return [
        line
        for line in these
        if all(word in f"{line.name} {line.value} {line.origin} {line.help}".casefold() for word in words)
    ]


def cells(line: SettingLine) -> tuple[Cell, ...]:
    """As the list shows it. A file is told by its name."""
    origin = line.origin.replace("\\", "/").rpartition("/")[2]
    return (
        Cell(line.mark, "bad"),
        Cell(line.name, "bad" if line.mark else ""),
        Cell(line.value or "(empty)", "bad" if line.mark else "" if line.value else "muted"),
        Cell(origin, "muted"),
    )


def explained(line: SettingLine) -> Content:
    """What it may be, and its help."""
    kind = kinds().get(line.name)
    what = f"{', '.join(kind.choices)}: {kind.words}" if kind and kind.choices else kind.words if kind else ""
    return Content.assemble(
        (printable_line(line.name, 200), "bold $text-primary"),
        (f"  {what}", MUTED),
        f"\n{printable(line.help or '(no help)', 4000)}",
    )


def in_full(line: SettingLine, *, elsewhere: str = "") -> Content:
    """The same with its value and where that came from. `elsewhere`: what it is compared with."""
    value = printable(line.value, 4000) or "(empty)"
    origin = f"  from {printable_line(line.origin, 400)}" if line.origin else ""
    parts = [explained(line), Content.assemble((value, "bold"), (origin, MUTED))]
    if line.other is not None:
        other = printable(line.other, 4000) or "(empty)"
        parts.append(Content.assemble((f"{elsewhere}: ", "$text-warning"), other))
    return Content("\n").join(parts)
