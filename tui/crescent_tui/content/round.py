"""One round in styled text: which round is kept and why; alarms, yield, shares, lengths and loss. Pure.

Stored texts pass through `printable_line`; the result is Content, never parsed as markup.
Example: loss(detail, width=60).plain begins with '⠤ loss     2.41 → 1.20 nats per token'.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.report.alarms import LOOKS_FOR, MARKS, spaced_name, standing_of
from crescent_lite.report.flow import FlowStep
from crescent_lite.report.tables import kept_in_words
from crescent_lite.round_facts import Alarm, measures_in_words
from crescent_lite.store.evaluations import Agreement
from crescent_tui.content.colours import MUTED, SERIES
from crescent_tui.content.columns import cell, widths
from crescent_tui.content.interval_plot import axis_for, interval_line, scale_line
from crescent_tui.content.line_chart import CURVE_SIGN, MARK_SIGN, Curve, line_chart, whole_view
from crescent_tui.content.run import bar
from crescent_tui.sources.round_detail import RoundDetail

STEP_NAMES = {"texts": "asked", "new": "kept", "voted on": "voted"}
"""Names of steps that the other screens call differently."""
ALARM_STYLES = {"fired": "bold $text-error", "quiet": "$text-success", "unknown": MUTED}
ALARM_SIGNS = {"fired": "!", "quiet": "✓", "unknown": "·"}
MARK_WIDTH = max(map(len, MARKS.values())) + 2
"""Cells of the state of an alarm."""
SHARE_BINS = 8
LENGTHS = (("votes", "votes"), ("evaluated", "replies to benchmarks"))
MOST_LENGTHS = 12
"""Rounds shown at most, the latest ones."""
LOOKS_HEIGHT = 5


def standing(detail: RoundDetail, width: int) -> Content:
    """Which round the run keeps and why, and the outcome of this round."""
    kept = kept_in_words(detail.standing, detail.primary) or "No round has an adapter yet."
    lines = [Content.styled(_wrapped(kept, width), "bold" if detail.number == detail.standing.kept else "")]
    said = _outcome(detail)
    if detail.agreement:
        said += f" {_agreement(detail.agreement)}"
    elif (score := detail.standing.scores.get(detail.number)) is not None:
        said += f" Mean flexible score {score:.1%}."
    lines.append(Content(_wrapped(said, width)))
    if detail.truth:
        lines.append(Content(_wrapped(f"{detail.truth.words}.", width)))
    if detail.this and detail.this.asking_stopped:
        lines.append(Content(_wrapped(f"Asking stopped early: {printable_line(detail.this.asking_stopped)}", width)))
    told = detail.this.outcome or "" if detail.this else ""
    lines += [
        Content.styled(_wrapped(f"{found.words}.", width), "$text-warning")
        for found in detail.in_thoughts
        if found.words not in told
    ]
    return Content("\n").join(lines)


def _agreement(found: Agreement) -> str:
    share = f"{found.agreed}/{found.items}, {found.agreed / found.items:.1%}"
    return f"Agreement with the base's votes {share}; {found.cut_off:.1%} cut off, {found.tokens:.0f} tokens a reply."


def _outcome(detail: RoundDetail) -> str:
    if detail.number == 0:
        return "The base, before any training."
    if detail.this is None:
        return f"Round {detail.number} has not started."
    return f"Round {detail.number}: {printable_line(detail.this.outcome or 'unfinished', 500)}."


def alarms(found: tuple[Alarm, ...], width: int) -> Content:
    """The alarms that fired, with what each looks for; then the quiet ones, then those without enough data."""
    if not found:
        return Content.styled("No alarm has checked this round yet.", MUTED)
    order = ("fired", "quiet", "unknown")
    return Content("\n").join(
        [_alarm(alarm, width) for alarm in sorted(found, key=lambda each: order.index(standing_of(each)))]
    )


def _alarm(alarm: Alarm, width: int) -> Content:
    state, name = standing_of(alarm), printable_line(spaced_name(alarm.name), 40)
    words = f"{name}: {printable_line(alarm.words, 500)}"
    head = f"{ALARM_SIGNS[state]} {cell(MARKS[state], MARK_WIDTH)}"
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


def flow(detail: RoundDetail, width: int) -> Content:
    """From raw texts to examples: how many are left after each step, and why the others were lost."""
    if detail.teacher_id:
        learnt = f"This run asks and votes on nothing: it learns from the labels of run {detail.teacher_id}."
        examples = detail.training.examples if detail.training else 0
        return Content(f"{_wrapped(learnt, width)}\n{examples:,} examples.")
    if not detail.steps or not detail.steps[0].count:
        return Content.styled("Nothing has been asked yet.", MUTED)
    whole = detail.steps[0].count
    names = STEP_NAMES | ({"texts": "yours"} if detail.own_questions else {})
    return Content("\n").join([_step(step, names.get(step.name, step.name), whole, width) for step in detail.steps])


def _step(step: FlowStep, name: str, whole: int, width: int) -> Content:
    own = step.count - step.joined[1]
    bar_width = max(6, min(24, (width - 24) // 3))
    lost = [f"{printable_line(reason, 60)} {count:,}" for reason, count in step.lost]
    lost += [f"{step.joined[1]:,} more {printable_line(step.joined[0], 60)}"] if step.joined[1] else []
    line = Content.assemble(
        cell(name, 9), bar(own / whole, bar_width), cell(f"{step.count:,}", 8, right=True),
        (cell(f"{own / whole:.0%}", 6, right=True), "bold"),
        (f"  {'−' if step.lost else ''}{' · '.join(lost)}" if lost else "", MUTED),
    )  # fmt: skip
    return line.truncate(width, ellipsis=True)


def shares(detail: RoundDetail, width: int) -> Content:
    """A histogram of the share of the leading answer over questions, those with a label in another colour."""
    bins = {True: Counter[int](), False: Counter[int]()}
    for (share, is_label), count in detail.shares.items():
        bins[is_label][min(int(share * SHARE_BINS), SHARE_BINS - 1)] += count
    most = max((bins[True][index] + bins[False][index] for index in range(SHARE_BINS)), default=0)
    if not most:
        return Content.styled("No question has all its votes yet.", MUTED)
    room = max(8, width - 24)
    lines = [_share_line(index, bins[True][index], bins[False][index], most, room) for index in range(SHARE_BINS)]
    questions = sum(detail.shares.values())
    mean = sum(share * count for (share, _), count in detail.shares.items()) / questions
    said = f"█ labelled, ░ no label; {questions:,} questions, mean share {mean:.0%}"
    said += f"; a label requires {detail.least_share:.0%}" if detail.least_share is not None else ""
    return Content("\n").join([*lines, Content.styled(_wrapped(said, width), MUTED)])


def _share_line(index: int, labelled: int, rest: int, most: int, room: int) -> Content:
    low, high = index / SHARE_BINS, (index + 1) / SHARE_BINS
    all_of_it = math.ceil(room * (labelled + rest) / most)
    full = min(all_of_it, math.ceil(room * labelled / most))
    return Content.assemble(
        (f"{low:>6.1%} to {cell(f'{high:.1%}', 7)}", MUTED),
        ("█" * full, "$success"),
        ("░" * (all_of_it - full), "$warning"),
        f" {labelled + rest:,}" if labelled + rest else "",
    )


def lengths(detail: RoundDetail, width: int) -> Content:
    """Tokens per vote and per reply to a benchmark, for each round: 10th, 50th and 90th percentile."""
    blocks = [_lengths_of(detail, name, title, width) for name, title in LENGTHS]
    found = [block for block in blocks if block]
    if not found:
        return Content.styled("No round has been evaluated yet.", MUTED)
    words = "● median, ├ ┤ 10th to 90th percentile. The votes of a round come from the model of the previous round."
    return Content("\n").join([*found, Content.styled(_wrapped(words, width), MUTED)])


def _lengths_of(detail: RoundDetail, name: str, title: str, width: int) -> Content | None:
    rows = [
        (number, *(measures[f"{name}_tokens_p{percent}"] for percent in (10, 50, 90)))
        for number, measures in sorted(detail.lengths.items())
        if all(f"{name}_tokens_p{percent}" in measures for percent in (10, 50, 90))
    ][-MOST_LENGTHS:]
    if not rows:
        return None
    room = widths([(f"{low:,.0f} to {high:,.0f}",) for _, low, _, high in rows])[0]
    ends_of = [end for row in rows for end in (row[1], row[3])]
    axis = axis_for(ends_of, width - 20 - room, least=10, limits=(0, math.inf))
    lines = [Content.styled(f"{title}, tokens", "bold")]
    for number, low, median, high in rows:
        who = ("▸ " if number == detail.number else "  ") + (f"round {number}" if number else "base")
        plot = interval_line(axis, low, median, high, rows[0][2])
        middle, ends = f"{median:,.0f}", f"{low:,.0f} to {high:,.0f}"
        lines.append(
            Content.assemble(
                cell(who, 11), cell(middle, 6, right=True), " ", plot, (cell(ends, room + 2, right=True), MUTED)
            )
        )
    return Content("\n").join([*lines, Content(" " * 18) + scale_line(axis)])


def loss(detail: RoundDetail, width: int) -> Content:
    """The first and last loss of the training so far, and how far it is; the curves are drawn apart."""
    training = detail.training
    points = [(step, value) for step, value, _ in detail.curve if math.isfinite(value)]
    held_out = [(step, value) for step, _, value in detail.curve if value is not None and math.isfinite(value)]
    if training is None or not points:
        state = training.state if training else None
        said = "Training has not made a step yet." if state == "running" else "No training yet."
        return Content.styled(said, MUTED)
    planned = max(training.planned_steps, points[-1][0])
    style = f"$curve-{detail.number % len(SERIES)}"
    lines = [_values(CURVE_SIGN, style, "loss", points, width)]
    if held_out:
        best = min(held_out, key=lambda point: point[1])
        lines.append(
            _values(MARK_SIGN, style, "held out", held_out, width, f", best {best[1]:.2f} at step {best[0]:,}")
        )
    apart = f", {training.held_out_examples:,} of them held out" if training.held_out_examples else ""
    said = f"step {points[-1][0]:,} of {planned:,}; {training.examples:,} examples{apart}"
    if training.held_out_before is not None:
        said += f" with a loss of {training.held_out_before:.2f} before training"
    if training.state in ("failed", "interrupted"):
        said += f"; {training.state}"
    if training.stopped:
        said += f"; stopped early: {printable_line(training.stopped, 200)}"
    lines.append(Content.styled(_wrapped(said, width), MUTED))
    if len(detail.looks) > 1:
        lines += _looks(detail, width)
    lines += [Content.styled(_wrapped(line, width), MUTED) for line in measures_in_words(training.measures)]
    return Content("\n").join(lines)


def _looks(detail: RoundDetail, width: int) -> list[Content]:
    """How the replies to held-out questions agree with the votes, look by look, and how many are cut off."""
    curves = [
        Curve("agreement", detail.number, [(look.step, 100 * look.agreement) for look in detail.looks]),
        Curve(
            "cut off", detail.number + 1, [(look.step, 100 * look.cut_off) for look in detail.looks], is_sparse=True
        ),
    ]
    lines = [line_chart(curves, width=width, height=LOOKS_HEIGHT, view=whole_view(curves), unit="%")]
    for curve in curves:
        first, final = curve.points[0][1], curve.points[-1][1]
        change = f"{cell(curve.name, 10)}{first:.0f}% → "
        line = Content.assemble((f"{curve.sign} ", curve.style), change, (f"{final:.0f}%", "bold"))
        lines.append(line.truncate(width, ellipsis=True))
    return lines


def _values(sign: str, style: str, name: str, points: list[tuple[int, float]], width: int, more: str = "") -> Content:
    first, last = points[0][1], points[-1][1]
    return Content.assemble(
        (f"{sign} ", style),
        f"{cell(name, 9)}{first:.2f} → ",
        (f"{last:.2f}", "bold"),
        (f" nats per token{more}", MUTED),
    ).truncate(width, ellipsis=True)


def _wrapped(words: str, width: int) -> str:
    return textwrap.fill(words, max(20, width))
