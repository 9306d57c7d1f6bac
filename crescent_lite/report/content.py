"""The parts of a report as plain values: tables, figures, excerpts of what a model wrote, explained words.

Knows nothing of how they are shown: `markdown`, `page` and the terminal render them. Texts are untrusted, because
they are as they were stored; a renderer makes them safe. Example:
    Table("Scores", ("model", "score"), (("base", "31.4%"), ("round 1", "56.3%")))
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"(?P<number>[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?P<percent>%)?")
"""A cell that is one number: '1,587', '+12.3%', '0.52'."""


def name_of(heading: str, at: int) -> str:
    """A heading in snake_case: '95% interval' -> '95_percent_interval'; 'column_1' for the first without words."""
    words = heading.lower().replace("%", " percent").replace("/s", " per second")
    return re.sub(r"[^a-z0-9]+", "_", words).strip("_") or f"column_{at + 1}"


def plain_value(cell: str) -> str | float | None:
    """A cell as a number where it is one, a percentage as a fraction; None for an empty one; else the text."""
    if cell.strip() in ("", "-", "\u2013"):
        return None
    found = NUMBER.fullmatch(cell.strip())
    if found is None:
        return cell
    text = found["number"].replace(",", "").replace("\u2212", "-")
    if found["percent"]:
        return round(float(text) / 100, 8)
    return float(text) if "." in text else int(text)


@dataclass(frozen=True)
class Table:
    """A titled table of texts."""

    title: str
    columns: tuple[str, ...]
    """Headings of the columns; may be empty texts."""
    rows: tuple[tuple[str, ...], ...]
    """Cells of each row, as many as there are columns."""
    note: str = ""
    """Text under the table; empty for none."""
    folded: bool = False
    """Whether a page shows only the title until the reader unfolds it: for long tables that few readers need."""

    def as_dict(self) -> dict[str, Any]:
        """The table as plain values, each row as a mapping from column to cell: names in snake_case, real numbers."""
        names = [name_of(column, at) for at, column in enumerate(self.columns)]
        rows = [dict(zip(names, map(plain_value, row), strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "note": self.note}


@dataclass(frozen=True)
class Figure:
    """A drawing, or the reason why it is left out."""

    name: str
    """Letters a-z, digits and hyphens; unique in its report."""
    title: str
    words: str
    """What is drawn and how to read it, or why the figure is left out."""
    svg: str = ""
    """A self-contained <svg> element; empty if the figure is left out."""


@dataclass(frozen=True)
class Excerpt:
    """Texts that a model wrote, with what was decided about them."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """(name, value) pairs, such as the label and the share."""
    texts: tuple[tuple[str, str], ...]
    """(heading, text) pairs, such as the question and a solution. A long text is cut and says so."""


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading."""

    name: str
    """Letters a-z and hyphens; unique in its report."""
    title: str
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    """(word, meaning) pairs."""


@dataclass(frozen=True)
class Report:
    """The short report of a run, which a terminal shows at the run's end: a few lines and tables."""

    title: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, each row of a table as a mapping from column to cell."""
        return {"title": self.title, "lines": list(self.lines), "tables": [t.as_dict() for t in self.tables]}


@dataclass(frozen=True)
class Document:
    """The full report of a run, for readers who have never seen this program."""

    title: str
    headline: str
    """The result of the run in one sentence."""
    summary: tuple[str, ...]
    """What was done and what came of it, one or more sentences each."""
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, without its drawings."""
        sections = [
            {
                "title": section.title,
                "lines": list(section.lines),
                "figures": [{"title": f.title, "words": f.words} for f in section.figures],
                "tables": [table.as_dict() for table in section.tables],
                "excerpts": [dataclasses.asdict(excerpt) for excerpt in section.excerpts],
                "terms": dict(section.terms),
            }
            for section in self.sections
        ]
        return {
            "title": self.title,
            "headline": self.headline,
            "summary": list(self.summary),
            "sections": sections,
        }
