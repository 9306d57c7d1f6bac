"""A model in styled text, and as a line of a list. Pure.

Everything that was stored passes `printable_line`; the result is Content, never markup.
Example: size_in_words(94_100_000) -> "94.1 MB"
"""

from __future__ import annotations

import textwrap

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.records import Score, short_name
from crescent_lite.report.tables import kept_in_words
from crescent_lite.store.model_lines import ModelScore
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.words import local_day
from crescent_tui.sources.model_facts import ModelFacts
from crescent_tui.widgets.row_list import Cell

GONE = "file is gone"
BLANK = "\u2800"
"""A Braille character without a dot: as empty as a space, but not folded away at the beginning of a line."""
NAME = 8
"""Cells of the names on the left."""


def size_in_words(size: int | None) -> str:
    """Bytes as people write them."""
    if size is None:
        return GONE
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def cells(facts: ModelFacts) -> tuple[Cell, ...]:
    """The line of a model or a run: the tree, its file, whether it is kept, its scores."""
    node = facts.node
    size = size_in_words(facts.size) if facts.path else ""
    measured = [(count, score) for count, score in facts.scores if count.items]
    return (
        Cell(node.branch.replace(" ", BLANK) + node.name, "" if node.model else "muted"),
        Cell(size, "bad" if size == GONE else "muted"),
        Cell("kept" if facts.is_kept else "", "good"),
        Cell(" · ".join(_in_short(count, score) for count, score in measured)),
    )


def _in_short(count: ModelScore, score: Score) -> str:
    interval = f"{100 * score.low:.0f} to {100 * score.high:.0f}"
    return f"{score.fraction:.1%} ({interval}) {count.benchmark}, {short_name(count.prompt)}"


def model_in_full(facts: ModelFacts, width: int) -> Content:
    """Everything that is known of a model, or of a run that made some."""
    name = facts.detail.name if facts.detail and facts.is_adapter else facts.node.name
    parts = [Content.styled(printable_line(name, 300), "bold"), _descent(facts)]
    if facts.standing and (kept := kept_in_words(facts.standing)):
        parts.append(Content(textwrap.fill(kept, max(20, width))))
    if handed := facts.node.handed:
        parts += [
            _fact("folder", printable_line(str(handed.folder), 1000), width),
            _fact("size", size_in_words(facts.size), width),
            _fact("made of", printable_line(_mixture(handed.rounds), 300), width),
        ]
        if handed.change_kept is not None:
            parts.append(
                _fact("keeps", f"{handed.change_kept:.0%} of what the training changed in the weights", width)
            )
    if detail := facts.detail:
        parts += [
            _fact("file", printable_line(str(detail.path), 1000), width),
            _fact("size", size_in_words(facts.size), width, "$text-warning" if facts.size is None else ""),
            _fact("sha256", printable_line(detail.sha256, 80), width),
            _fact("noted", local_day(detail.created_at), width),
            _fact("from", printable_line(detail.source, 1000), width),
        ]
        parts.append(Content.styled("\nScores, 95% interval", HEADING))
        parts += [_score(count, score) for count, score in facts.scores] or [Content.styled("not measured", MUTED)]
    return Content("\n").join(parts)


def _descent(facts: ModelFacts) -> Content:
    """'adapter, of run 3, round 2 · kept'."""
    node, said = facts.node, []
    if node.model:
        said.append(node.model.kind)
    if node.handed:
        said.append("handed over")
    if node.run:
        made_in = f", round {node.model.round}" if node.model and facts.is_adapter else ""
        said.append(f"run {node.run.run_id}{made_in}, {printable_line(node.run.state, 40)}")
        if node.run.control_of:
            said.append(f"a control of run {node.run.control_of}")
        if node.run.teacher_id:
            said.append(f"it learns from the labels of run {node.run.teacher_id}")
    return Content.assemble((" · ".join(said), MUTED), ("  kept" if facts.is_kept else "", "$text-success"))


def _mixture(rounds: dict[int, float]) -> str:
    """'round 1', or '50% of round 1, 50% of round 2'."""
    return ", ".join(f"round {n}" if part == 1 else f"{part:.0%} of round {n}" for n, part in rounds.items())


def _fact(name: str, value: str, width: int, style: str = "") -> Content:
    room = max(20, width - NAME)
    lines = textwrap.wrap(value, room) or [""]
    return Content.assemble((f"{name:<{NAME}}", MUTED), (f"\n{'':{NAME}}".join(lines), style))


def _score(count: ModelScore, score: Score) -> Content:
    title = printable_line(f"{count.benchmark}, {short_name(count.prompt)}", 60)
    if not count.items:
        return Content.assemble(f"{title:<24} ", ("not measured yet", MUTED))
    so_far = f" of {count.total:,} so far" if count.items < count.total else ""
    return Content.assemble(
        f"{title:<24} {score.fraction:6.1%}",
        (f"  {100 * score.low:.1f} to {100 * score.high:.1f}  {count.right:,}/{count.items:,}{so_far}", MUTED),
    )
