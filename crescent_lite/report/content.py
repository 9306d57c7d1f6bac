"""What a report is made of: tables, figures, excerpts of what a model wrote, explained words. Plain values.

Texts are as they were stored, so untrusted: whoever writes them down (`markdown`, `page`, the terminal) makes them
safe. Example: Table("Scores", ("model", "score"), (("base", "31.4%"), ("round 1", "56.3%")))
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """A titled table of texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """A sentence under it."""
    folded: bool = False
    """Long, and not what most readers look for: a page shows it when it is asked to."""

    def as_dict(self) -> dict[str, Any]:
        """Each row as an object."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "note": self.note}


@dataclass(frozen=True)
class Figure:
    """A drawing, or the reason why there is none."""

    name: str
    """Of a-z and hyphens; no other figure of the report has it."""
    title: str
    words: str
    """What is drawn and how to read it; of a figure that is left out why it is."""
    svg: str = ""
    """An <svg> element with everything in it; empty where the figure is left out."""


@dataclass(frozen=True)
class Excerpt:
    """Something that a model wrote, with what became of it."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """(what, value): the label, the share, ..."""
    texts: tuple[tuple[str, str], ...]
    """(what, text): the question, a solution, ... Cut where they are long, which the text then says."""


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading."""

    name: str
    """Of a-z and hyphens; no other section has it."""
    title: str
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    """(word, what it means)."""


@dataclass(frozen=True)
class Report:
    """The figures of a run in tables, as a terminal shows them at its end."""

    title: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values: each table's rows as objects."""
        return {"title": self.title, "lines": list(self.lines), "tables": [t.as_dict() for t in self.tables]}


@dataclass(frozen=True)
class Document:
    """Everything that is said of a run, for somebody who has never seen this program."""

    title: str
    headline: str
    """What came of the run, in one sentence."""
    summary: tuple[str, ...]
    """What happened, in sentences."""
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
