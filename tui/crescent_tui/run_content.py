"""The run in styled text: its pipeline, its scores, its events. Pure functions of what was seen.

Everything that was stored passes `printable`; the result is Content, never markup.
Example: pipeline(run, width=76) has one line for each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.records import Score
from crescent_lite.store.watching import EventLine, RunSnapshot, ScoreCount, StepProgress
from crescent_tui.words import clock, event_sentence, local_time, spaced

MUTED = "$foreground 60%"
NAME_WIDTH, COUNT_WIDTH, TIME_WIDTH = 9, 16, 8


def bar(fraction: float, width: int) -> Content:
    """A filled part and an empty one, that differ without colour too."""
    filled = round(max(0.0, min(fraction, 1.0)) * width)
    return Content.assemble(("━" * filled, "$success"), ("╌" * (width - filled), MUTED))


def pipeline(run: RunSnapshot, width: int) -> Content:
    """One line a step: how far, how many, how long, and why the rest is not."""
    bar_width = max(8, min(40, (width - NAME_WIDTH - COUNT_WIDTH - TIME_WIDTH) // 3))
    return Content("\n").join([_step_line(run, step, bar_width, width) for step in run.steps])


def _step_line(run: RunSnapshot, step: StepProgress, bar_width: int, width: int) -> Content:
    begun = step.total > 0
    complete = begun and step.done >= step.total
    line = Content.assemble(
        (f"{step.step:<{NAME_WIDTH}}", "bold" if begun and not complete else "" if complete else MUTED),
        bar(step.done / step.total if begun else 0, bar_width),
        (f"{_count(step):>{COUNT_WIDTH}}", "" if begun else MUTED),
        (f"{clock(step.seconds) if step.seconds is not None else '':>{TIME_WIDTH}}", MUTED),
        (f"  {_note(run, step)}", MUTED),
    )
    return line.truncate(width, ellipsis=True)


def _count(step: StepProgress) -> str:
    # Where something is sorted out, what counts is how many came through of those looked at.
    sorted_out = step.step in ("kept", "labelled")
    if not (step.done if sorted_out else step.total):
        return "–"
    return f"{step.passed:,} of {step.done if sorted_out else step.total:,}"


def _note(run: RunSnapshot, step: StepProgress) -> str:
    if step.step == "scored" and run.round == 0:
        return "the base, before any training"
    if step.step == "trained" and run.training_state in ("failed", "interrupted"):
        return run.training_state
    return " · ".join(f"{spaced(reason)} {count:,}" for reason, count in step.reasons)


def scores(counted: Iterable[tuple[ScoreCount, Score]]) -> Content:
    """Each benchmark and prompt, then a line for the base and each round, with the 95% interval."""
    lines: list[Content] = []
    for (benchmark, prompt), group in groupby(counted, key=lambda each: (each[0].benchmark, each[0].prompt)):
        lines.append(Content.styled(printable_line(f"{benchmark}, {prompt}", 200), "bold"))
        lines += [_score_line(count, score) for count, score in group]
    return Content("\n").join(lines)


def _score_line(count: ScoreCount, score: Score) -> Content:
    who = f"round {count.round}" if count.round else "base"
    if not count.items:
        return Content.styled(f"  {who:<9}not measured yet", MUTED)
    return Content.assemble(
        f"  {who:<9}{score.fraction:6.1%}",
        (f"  {score.low * 100:.1f}–{score.high * 100:.1f}", MUTED),
        (f"  {count.items:,} of {count.total:,}" if count.items < count.total else "", MUTED),
    )


def events(lines: Iterable[EventLine]) -> Content:
    """The newest first."""
    return Content("\n").join(
        [Content.assemble((f"{local_time(e.created_at)}  ", MUTED), event_sentence(e)) for e in lines]
    )
