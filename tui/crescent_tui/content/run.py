"""A run in styled text: its pipeline, speed, scores and events, and the load of the machine. Pure.

Stored texts pass through `printable_line`; the result is Content, never parsed as markup.
Example: pipeline(run, width=76) has one line per step.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from textual.content import Content

from crescent_lite.following.throughput import Throughput
from crescent_lite.printable import printable_line
from crescent_lite.records import Score, short_name
from crescent_lite.store.watching import STAGE_OF, EventLine, RunLine, RunSnapshot, ScoreCount, StepProgress
from crescent_tui.content.colours import MUTED, WORD_STYLES
from crescent_tui.content.columns import cell
from crescent_tui.content.words import clock, event_sentence, local_time, plural, spaced, steps_of, time_left
from crescent_tui.sources.machine_load import MachineLoad
from crescent_tui.sources.result import Result

NAME_WIDTH, COUNT_WIDTH, TIME_WIDTH = 9, 16, 8
ITEMS = {"ask": "questions", "vote": "votes", "train": "steps", "evaluate": "items", "second_opinion": "replies"}
"""The items of each stage."""
BLOCKS = " ▁▂▃▄▅▆▇█"
GIB = 2**30
QUIET_SECONDS = 30.0
"""Time without an item after which the screen says so (guess)."""


def title(run: RunSnapshot, line: RunLine | None) -> str:
    """The title of the pipeline. `line` is the run in the list of runs, if it is listed."""
    if line and line.control:
        return f"Control: {printable_line(line.control, 30)}"
    if run.kind == "evaluation":
        return "Evaluation"
    if run.teacher_id is not None:
        return f"Learns from run {run.teacher_id}"
    return f"Round {run.round} of {run.rounds}" if run.round else f"Base, then {plural(run.rounds, 'round')}"


def bar(fraction: float, width: int) -> Content:
    """A progress bar whose filled and empty parts differ in more than colour."""
    filled = round(max(0.0, min(fraction, 1.0)) * width)
    return Content.assemble(("━" * filled, "$success"), ("╌" * (width - filled), MUTED))


def pipeline(run: RunSnapshot, width: int, throughput: Throughput | None = None) -> Content:
    """One line per step: its progress, count, time and speed, or why items were lost."""
    bar_width = max(8, min(40, (width - NAME_WIDTH - COUNT_WIDTH - TIME_WIDTH) // 3))
    return Content("\n").join([_step_line(run, step, bar_width, width, throughput) for step in steps_of(run)])


def _step_line(
    run: RunSnapshot, step: StepProgress, bar_width: int, width: int, throughput: Throughput | None
) -> Content:
    current = throughput if throughput and STAGE_OF.get(step.step) == throughput.stage else None
    started = step.total > 0
    complete = started and step.done >= step.total
    line = Content.assemble(
        (cell(step.step, NAME_WIDTH), "bold" if started and not complete else "" if complete else MUTED),
        bar(step.done / step.total if started else 0, bar_width),
        (cell(_count(step), COUNT_WIDTH, right=True), "" if started else MUTED),
        (cell(clock(step.seconds) if step.seconds is not None else "", TIME_WIDTH, right=True), MUTED),
        (f"  {step_speed(current)}", "$text-accent") if current else (f"  {_note(run, step)}", MUTED),
    )
    return line.truncate(width, ellipsis=True)


def _count(step: StepProgress) -> str:
    # A step that filters shows how many passed, of those it has checked.
    filters = step.step in ("kept", "labelled")
    if not (step.done if filters else step.total):
        return "–"
    return f"{step.passed:,} of {step.done if filters else step.total:,}"


def _note(run: RunSnapshot, step: StepProgress) -> str:
    if step.step == "scored" and run.round == 0:
        return "the base, before any training"
    if step.step == "trained" and run.training_state in ("failed", "interrupted"):
        return run.training_state
    if step.step == "trained" and (losses := [loss for loss in run.losses if math.isfinite(loss)]):
        return f"loss {losses[0]:.2f} → {losses[-1]:.2f}"
    if step.step == "asked" and run.own_questions:
        return "your own questions; the model asks none"
    right = [run.truth.short_words] if step.step == "labelled" and run.truth else []
    return " · ".join([*right, *(f"{spaced(reason)} {count:,}" for reason, count in step.reasons)])


def step_speed(throughput: Throughput) -> str:
    """The speed and the time left: '38 per minute, 1 h 05 min left'."""
    if throughput.paused:
        return "paused"
    if throughput.items_per_minute is None or throughput.remaining_seconds is None:
        return "running"
    return f"{speed(throughput.items_per_minute)} per minute, {time_left(throughput.remaining_seconds)} left"


def speed(number: float) -> str:
    """A number with one decimal if it is below 10, else none."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def now(throughput: Throughput | None, *, is_active: bool = True, quiet_seconds: float = 0.0) -> Content:
    """Items per minute, and on the next line tokens per second. Second opinions have no tokens."""
    if throughput is None:
        return Content.styled("no stage is running" if is_active else "no engine is working on this run", MUTED)
    tokens, is_paused = throughput.tokens_per_second, throughput.paused
    items = "…"
    if throughput.items_per_minute is not None:
        items = f"{speed(throughput.items_per_minute)} {ITEMS[throughput.stage]} per minute"
    loss = f", loss {throughput.loss:.3f}" if throughput.loss is not None else ""
    quiet = quiet_seconds >= QUIET_SECONDS and not is_paused
    first = Content.assemble(
        (f"{items}{loss}", "bold"),
        (f", no item for {clock(quiet_seconds)}" if quiet else "", "$text-warning"),
    )
    if throughput.stage == "second_opinion":
        words = f"second opinions, {throughput.done:,} of {throughput.total:,}"
        return Content("\n").join([first, Content.styled(words + (", paused" if is_paused else ""), MUTED)])
    second = Content.assemble(
        (speed(tokens) if tokens is not None else "–", "bold"),
        (" tokens per second" + (", paused" if is_paused else ""), MUTED),
    )
    return Content("\n").join([first, second])


