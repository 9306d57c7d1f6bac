"""The scores of a run's rounds as intervals on one axis, with their comparisons in words. Pure.

Stored texts pass through `printable_line`; the result is Content, never parsed as markup.
Example: score_plots(snapshot.scores, comparisons, chosen=2, kept=2, width=60)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

from textual.content import Content

from crescent_lite.evaluation import ComparisonResult, in_words, word_of
from crescent_lite.printable import printable_line
from crescent_lite.records import AGREEMENT, Score, short_name
from crescent_lite.report.figures import shown_rounds
from crescent_lite.report.gains import Gain
from crescent_lite.store.watching import ScoreCount
from crescent_tui.content.colours import MUTED
from crescent_tui.content.interval_plot import Axis, axis_for, interval_line, scale_line
from crescent_tui.sources.round_detail import Comparisons

MOST_ROUNDS = 10
"""Rounds shown in one plot at most."""
NAME, SCORE, INTERVAL, COUNT = 11, 7, 13, 11
"""Widths of the columns in cells: the round with its mark, the score, the interval, right answers of all."""
WITH_COUNTS = 66
"""The width in cells from which the numbers of right answers and items are shown too."""
Counted = tuple[ScoreCount, Score]


def score_plots(
    scores: Iterable[Counted], comparisons: Comparisons, *, chosen: int, kept: int | None, width: int
) -> Content:
    """For each benchmark and prompt, a line for the base and each round, then the differences in words."""
    greedy = [each for each in scores if each[0].samples == 1]
    if not greedy:
        return Content.styled("Nothing has been evaluated yet.", MUTED)
    room = width - NAME - SCORE - INTERVAL - (COUNT if width >= WITH_COUNTS else 0)
    ends = [100 * end for count, score in greedy if count.items for end in (score.low, score.high)]
    axis = axis_for(ends, room, least=20, limits=(0, 100))
    blocks = []
    for (benchmark, prompt), group in groupby(greedy, key=lambda each: (each[0].benchmark, each[0].prompt)):
        blocks.append(_block(benchmark, prompt, list(group), comparisons, chosen, kept, axis, width))
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


def _block(
    benchmark: str,
    prompt: str,
    counted: Sequence[Counted],
    comparisons: Comparisons,
    chosen: int,
    kept: int | None,
    axis: Axis,
    width: int,
) -> Content:
    by_round = {count.round: (count, score) for count, score in counted}
    shown = shown_rounds(sorted(by_round), kept, MOST_ROUNDS)
    shown = sorted({*shown, chosen} & by_round.keys())
    base = by_round.get(0)
    reference = 100 * base[1].fraction if base and base[0].items else None
    title = Content.styled(printable_line(f"{benchmark}, {short_name(prompt)}", 200), "bold")
    lines = [title.truncate(width, ellipsis=True)]
    for number in shown:
        lines.append(_line(*by_round[number], reference, number == chosen, number == kept, axis, width))
    if len(shown) < len(by_round):
        lines.append(Content.styled(f"  {len(shown)} of {len(by_round)} rounds are shown", MUTED))
    lines.append(Content(" " * (NAME + SCORE)) + scale_line(axis, "%"))
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
        elif number and number in by_round:
            lines.append(Content.styled(f"Round {number} is compared after its last item is answered.", MUTED))
    lines += [_difference(f"{o.model}, against the base", o.verdict, width) for o in others if o.verdict]
    return Content("\n").join([*lines, Content("")])


def _line(
    count: ScoreCount,
    score: Score,
    reference: float | None,
    is_chosen: bool,
    is_kept: bool,
    axis: Axis,
    width: int,
) -> Content:
    who = f"{'▸' if is_chosen else ' '} " + (f"round {count.round}" if count.round else "base")
    name = Content.styled(f"{who:<{NAME - 1}} ", "bold" if is_chosen else "")
    if not count.items:
        return name + Content.styled("not evaluated yet", MUTED)
    ends = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    counts = f"{count.right:,}/{count.items:,}"
    if count.items < count.total:
        counts = f"{count.items:,} of {count.total:,}"
    plot = interval_line(axis, 100 * score.low, 100 * score.fraction, 100 * score.high, reference)
    line = Content.assemble(
        name, (f"{score.fraction:6.1%} ", "bold" if is_kept else ""), plot, (f"{ends:>{INTERVAL}}", MUTED)
    )
    if width >= WITH_COUNTS:
        return line + Content.styled(f"{counts:>{COUNT}}", MUTED)
    unfinished = Content.styled(f"\n{'':{NAME}}{counts} items so far", MUTED)
    return line + unfinished if count.items < count.total else line


def gains(found: Sequence[Gain], width: int) -> Content:
    """Where the gain comes from: one comparison for each part of the method."""
    if not found:
        words = "This run has no controls yet; `crescent controls` shows which part of the method a gain comes from."
        return Content.styled(_wrapped(words, width), MUTED)
    lines: list[Content] = []
    for benchmark, of_benchmark in groupby(found, key=lambda gain: gain.benchmark):
        lines.append(Content.styled(printable_line(benchmark, 200), "bold"))
        for gain in of_benchmark:
            lines.append(
                Content.assemble(f"{gain.about}  ", (printable_line(f"{gain.before} → {gain.after}"), MUTED))
            )
            lines.append(_difference("", gain.verdict, width, indent="    "))
    return Content("\n").join(lines)


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
    styles = {"improved": "$text-success", "shorter": "$text-warning", "got worse": "$text-error"}
    return styles.get(word_of(verdict), "")


def _wrapped(words: str, width: int, indent: str = "") -> str:
    return textwrap.fill(words, max(20, width), initial_indent=indent, subsequent_indent=indent)
