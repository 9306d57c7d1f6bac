"""Reports as Markdown. Texts of models and files are escaped, so that they cannot become headings, links or HTML.

Example: inline("<b>|*x*") -> "\\\\<b\\\\>\\\\|\\\\*x\\\\*"; fenced("```") has a fence of four backticks
"""

from __future__ import annotations

import re

from crescent_lite.printable import printable, printable_line
from crescent_lite.report.content import Document, Excerpt, Report, Section, Table

MEANS_SOMETHING = re.compile(r"([\\`*_<>\[\]|~$#&])")
"""Characters that may have a meaning inside a line of Markdown with tables and formulas."""
LINK = re.compile(r"(?<=\w):(?=//)")


def report_markdown(report: Report) -> str:
    """The short report as Markdown."""
    parts = [f"# {inline(report.title)}", *map(inline, report.lines), *map(_table, report.tables)]
    return "\n\n".join(parts) + "\n"


def document_markdown(document: Document) -> str:
    """The full report as Markdown, without its drawings."""
    parts = [f"# {inline(document.title)}", f"**{inline(document.headline)}**"]
    parts.append("\n".join(f"- {inline(line)}" for line in document.summary))
    parts += [_section(section) for section in document.sections]
    return "\n\n".join(parts) + "\n"


def inline(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it as it is."""
    return LINK.sub(r"\\:", MEANS_SOMETHING.sub(r"\\\1", printable_line(text)))


def fenced(text: str) -> str:
    """The text in a fenced block that it cannot close itself."""
    shown = printable(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _section(section: Section) -> str:
    parts = [f"## {inline(section.title)}", *map(inline, section.lines)]
    for figure in section.figures:
        where = "(drawn in the HTML report)" if figure.svg else "(not drawn)"
        parts.append(f"{inline(figure.title)} {where}: {inline(figure.words)}")
    parts += [f"**{inline(word)}**: {inline(meaning)}" for word, meaning in section.terms]
    parts += [_table(table, "###") for table in section.tables]
    parts += map(_excerpt, section.excerpts)
    return "\n\n".join(parts)


def _table(table: Table, heading: str = "##") -> str:
    rule = "|".join("---" for _ in table.columns)
    rows = [f"| {' | '.join(map(inline, row))} |" for row in (table.columns, *table.rows)]
    text = f"{heading} {inline(table.title)}\n\n{rows[0]}\n|{rule}|\n" + "\n".join(rows[1:])
    return f"{text}\n\n{inline(table.note)}" if table.note else text


def _excerpt(excerpt: Excerpt) -> str:
    facts = ", ".join(f"{inline(what)}: {inline(value)}" for what, value in excerpt.facts)
    parts = [f"### {inline(excerpt.title)}", *([facts] if facts else [])]
    for what, text in excerpt.texts:
        parts += [f"{inline(what)}:", fenced(text)]
    return "\n\n".join(parts)
