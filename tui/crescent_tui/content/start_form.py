"""The start form as rows: its first page with the fields that most people change, and all settings by section. Pure.

Example: [row.key for row in first_page(lines, "gsm8k")][:2] -> ["model.source", "run.prompts"]
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from crescent_lite.config.fields import PRESET
from crescent_lite.config.toml import toml_text
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.settings import SettingLine, cells

COLUMNS = (RowColumn("", 1), RowColumn("setting", 32), RowColumn("value", 0), RowColumn("from", 16))
FIRST_COLUMNS = (RowColumn("", 1), RowColumn("field", 18), RowColumn("value", 0), RowColumn("setting", 28))
BENCHMARKS = "evaluate.benchmarks"
FIELDS = {
    "model.source": "model",
    "run.prompts": "domain",
    "bait.questions": "questions",
    "vote.votes_per_question": "votes per question",
    "run.rounds": "rounds",
    BENCHMARKS: "benchmark",
    "train.objective": "objective",
}
"""The fields of the first page by their setting; the estimate is the eighth."""
DOMAINS = ("arithmetic", "word-problems", "reference")
"""The prompt sets that come with the toolkit."""
BENCHMARKS_HELP = (
    "The data set that measures the base and each round; it is never trained on. Enter chooses one that is known by "
    "name. Others, and several together, stand in crescent.toml."
)


@dataclass(frozen=True)
class FormRow:
    """One row of the form: a setting, or the heading of a section."""

    key: str
    """The name of the setting, or '[vote]' for the section vote."""
    line: SettingLine | None = None
    """None for a section."""
    section: str = ""
    count: int = 0
    """Settings of the section."""
    changed: int = 0
    """How many of them were changed here."""
    is_open: bool = False


def benchmarks_line(names: Sequence[str], origin: str, typed: str | None) -> SettingLine:
    """The benchmarks of the settings as one line, whose value is their names."""
    mark = "*" if typed is not None else ""
    said = "typed here" if typed is not None else origin
    return SettingLine(BENCHMARKS, ", ".join(names), said, BENCHMARKS_HELP, mark)


def benchmark_text(name: str) -> str:
    """What is typed for a benchmark that is known by name."""
    return f"{{ {toml_text(name)} = {{ builtin = {toml_text(name)} }} }}"


def first_page(lines: Iterable[SettingLine], benchmarks: SettingLine) -> list[FormRow]:
    """The fields of the first page, in their order."""
    found = {line.name: line for line in lines} | {BENCHMARKS: benchmarks}
    return [FormRow(name, found[name]) for name in FIELDS if name in found]


def all_settings(lines: Sequence[SettingLine], opened: Collection[str]) -> list[FormRow]:
    """All settings: changed ones first, then the preset, then each section, which is folded unless it was opened."""
    rows = [FormRow(line.name, line) for line in lines if line.mark]
    rows += [FormRow(line.name, line) for line in lines if line.name == PRESET and not line.mark]
    for section in dict.fromkeys(line.name.partition(".")[0] for line in lines if line.name != PRESET):
        inside = [line for line in lines if line.name.startswith(f"{section}.")]
        changed = sum(bool(line.mark) for line in inside)
        is_open = section in opened
        rows.append(FormRow(f"[{section}]", None, section, len(inside), changed, is_open))
        if is_open:
            rows += [FormRow(line.name, line) for line in inside if not line.mark]
    return rows


def row_cells(row: FormRow, *, on_first_page: bool) -> tuple[RowCell, ...]:
    """A row of the form."""
    if row.line is None:
        count = f"{row.count} settings" + (f", {row.changed} changed" if row.changed else "")
        return (
            RowCell("▾" if row.is_open else "▸", "muted"),
            RowCell(row.section),
            RowCell(count, "muted"),
            RowCell("", "muted"),
        )
    mark, _, value, origin = cells(row.line)
    if on_first_page:
        return (mark, RowCell(FIELDS[row.key], "bad" if row.line.mark else ""), value, RowCell(row.key, "muted"))
    return (mark, cells(row.line)[1], value, origin)


def marked(line: SettingLine, typed: str | None, *, is_invalid: bool) -> SettingLine:
    """A line with the mark of what was typed for it."""
    if typed is None:
        return line
    if is_invalid:
        return replace(line, value=typed, origin="invalid", mark="✗")
    return replace(line, origin="typed here", mark="*")
