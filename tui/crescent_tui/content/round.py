"""One round in styled text: what is kept and why, its alarms, yield, shares, lengths and its training. Pure.

Everything that was stored passes `printable_line`; the result is Content, never markup.
Example: loss(facts, width=60) has the curve, and below it the first and the last value.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.report.alarms import LOOKS_FOR, MARKS, spaced_name, standing_of
from crescent_lite.report.figures import thinned
from crescent_lite.report.flow import FlowStep
from crescent_lite.report.tables import kept_in_words
from crescent_lite.round_facts import Alarm
from crescent_tui.content.colours import MUTED
from crescent_tui.content.interval_plot import axis_for, interval_line, scale_line
from crescent_tui.content.line_chart import CURVE, CURVE_SIGN, MARK, MARK_SIGN, line_chart
from crescent_tui.content.run import bar
from crescent_tui.sources.round_detail import RoundDetail

STEP_NAMES = {"texts": "asked", "new": "kept", "voted on": "voted"}
"""As these steps are called on the other screens."""
ALARM_STYLES = {"fired": "bold $text-error", "quiet": "$text-success", "unknown": MUTED}
ALARM_SIGNS = {"fired": "!", "quiet": "✓", "unknown": "·"}
SHARE_BINS = 8
LENGTHS = (("votes", "votes"), ("evaluated", "replies to the benchmarks"))
MOST_LENGTHS = 12
"""Rounds with a line of their own, the latest ones."""
LOSS_HEIGHT = 6


def standing(facts: RoundDetail, width: int) -> Content:
    """Which round is the run's and why, and how this one ended."""
    kept = kept_in_words(facts.standing) or "No round has an adapter yet."
    lines = [Content.styled(_wrapped(kept, width), "bold" if facts.number == facts.standing.kept else "")]
    said = _outcome(facts)
    if (score := facts.standing.scores.get(facts.number)) is not None:
        said += f" Mean flexible score {score:.1%}."
    lines.append(Content(_wrapped(said, width)))
    if facts.this and facts.this.asking_stopped:
        lines.append(Content(_wrapped(f"Asking was stopped: {printable_line(facts.this.asking_stopped)}", width)))
    return Content("\n").join(lines)


def _outcome(facts: RoundDetail) -> str:
    if facts.number == 0:
        return "The base, before any training."
    if facts.this is None:
        return f"Round {facts.number} has not begun."
    return f"Round {facts.number}: {printable_line(facts.this.outcome or 'unfinished', 500)}."


def alarms(found: tuple[Alarm, ...], width: int) -> Content:
    """Those that fired first, with what each looks for; then the quiet ones, then those that could not be judged."""
    if not found:
        return Content.styled("No alarm has looked at this round yet.", MUTED)
    order = ("fired", "quiet", "unknown")
    return Content("\n").join(
        [_alarm(alarm, width) for alarm in sorted(found, key=lambda each: order.index(standing_of(each)))]
    )


def _alarm(alarm: Alarm, width: int) -> Content:
    state, name = standing_of(alarm), printable_line(spaced_name(alarm.name), 40)
    words = f"{name}: {printable_line(alarm.words, 500)}"
    head = f"{ALARM_SIGNS[state]} {MARKS[state]:<16}"
    if state == "fired":
        words += f". {LOOKS_FOR[alarm.name]}" if alarm.name in LOOKS_FOR else ""
    body = textwrap.fill(words, max(20, width - 2), subsequent_indent="  ")
    if width >= 70:
        body = textwrap.fill(words, width - len(head), subsequent_indent=" " * len(head))
        return Content.assemble((head, ALARM_STYLES[state]), (body, "" if state == "fired" else MUTED))
    short = {"fired": "fired ", "quiet": "quiet ", "unknown": ""}[state]
    body = textwrap.fill(short + words, max(20, width - 2), subsequent_indent="  ")[len(short) :]
    return Content.assemble(
        (f"{ALARM_SIGNS[state]} {short}", ALARM_STYLES[state]), (body, "" if state == "fired" else MUTED)
    )


def flow(facts: RoundDetail, width: int) -> Content:
    """From a text to an example: how many are left after each step, of all, and why the rest is not."""
    if facts.teacher_id:
        learnt = f"It asked and voted on nothing itself: it learns from the labels of run {facts.teacher_id}."
        examples = facts.training.examples if facts.training else 0
        return Content(f"{_wrapped(learnt, width)}\n{examples:,} examples.")
    if not facts.steps or not facts.steps[0].count:
        return Content.styled("Nothing has been asked yet.", MUTED)
    whole = facts.steps[0].count
    names = STEP_NAMES | ({"texts": "yours"} if facts.own_questions else {})
    return Content("\n").join([_step(step, names.get(step.name, step.name), whole, width) for step in facts.steps])


