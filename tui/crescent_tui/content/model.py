"""A model in styled text, and as a row of a list. Pure.

Stored texts pass through `printable_line`; the result is Content, never parsed as markup.
Example: size_in_words(94_100_000) -> "94.1 MB"
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from crescent_lite.evaluation.headroom import Headroom
from crescent_lite.printable import printable_line
from crescent_lite.records import Score, short_name
from crescent_lite.report.headroom import figures, headroom_lines
from crescent_lite.store.model_lines import ModelScore
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.columns import cell
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.words import local_date_time
from crescent_tui.sources.model_facts import ModelFacts

MISSING = "file missing"
BLANK = "\u2800"
"""A Braille character without dots: looks like a space, but is not trimmed at the start of a line."""
LEAST_NAME, MOST_NAME, SCORE_WIDTH = 24, 20, 13
"""Widths in cells: of the tree at least, of the name of a benchmark at most, and of a score with its difference."""
DIFFERENCE = 7
"""Width of a difference in points, with the gap before it."""
NAME = 8
"""The width of the names on the left, in cells."""


def size_in_words(size: int | None) -> str:
    """A number of bytes with a unit; None is a missing file."""
    if size is None:
        return MISSING
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def columns(measured: Sequence[tuple[str, str]], width: int) -> tuple[RowColumn, ...]:
    """The columns of the list: the tree, the size, the mark of a kept round, and one for each benchmark and prompt.

    Benchmarks that do not fit beside the tree in `width` cells are left out; the model in full has them all.
    """
    names = [name for name, _ in measured]
    first = (RowColumn("model", 0), RowColumn("size", 12, right=True), RowColumn("kept", 4))
    room = width - LEAST_NAME - 2 - sum(column.width + 2 for column in first[1:])
    found: list[RowColumn] = []
    for benchmark, prompt in measured:
        name = benchmark if names.count(benchmark) == 1 else f"{benchmark} {short_name(prompt)}"
        wide = max(SCORE_WIDTH, min(cell_len(name), MOST_NAME))
        if room < wide + 2:
            break
        room -= wide + 2
        found.append(RowColumn(name, wide, right=True))
    return (*first, *found)


def cells(facts: ModelFacts, measured: Sequence[tuple[str, str]], *, flat: bool = False) -> tuple[RowCell, ...]:
    """The row of a model, run or export, with its score on each benchmark; `flat` leaves out the lines of the tree.

    A score has the difference from the base of its run, in points. It is coloured only where the score of the base is
    outside its 95% interval.
    """
    node = facts.node
    size = size_in_words(facts.size) if facts.path else ""
    scores = {(count.benchmark, count.prompt): (count, score) for count, score in facts.scores}
    base = {(count.benchmark, count.prompt): score for count, score in facts.base_scores if count.items}
    name = node.name if flat else node.branch.replace(" ", BLANK) + node.name
    return (
        RowCell(name, "" if node.model else "muted"),
        RowCell(size, "bad" if size == MISSING else "muted", float(facts.size or 0) if size else None),
        RowCell("kept" if facts.is_kept else "", "good"),
        *(_score_cell(scores.get(each), base.get(each)) for each in measured),
    )


def _score_cell(found: tuple[ModelScore, Score] | None, base: Score | None) -> RowCell:
    """The score on one benchmark, with its difference from the base in points."""
    if found is None or not found[0].items:
        return RowCell("")
    score = found[1]
    if base is None:
        return RowCell(f"{score.fraction:.1%}{BLANK * DIFFERENCE}", value=score.fraction)
    style = "" if score.low <= base.fraction <= score.high else "good" if score.fraction > base.fraction else "bad"
    difference = f"{100 * (score.fraction - base.fraction):+.1f}".rjust(DIFFERENCE, BLANK)
    return RowCell(f"{score.fraction:.1%}{difference}", style, value=score.fraction)


def model_in_full(facts: ModelFacts, width: int) -> Content:
    """Everything that is known of a model, run or export."""
    name = facts.detail.name if facts.detail and facts.is_adapter else facts.node.name
    parts = [Content.styled(printable_line(name, 300), "bold"), _descent(facts)]
    if facts.kept_in_words:
        parts.append(Content(textwrap.fill(printable_line(facts.kept_in_words, 500), max(20, width))))
    if handed := facts.node.handed:
        parts += [
            _fact("folder", printable_line(str(handed.folder), 1000), width),
            _fact("size", size_in_words(facts.size), width),
            _fact("rounds", printable_line(_mixture(handed.rounds), 300), width),
        ]
        if handed.change_kept is not None:
            parts.append(
                _fact("keeps", f"{handed.change_kept:.0%} of the change that training made to the weights", width)
            )
    if detail := facts.detail:
        parts += [
            _fact("file", printable_line(str(detail.path), 1000), width),
            _fact("size", size_in_words(facts.size), width, "$text-warning" if facts.size is None else ""),
            _fact("sha256", printable_line(detail.sha256, 80), width),
            _fact("added", local_date_time(detail.created_at), width),
            _fact("from", printable_line(detail.source, 1000), width),
        ]
        parts.append(Content.styled("\nScores, 95% interval", HEADING))
        parts += [_score(count, score) for count, score in facts.scores] or [Content.styled("not evaluated", MUTED)]
    parts += _headroom(facts.headroom, width)
    return Content("\n").join(parts)


def _descent(facts: ModelFacts) -> Content:
    """The kind of model and the run it comes from, like 'adapter · run 3, round 2, finished  kept'."""
    node, said = facts.node, []
    if node.model:
        said.append(node.model.kind)
    if node.handed:
        said.append("export")
    if node.run:
        made_in = f", round {node.model.round}" if node.model and facts.is_adapter else ""
        said.append(f"run {node.run.run_id}{made_in}, {printable_line(node.run.state, 40)}")
        if node.run.control_of:
            said.append(f"control of run {node.run.control_of}")
        if node.run.teacher_id:
            said.append(f"learns from the labels of run {node.run.teacher_id}")
    return Content.assemble((" · ".join(said), MUTED), ("  kept" if facts.is_kept else "", "$text-success"))


def _mixture(rounds: dict[int, float]) -> str:
    """The rounds of an export, like 'round 1' or '50% of round 1, 50% of round 2'."""
    return ", ".join(f"round {n}" if part == 1 else f"{part:.0%} of round {n}" for n, part in rounds.items())


def _fact(name: str, value: str, width: int, style: str = "") -> Content:
    room = max(20, width - NAME)
    lines = textwrap.wrap(value, room) or [""]
    return Content.assemble((cell(name, NAME), MUTED), (f"\n{'':{NAME}}".join(lines), style))


def _headroom(found: Sequence[Headroom], width: int) -> list[Content]:
    """What votes are worth, as `crescent headroom` says it; empty where nothing was sampled."""
    if not found:
        return []
    parts = [Content.styled("\nWhat votes are worth", HEADING)]
    for each in found:
        parts.append(Content(each.name))
        parts += [Content.assemble((f"  {cell(name, 25)}", MUTED), value) for name, value in figures(each).items()]
    return [*parts, *(Content(textwrap.fill(line, max(20, width))) for line in headroom_lines(found))]


def _score(count: ModelScore, score: Score) -> Content:
    title = printable_line(f"{count.benchmark}, {short_name(count.prompt)}", 60)
    if not count.items:
        return Content.assemble(cell(title, 25), ("not evaluated yet", MUTED))
    so_far = f" of {count.total:,} so far" if count.items < count.total else ""
    return Content.assemble(
        f"{cell(title, 25)}{score.fraction:6.1%}",
        (f"  {100 * score.low:.1f} to {100 * score.high:.1f}  {count.right:,}/{count.items:,}{so_far}", MUTED),
    )
