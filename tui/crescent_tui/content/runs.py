"""Runs as rows of a list: what each is, how far it got, its score, and the settings that tell it apart. Pure.

Names, notes and settings are untrusted. Example:
    cells(row, selected=False, common={})[1].text    # "  └─ run 3: control majority"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from crescent_lite.intervals import wilson
from crescent_lite.printable import printable, printable_line
from crescent_lite.store.run_rows import RunRow
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.columns import cell
from crescent_tui.content.model import BLANK
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.words import clock, local_date_time, plural

MARK = "●"
WIDE, WIDEST = 110, 160
"""Widths in cells from which a list has more columns."""
NAME = 14


def columns(width: int) -> tuple[RowColumn, ...]:
    """The columns of the list: more of them in a wide terminal."""
    found = [RowColumn("", 1), RowColumn("run", 26 if width < WIDEST else 36), RowColumn("state", 8)]
    if width >= WIDE:
        found += [RowColumn("rounds", 6, right=True), RowColumn("labels", 6, right=True)]
    found += [RowColumn("score", 6, right=True), RowColumn("diff", 6, right=True)]
    if width >= WIDE:
        found += [RowColumn("time", 8, right=True)]
    if width >= WIDEST:
        found += [RowColumn("started", 16), RowColumn("model", 26)]
    return (*found, RowColumn("differs", 0))


def cells(row: RunRow, width: int, *, selected: bool, common: Mapping[str, Any], flat: bool) -> tuple[RowCell, ...]:
    """A run as a row; `common` are the differing settings of all runs, which tell none apart.

    The difference is coloured only where the score of the base is outside the 95% interval of the round.
    """
    branch = "" if flat or not row.depth else f"{BLANK * 2 * (row.depth - 1)}└─ "
    primary, style = primary_score(row), ""
    difference = primary[1] - primary[0] if primary else None
    if primary and row.scores:
        interval = wilson(round(primary[1] * primary[2]), primary[2])
        style = "" if interval.low <= primary[0] <= interval.high else "good" if primary[1] > primary[0] else "bad"
    found = [
        RowCell(MARK if selected else "", "good"),
        RowCell(f"{branch}{row.title}", "" if not row.depth else "muted", float(row.run_id)),
        RowCell(row.state, {"finished": "good", "failed": "bad", "stopped": "bad"}.get(row.state, "")),
    ]
    if width >= WIDE:
        found += [RowCell(f"{row.rounds}/{row.rounds_planned}", value=float(row.rounds)), RowCell(f"{row.labels:,}")]
    found += [
        RowCell(f"{primary[1]:.1%}" if primary else "", value=primary[1] if primary else None),
        RowCell(
            f"{100 * difference:+.1f}" if difference is not None else "",
            value=difference,
            style=style,
        ),
    ]
    if width >= WIDE:
        found.append(RowCell(clock(row.seconds) if row.seconds else "", value=row.seconds or None))
    if width >= WIDEST:
        found += [RowCell(local_date_time(row.started_at), "muted"), RowCell(row.model)]
    return (*found, RowCell(differs_in_words(row, common), "muted"))


def primary_score(row: RunRow) -> tuple[float, float, int] | None:
    """The mean score of the base and of the kept round over the benchmarks of the first role, and their items.

    None before both are measured.
    """
    listed = [each for each in row.scores if each.is_primary and each.base is not None and each.score is not None]
    of_role = [each for each in listed if each.role == listed[0].role]
    if not of_role:
        return None
    bases, scores = [each.base or 0.0 for each in of_role], [each.score or 0.0 for each in of_role]
    return sum(bases) / len(bases), sum(scores) / len(scores), sum(each.items for each in of_role)


def differs_in_words(row: RunRow, common: Mapping[str, Any] = {}) -> str:
    """'train.learning_rate = 0.001, ...': what the run has otherwise than its preset, without what all runs have."""
    return ", ".join(
        f"{name} = {_short(value)}"
        for name, value in row.differs.items()
        if name not in common or common[name] != value
    )


def matching(rows: Sequence[RunRow], typed: str) -> list[RunRow]:
    """The runs that have every typed word in their name, note, kind, state, model or differing settings."""
    words = typed.casefold().split()
    return [
        row
        for row in rows
        if all(
            word in f"{row.title} {row.note or ''} {row.state} {row.model} {differs_in_words(row)}".casefold()
            for word in words
        )
    ]


def in_full(row: RunRow) -> Content:
    """One run in full."""
    facts = [
        ("state", f"{row.state}{f': {row.reason}' if row.reason else ''}"),
        ("rounds", f"{row.rounds} of {row.rounds_planned}" + (f", round {row.round} kept" if row.round else "")),
        ("labels", f"{row.labels:,}"),
        ("time", f"{clock(row.seconds)}, {plural(row.tokens, 'token')}"),
        ("model", row.model),
        ("preset, seed", f"{row.preset or '?'}, {row.seed if row.seed is not None else '?'}"),
        ("note", row.note or ""),
        ("differs", differs_in_words(row) or "nothing from its preset"),
    ]
    lines = [Content.styled(printable_line(row.title, 200), HEADING)]
    lines += [Content.assemble((cell(name, NAME), MUTED), printable(text, 2000)) for name, text in facts if text]
    for score in row.scores:
        name = printable_line(f"{score.benchmark}, {score.prompt}", 60)
        base = f"{score.base:.1%}" if score.base is not None else "–"
        after = f"{score.score:.1%}" if score.score is not None else "–"
        gained = f"  {100 * score.difference:+.1f}" if score.difference is not None else ""
        lines.append(Content.assemble((cell(name, 30), MUTED), f"{base} → ", (after, "bold"), gained))
    return Content("\n").join(lines)


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
