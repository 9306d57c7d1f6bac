"""The scores of a run's rounds as intervals on one axis, with their comparisons in words. Pure.

Stored texts pass through `printable_line`; the result is Content, never parsed as markup.
Example: score_plots(snapshot.scores, comparisons, chosen=2, kept=2, width=60)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from textual.content import Content

from crescent_lite.evaluation import ComparisonResult, in_words, word_of
from crescent_lite.printable import printable_line
from crescent_lite.records import AGREEMENT, Score, short_name
from crescent_lite.report.figures import shown_rounds
from crescent_lite.report.gains import Gain
from crescent_lite.store.watching import ScoreCount
from crescent_tui.content.colours import MUTED, WORD_STYLES
from crescent_tui.content.columns import cell, widths
from crescent_tui.content.interval_plot import Axis, axis_for, interval_line, scale_line
from crescent_tui.sources.round_detail import Comparisons, Descent

MOST_ROUNDS = 10
"""Rounds shown in one plot at most."""
NAME, SCORE = 11, 7
"""Widths of the columns in cells: the round with its mark, and the score."""
WITH_COUNTS = 66
"""The width in cells from which the numbers of right answers and items are shown too."""
Counted = tuple[ScoreCount, Score]


@dataclass(frozen=True)
class _Plot:
    """What all score lines of a run share."""

    comparisons: Comparisons
    chosen: int
    """The round that is selected."""
    kept: int | None
    axis: Axis
    numbers: tuple[int, ...]
    """Widths of the interval and of the count of right answers, in cells."""
    width: int
    has_ended: bool
    """Whether no more items will be answered."""


def score_plots(
    scores: Iterable[Counted],
    comparisons: Comparisons,
    *,
    chosen: int,
    kept: int | None,
    width: int,
    has_ended: bool = False,
) -> Content:
    """For each benchmark and prompt, a line for the base and each round, then the differences in words.

    `has_ended`: whether the run is finished, so that no more items will be answered.
    """
    greedy = [each for each in scores if each[0].samples == 1]
    if not greedy:
        return Content.styled("Nothing has been evaluated yet.", MUTED)
    numbers = widths([_numbers(*each) for each in greedy])
    room = width - NAME - SCORE - numbers[0] - 1 - (numbers[1] + 2 if width >= WITH_COUNTS else 0)
    ends = [100 * end for count, score in greedy if count.items for end in (score.low, score.high)]
    axis = axis_for(ends, room, least=20, limits=(0, 100))
    plot = _Plot(comparisons, chosen, kept, axis, tuple(numbers), width, has_ended)
    blocks = [
        _block(benchmark, prompt, list(group), plot)
        for (benchmark, prompt), group in groupby(greedy, key=lambda each: (each[0].benchmark, each[0].prompt))
    ]
    note = "● right answers in per cent, ├ ┤ 95% interval (Wilson), ┊ base; p and the interval of a difference are "
    note += "corrected over benchmarks, prompts, scorings and rounds; those of the primary number over rounds alone"
    return Content("\n").join(
        [*_verdict(comparisons, chosen or kept, width), *blocks, Content.styled(_wrapped(note, width), MUTED)]
    )


def _verdict(comparisons: Comparisons, number: int | None, width: int) -> list[Content]:
    """The verdict on a round by the primary number and by samples of its items; empty before there is one."""
    primary = comparisons.primary
    if primary is None or not number or number not in primary.verdicts:
        return []
    said = printable_line(f"Round {number}, primary number: {primary.word(number)}, {primary.in_a_line(number)}")
    lines = [Content.styled(_wrapped(said, width), f"bold {_style(primary.verdicts[number])}".strip())]
    if number in comparisons.sampled:
        sampled = f"Of several samples of each item: {comparisons.sampled[number].in_words()}"
        lines.append(Content(_wrapped(sampled, width)))
    return [*lines, Content("")]


def _block(benchmark: str, prompt: str, counted: Sequence[Counted], plot: _Plot) -> Content:
    comparisons, chosen, width = plot.comparisons, plot.chosen, plot.width
    by_round = {count.round: (count, score) for count, score in counted}
    shown = shown_rounds(sorted(by_round), plot.kept, MOST_ROUNDS)
    shown = sorted({*shown, chosen} & by_round.keys())
    base = by_round.get(0)
    reference = 100 * base[1].fraction if base and base[0].items else None
    title = Content.styled(printable_line(f"{benchmark}, {short_name(prompt)}", 200), "bold")
    lines = [title.truncate(width, ellipsis=True)]
    for number in shown:
        lines.append(_line(*by_round[number], reference, plot))
    if len(shown) < len(by_round):
        lines.append(Content.styled(f"  {len(shown)} of {len(by_round)} rounds are shown", MUTED))
    lines.append(Content(" " * (NAME + SCORE)) + scale_line(plot.axis, "%"))
    others = [o for o in comparisons.others if (o.evaluation.benchmark, o.evaluation.prompt) == (benchmark, prompt)]
    ended = [
        f"{f'round {number}' if number else 'base'} {share:.1%} cut off, {of_ended:.1%} right of the others"
        for number in ([0, chosen] if chosen else shown)
        if (found := comparisons.shares.get((benchmark, prompt, number)))
        for share, of_ended in [found]
    ]
    if ended:
        lines.append(Content.styled(_wrapped("; ".join(ended), width, "  "), MUTED))
    compared = [] if benchmark == AGREEMENT else shown if chosen == 0 else [chosen]
    for number in compared:
        if number and (verdict := comparisons.verdicts.get((benchmark, prompt, number))):
            lines.append(_difference(f"Round {number} against the base", verdict, width))
        elif number and number in by_round and comparisons.made_from:
            why = _why_not_compared(number, by_round, base, has_ended=plot.has_ended)
            lines.append(Content.styled(_wrapped(why, width, "  "), MUTED))
    lines += [_difference(f"{o.model}, against the base", o.verdict, width) for o in others if o.verdict]
    return Content("\n").join([*lines, Content("")])


def _why_not_compared(number: int, by_round: Mapping[int, Counted], base: Counted | None, *, has_ended: bool) -> str:
    """Why a round is not compared with the base on a benchmark."""
    count = by_round[number][0]
    if base is None or (has_ended and base[0].items < base[0].total):
        return f"Round {number} was not compared: the base did not answer these items."
    if has_ended and count.items < count.total:
        return f"Round {number} was not compared: it answered {count.items:,} of {count.total:,} items."
    if count.items < count.total:
        return f"Round {number} is compared when all {count.total:,} items are answered."
    return f"Round {number} is being compared."


def _numbers(count: ScoreCount, score: Score) -> tuple[str, str]:
    """The interval in per cent, and right answers of all; of an unfinished evaluation how far it is."""
    counts = f"{count.right:,}/{count.items:,}"
    if count.items < count.total:
        counts = f"{count.items:,} of {count.total:,}"
    return f"{100 * score.low:.1f} to {100 * score.high:.1f}" if count.items else "", counts if count.items else ""


def _line(count: ScoreCount, score: Score, reference: float | None, plot: _Plot) -> Content:
    is_chosen, numbers, width = count.round == plot.chosen, plot.numbers, plot.width
    who = f"{'▸' if is_chosen else ' '} " + (f"round {count.round}" if count.round else "base")
    name = Content.styled(cell(who, NAME), "bold" if is_chosen else "")
    if not count.items:
        return name + Content.styled("not evaluated yet", MUTED)
    ends, counts = _numbers(count, score)
    interval = interval_line(plot.axis, 100 * score.low, 100 * score.fraction, 100 * score.high, reference)
    line = Content.assemble(
        name,
        (f"{score.fraction:6.1%} ", "bold" if count.round == plot.kept else ""),
        interval,
        (cell(ends, numbers[0] + 1, right=True), MUTED),
    )
    if width >= WITH_COUNTS:
        return line + Content.styled(cell(counts, numbers[1] + 2, right=True), MUTED)
    unfinished = Content.styled(f"\n{'':{NAME}}{counts} items so far", MUTED)
    return line + unfinished if count.items < count.total else line


def gains(found: Sequence[Gain], width: int, descent: Descent | None = None) -> Content:
    """Where the gain comes from: one comparison for each part of the method. `descent`: what kind of run it is."""
    if not found:
        return Content.styled(_wrapped(_without_gains(descent), width), MUTED)
    lines: list[Content] = []
    for benchmark, of_benchmark in groupby(found, key=lambda gain: gain.benchmark):
        lines.append(Content.styled(printable_line(benchmark, 200), "bold"))
        for gain in of_benchmark:
            lines.append(
                Content.assemble(f"{gain.about}  ", (printable_line(f"{gain.before} → {gain.after}"), MUTED))
            )
            lines.append(_difference("", gain.verdict, width, indent="    "))
    return Content("\n").join(lines)


def _without_gains(descent: Descent | None) -> str:
    """Why nothing is said of where the gain of a run comes from."""
    if descent and descent.control_of:
        control = printable_line(descent.control or "", 40)
        return f"This run is the control '{control}' of run {descent.control_of}, which shows the comparison."
    if descent and descent.teacher_id:
        return f"This run learns from the labels of run {descent.teacher_id}; it has no controls."
    if descent and descent.kind == "evaluation":
        return "This run only measures; a gain is explained in the run that trained."
    return "This run has no controls yet; `crescent controls` shows which part of the method a gain comes from."


@lru_cache(maxsize=1000)
def difference_in_words(verdict: ComparisonResult) -> str:
    """Like '+11.7 points (-1.2 to +23.4): no difference shown (n=120, p=0.208; could have seen 15.3 points)'."""
    points = f"{100 * verdict.comparison.difference:+.1f} points"
    return f"{points} ({100 * verdict.low:+.1f} to {100 * verdict.high:+.1f}): {in_words(verdict)}"


def _difference(whose: str, verdict: ComparisonResult, width: int, indent: str = "  ") -> Content:
    said = difference_in_words(verdict)
    words = printable_line(f"{whose}: {said}" if whose else said)
    return Content.styled(_wrapped(words, width, indent), _style(verdict))


def _style(verdict: ComparisonResult) -> str:
    return WORD_STYLES.get(word_of(verdict), "")


def _wrapped(words: str, width: int, indent: str = "") -> str:
    return textwrap.fill(words, max(20, width), initial_indent=indent, subsequent_indent=indent)
