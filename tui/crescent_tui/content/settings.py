"""Settings as rows of a list, and one setting in full. Pure. The texts in a config are untrusted.

Example: cells(line) -> (RowCell("≠", "bad"), RowCell("vote.max_tokens"), RowCell("24"), RowCell("preset quick"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.content import Content

from crescent_lite.config.fields import kinds, shown_value
from crescent_lite.config.text import ConfigRow
from crescent_lite.printable import printable, printable_line
from crescent_tui.content.colours import MUTED
from crescent_tui.content.row_cells import RowCell, RowColumn

COLUMNS = (RowColumn("", 1), RowColumn("setting", 32), RowColumn("value", 0), RowColumn("from", 16))


@dataclass(frozen=True)
class SettingLine:
    """One setting and its value."""

    name: str
    value: str
    origin: str
    """Where the value comes from: 'default', 'preset quick', a file, or '--set'."""
    help: str
    mark: str = ""
    """One character in front of the name: '≠' differs, '*' was changed, '✗' was rejected."""
    other: str | None = None
    """The different value on the other side of a comparison; None if it is the same."""


def lines(rows: Iterable[ConfigRow]) -> list[SettingLine]:
    """The settings of a config."""
    return [SettingLine(name, shown_value(value), origin, text) for name, value, origin, text in rows]


def compared(these: Sequence[SettingLine], others: Sequence[SettingLine]) -> list[SettingLine]:
    """`these` with marks on settings that differ from `others`; then the settings that only `others` has."""
    there = {line.name: line.value for line in others}
    here = {line.name for line in these}
    found = [
        line if there.get(line.name) == line.value else _differing(line, there.get(line.name, "not set"))
        for line in these
    ]
    absent = (line for line in others if line.name not in here)
    return found + [SettingLine(line.name, "not set", "", line.help, mark="≠", other=line.value) for line in absent]


def _differing(line: SettingLine, other: str) -> SettingLine:
    return SettingLine(line.name, line.value, line.origin, line.help, "≠", other)


def matching(these: Iterable[SettingLine], typed: str) -> list[SettingLine]:
    """The settings whose name, value, origin or help contains every typed word."""
    words = typed.casefold().split()
    return [
        line
        for line in these
        if all(word in f"{line.name} {line.value} {line.origin} {line.help}".casefold() for word in words)
    ]


def cells(line: SettingLine) -> tuple[RowCell, ...]:
    """A setting as a row of the list; a file is shown by its name alone."""
    origin = line.origin.replace("\\", "/").rpartition("/")[2]
    return (
        RowCell(line.mark, "bad"),
        RowCell(line.name, "bad" if line.mark else ""),
        RowCell(line.value or "(empty)", "bad" if line.mark else "" if line.value else "muted"),
        RowCell(origin, "muted"),
    )


def explained(line: SettingLine) -> Content:
    """The permitted values of a setting, and its help."""
    kind = kinds().get(line.name)
    what = f"{', '.join(kind.choices)}: {kind.words}" if kind and kind.choices else kind.words if kind else ""
    return Content.assemble(
        (printable_line(line.name, 200), "bold $text-primary"),
        (f"  {what}", MUTED),
        f"\n{printable(line.help or '(no help)', 4000)}",
    )


def in_full(line: SettingLine, *, elsewhere: str = "") -> Content:
    """The explanation with the value and its origin. `elsewhere` names the other side of the comparison."""
    value = printable(line.value, 4000) or "(empty)"
    origin = f"  from {printable_line(line.origin, 400)}" if line.origin else ""
    parts = [explained(line), Content.assemble((value, "bold"), (origin, MUTED))]
    if line.other is not None:
        other = printable(line.other, 4000) or "(empty)"
        parts.append(Content.assemble((f"{elsewhere}: ", "$text-warning"), other))
    return Content("\n").join(parts)