def _step(step: FlowStep, name: str, whole: int, width: int) -> Content:
    own = step.count - step.joined[1]
    bar_width = max(6, min(24, (width - 24) // 3))
    lost = [f"{printable_line(reason, 60)} {count:,}" for reason, count in step.lost]
    lost += [f"{step.joined[1]:,} more {printable_line(step.joined[0], 60)}"] if step.joined[1] else []
    line = Content.assemble(
        f"{name:<9}", bar(own / whole, bar_width), f"{step.count:>8,}", (f"{own / whole:>6.0%}", "bold"),
        (f"  {'−' if step.lost else ''}{' · '.join(lost)}" if lost else "", MUTED),
    )  # fmt: skip
    return line.truncate(width, ellipsis=True)


def shares(facts: RoundDetail, width: int) -> Content:
    """How many questions have which share of their votes on the leading answer; those with a label apart."""
    bins = {True: Counter[int](), False: Counter[int]()}
    for (share, is_label), count in facts.shares.items():
        bins[is_label][min(int(share * SHARE_BINS), SHARE_BINS - 1)] += count
    most = max((bins[True][index] + bins[False][index] for index in range(SHARE_BINS)), default=0)
    if not most:
        return Content.styled("No question has all its votes yet.", MUTED)
    room = max(8, width - 24)
    lines = [_share_line(index, bins[True][index], bins[False][index], most, room) for index in range(SHARE_BINS)]
    questions = sum(facts.shares.values())
    mean = sum(share * count for (share, _), count in facts.shares.items()) / questions
    said = f"█ labelled, ░ no label; {questions:,} questions, mean share {mean:.0%}"
    said += f"; a label needs {facts.least_share:.0%}" if facts.least_share is not None else ""
    return Content("\n").join([*lines, Content.styled(_wrapped(said, width), MUTED)])


def _share_line(index: int, labelled: int, rest: int, most: int, room: int) -> Content:
    low, high = index / SHARE_BINS, (index + 1) / SHARE_BINS
    all_of_it = math.ceil(room * (labelled + rest) / most)
    full = min(all_of_it, math.ceil(room * labelled / most))
    return Content.assemble(
        (f"{low:>6.1%} to {high:<6.1%} ", MUTED),
        ("█" * full, "$success"),
        ("░" * (all_of_it - full), "$warning"),
        f" {labelled + rest:,}" if labelled + rest else "",
    )


def lengths(facts: RoundDetail, width: int) -> Content:
    """Tokens of votes and of replies to the benchmarks, round after round: 10th, 50th and 90th percentile."""
    blocks = [_lengths_of(facts, name, title, width) for name, title in LENGTHS]
    found = [block for block in blocks if block]
    if not found:
        return Content.styled("No round has been measured yet.", MUTED)
    words = "● median, ├ ┤ 10th to 90th percentile. Votes of a round are by the model of the round before."
    return Content("\n").join([*found, Content.styled(_wrapped(words, width), MUTED)])


def _lengths_of(facts: RoundDetail, name: str, title: str, width: int) -> Content | None:
    rows = [
        (number, *(measures[f"{name}_tokens_p{percent}"] for percent in (10, 50, 90)))
        for number, measures in sorted(facts.lengths.items())
        if all(f"{name}_tokens_p{percent}" in measures for percent in (10, 50, 90))
    ][-MOST_LENGTHS:]
    if not rows:
        return None
    axis = axis_for([end for row in rows for end in (row[1], row[3])], width - 32, least=10, limits=(0, math.inf))
    lines = [Content.styled(f"{title}, tokens", "bold")]
    for number, low, median, high in rows:
        who = ("▸ " if number == facts.number else "  ") + (f"round {number}" if number else "base")
        ends = f"{low:,.0f} to {high:,.0f}"
        plot = interval_line(axis, low, median, high, rows[0][2])
        lines.append(Content.assemble(f"{who:<11}", f"{median:6,.0f} ", plot, (f"{ends:>14}", MUTED)))
    return Content("\n").join([*lines, Content(" " * 18) + scale_line(axis)])


def loss(facts: RoundDetail, width: int) -> Content:
    """The curve of the round's training as far as it is, and its first and last values."""
    training = facts.training
    points = [(step, value) for step, value, _ in facts.curve if math.isfinite(value)]
    held_out = [(step, value) for step, _, value in facts.curve if value is not None and math.isfinite(value)]
    if training is None or not points:
        state = training.state if training else None
        said = "The training has made no step yet." if state == "running" else "No training yet."
        return Content.styled(said, MUTED)
    planned = max(training.planned_steps, points[-1][0])
    last = points[-1][0] if training.state == "finished" else planned
    curve = list(zip(*thinned(points), strict=True))
    chart = line_chart(curve, held_out, width=width, height=LOSS_HEIGHT, last=last)
    lines = [chart, _values(CURVE_SIGN, CURVE, "loss", points, width)]
    if held_out:
        best = min(held_out, key=lambda point: point[1])
        lines.append(
            _values(MARK_SIGN, MARK, "held out", held_out, width, f", best {best[1]:.2f} at step {best[0]:,}")
        )
    apart = f", {training.held_out_examples:,} of them held out" if training.held_out_examples else ""
    said = f"step {points[-1][0]:,} of {planned:,}; {training.examples:,} examples{apart}"
    if training.held_out_before is not None:
        said += f", whose loss was {training.held_out_before:.2f} before the training"
    if training.state in ("failed", "interrupted"):
        said += f"; {training.state}"
    if training.stopped:
        said += f"; ended early: {printable_line(training.stopped, 200)}"
    lines.append(Content.styled(_wrapped(said, width), MUTED))
    return Content("\n").join(lines)


def _values(sign: str, style: str, name: str, points: list[tuple[int, float]], width: int, more: str = "") -> Content:
    first, last = points[0][1], points[-1][1]
    return Content.assemble(
        (f"{sign} ", style), f"{name:<9}{first:.2f} → ", (f"{last:.2f}", "bold"), (f" nats a token{more}", MUTED)
    ).truncate(width, ellipsis=True)


def _wrapped(words: str, width: int) -> str:
    return textwrap.fill(words, max(20, width))