def curve(values: Sequence[float], width: int, rows: int) -> Content:
    """The newest values as bars from 0, newest on the right, as many as fit in `width` cells."""
    shown = values[-width:] if width > 0 else ()
    most = max(shown, default=0.0)
    if most <= 0 or rows < 1:
        return Content("")
    # A value above 0 is at least one eighth high.
    eighths = [max(1 if value > 0 else 0, round(value / most * rows * 8)) for value in shown]
    lines = ["".join(BLOCKS[max(0, min(8, each - 8 * row))] for each in eighths) for row in reversed(range(rows))]
    return Content.styled("\n".join(lines), "$text-success")


def meters(load: MachineLoad | None, width: int) -> Content:
    """One line each for processor, memory, GPU and GPU memory; 'n/a' if there is none.

    Several GPUs share the lines: the mean of their loads, and their memory together.
    """
    gpu = load.gpu if load else None
    several = "s" if gpu and gpu.count > 1 else ""
    lines = [
        _meter("CPU", load.cpu if load else None, width),
        _meter("RAM", load.memory_used / load.memory_total if load and load.memory_total else None, width,
               _bytes(load.memory_used, load.memory_total) if load else ""),
        _meter(f"GPU{several}", gpu.busy if gpu else None, width),
        _meter("VRAM", gpu.used / gpu.total if gpu and gpu.total else None, width,
               _bytes(gpu.used, gpu.total) if gpu else ""),
    ]  # fmt: skip
    return Content("\n").join(lines)


def _meter(name: str, fraction: float | None, width: int, amount: str = "") -> Content:
    if fraction is None:
        return Content.assemble(cell(name, 5), ("n/a", MUTED))
    text = amount or f"{fraction:.0%}"
    return Content.assemble(
        cell(name, 5), bar(fraction, max(4, width - 5 - 18)), cell(text, 17, right=True)
    ).truncate(width)


def _bytes(used: int, total: int) -> str:
    return f"{used / GIB:.1f} of {total / GIB:.1f} GiB"


def loss_note(run: RunSnapshot) -> Content:
    """The first and last loss of the latest training, and how far it is."""
    losses = [loss for loss in run.losses if math.isfinite(loss)]
    if not losses:
        return Content.styled("no training yet", MUTED)
    trained = next(step for step in run.steps if step.step == "trained")
    return Content.assemble(
        f"{losses[0]:.2f} → ", (f"{losses[-1]:.2f}", "bold"), (f"  step {trained.done:,} of {trained.total:,}", MUTED)
    )


def result(found: Result, width: int) -> Content:
    """The verdict on the round that is kept, in the words of the report; empty before the base is measured."""
    if not found.head:
        return Content("")
    words = textwrap.fill(printable_line(found.about, 400), max(20, width))
    style = f"bold {WORD_STYLES.get(found.word, '')}".strip()
    return Content.assemble((printable_line(found.head, 200), style), (f"\n{words}\n", MUTED))


def scores(counted: Iterable[tuple[ScoreCount, Score]]) -> Content:
    """For each benchmark and prompt, a line for the base and each round, with the 95% interval."""
    lines: list[Content] = []
    by_measurement = groupby(counted, key=lambda each: (each[0].benchmark, each[0].prompt, each[0].samples))
    for (benchmark, prompt, samples), group in by_measurement:
        how = f", {samples} samples per item" if samples > 1 else ""
        lines.append(Content.styled(printable_line(f"{benchmark}, {short_name(prompt)}{how}", 200), "bold"))
        lines += [_score_line(count, score) for count, score in group]
    return Content("\n").join(lines)


def _score_line(count: ScoreCount, score: Score) -> Content:
    who = f"round {count.round}" if count.round else "base"
    if not count.items:
        return Content.styled(f"  {cell(who, 9)}not evaluated yet", MUTED)
    return Content.assemble(
        f"  {cell(who, 9)}{score.fraction:6.1%}",
        (f"  {score.low * 100:.1f} to {score.high * 100:.1f}", MUTED),
        (f"\n{'':11}{count.items:,} of {count.total:,} items so far" if count.items < count.total else "", MUTED),
    )


def events(lines: Iterable[EventLine]) -> Content:
    """Events in words, newest first."""
    return Content("\n").join(
        [Content.assemble((f"{local_time(e.created_at)}  ", MUTED), event_sentence(e)) for e in lines]
    )
