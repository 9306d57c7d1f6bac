"""The plots of a run, drawn from plain values. Axes name their unit; panels give the number of items.

Knows nothing of the store. Intervals are 95% Wilson intervals. Example:
    draw_losses([Curve("round 1", steps=(1, 2), losses=(2.1, 1.4), held_out=())]) -> "<svg ..."
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crescent_lite.records import Score
from crescent_lite.report.drawing import AMBER, BLUE, FAINT, GREEN, GREY, INK, LINE, ORANGE, canvas, name_of, svg_of

WIDTH = 9.4
"""Inches: the width of the page."""
ONE_PANEL = 3.6
"""Inches: the width of a figure with one panel."""
MOST_TICKS = 8
"""Most rounds that are named under a panel."""


@dataclass(frozen=True)
class ScorePanel:
    """The scores on one benchmark with one prompt."""

    title: str
    rounds: tuple[int, ...]
    """Numbers of the rounds; 0 is the base."""
    flexible: tuple[Score, ...]
    """Score of each round, right answers counted wherever they are written."""
    strict: tuple[Score, ...]
    """Score of each round, right answers counted in marked places only."""


@dataclass(frozen=True)
class SharePanel:
    """The questions of a round by the share of their leading answer."""

    title: str
    labelled: tuple[int, ...]
    """Number of questions with a label in each of equally wide bins of the share, from 0 to 1."""
    rest: tuple[int, ...]
    """Number of questions without a label in each bin."""


@dataclass(frozen=True)
class CalibrationPanel:
    """How often the leading answer of one model on one benchmark is right, by its share."""

    title: str
    shares: tuple[float, ...]
    """Mean share of each bin, 0-1."""
    right: tuple[Score, ...]
    """Fraction of the bin's items whose leading answer is right."""


@dataclass(frozen=True)
class Curve:
    """The loss of one training."""

    title: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    """Loss at each of `steps`, nats per token."""
    held_out: tuple[tuple[int, float], ...]
    """(step, loss on the held-out examples) pairs; step 0 is before the training."""


@dataclass(frozen=True)
class LooksPanel:
    """The greedy replies to held-out questions during one training."""

    title: str
    steps: tuple[int, ...]
    """Steps after which they were drawn; 0 is before the training."""
    agreement: tuple[Score, ...]
    """Replies that agree with the votes, at each of `steps`."""
    cut_off: tuple[float, ...]
    """Fraction of replies that were cut off, 0-1, at each of `steps`."""


@dataclass(frozen=True)
class LengthPanel:
    """Lengths of replies over the rounds, in tokens."""

    title: str
    rounds: tuple[int, ...]
    low: tuple[float, ...]
    """10th percentile of each round."""
    middle: tuple[float, ...]
    """Median of each round."""
    high: tuple[float, ...]
    """90th percentile of each round."""


def draw_scores(panels: Sequence[ScorePanel], kept: int | None) -> str:
    """Right answers by round, one panel for each benchmark and prompt; a ring marks the kept round."""
    with _grid(len(panels), 2.5, sharey=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            axis.set_title(f"{name_of(panel.title)} (n={panel.flexible[0].items:,})")
            axis.axhline(100 * panel.flexible[0].fraction, color=GREY, linewidth=1, linestyle="--", zorder=1)
            for scores, colour, marker, shift, label in (
                (panel.strict, ORANGE, "s", 0.1, "strict: in a marked place"),
                (panel.flexible, BLUE, "o", -0.1, "flexible: anywhere in the reply"),
            ):
                places = [number + shift for number in panel.rounds]
                _intervals(axis, places, scores, color=colour, marker=marker, linestyle="-", label=label)
            if kept in panel.rounds:
                at = panel.rounds.index(kept)
                ring = {"s": 190, "facecolors": "none", "edgecolors": INK, "linewidths": 1.4, "zorder": 4}
                axis.scatter([kept - 0.1], [100 * panel.flexible[at].fraction], label="the kept round", **ring)
            _round_axis(axis, panel.rounds)
            axis.set_ylim(0, 106)
            axis.set_yticks(range(0, 101, 20))
            axis.set_xlabel("after round")
            axis.set_ylabel("right answers, %")
        _legend_above(figure, axes[0])
        return svg_of(figure, "scores", "Right answers after each round, with 95% intervals")


def draw_shares(panels: Sequence[SharePanel], floor: float | None) -> str:
    """A histogram of the share of the leading answer, one panel for each round. `floor` is the least share of a
    label; None draws no line."""
    most = max(sum(both) for panel in panels for both in zip(panel.labelled, panel.rest, strict=True))
    with _grid(len(panels), 2.2, sharey=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            bins = len(panel.labelled)
            middles = [100 * (index + 0.5) / bins for index in range(bins)]
            width = 86 / bins
            axis.bar(middles, panel.labelled, width, color=BLUE, label="with a label")
            axis.bar(middles, panel.rest, width, bottom=panel.labelled, color=AMBER, label="without a label")
            if floor is not None:
                axis.axvline(100 * floor, color=INK, linewidth=1, linestyle=":", label="lowest share of a label")
            axis.set_title(f"{panel.title} (n={sum(panel.labelled) + sum(panel.rest):,})")
            axis.set_xlim(0, 100)
            axis.set_ylim(0, 1.08 * most)
            axis.set_xlabel("share of the leading answer, %")
            axis.set_ylabel("questions")
            axis.yaxis.get_major_locator().set_params(integer=True)
        _legend_above(figure, axes[0])
        return svg_of(figure, "shares", "How sure the votes were")


def draw_calibration(panels: Sequence[CalibrationPanel]) -> str:
    """How often the leading answer is right, by its share; on the diagonal both are equal."""
    with _grid(len(panels), 2.7, sharey=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            axis.plot(
                [0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--", label="right as often as its share"
            )
            places = [100 * share for share in panel.shares]
            style = {"color": BLUE, "marker": "o", "linestyle": "none", "label": "the leading answer is right"}
            _intervals(axis, places, panel.right, **style)
            for place, score in zip(places, panel.right, strict=True):
                axis.annotate(
                    f"n={score.items:,}", (place, 100 * score.high), (0, 4), textcoords="offset points",
                    ha="center", color=FAINT, fontsize=8.5,
                )  # fmt: skip
            axis.set_title(f"{name_of(panel.title)} (n={sum(score.items for score in panel.right):,})")
            axis.set_xlim(-4, 108)
            axis.set_ylim(0, 112)
            axis.set_yticks(range(0, 101, 25))
            axis.set_xlabel("share of the leading answer, %")
            axis.set_ylabel("right, %")
        _legend_above(figure, axes[0])
        return svg_of(figure, "calibration", "How often the leading answer is right, by its share")


def draw_losses(curves: Sequence[Curve]) -> str:
    """The loss of each training by step, one panel for each training."""
    most = max(loss for curve in curves for loss in (*curve.losses, *(loss for _, loss in curve.held_out)))
    with _grid(len(curves), 2.3, sharey=True) as (figure, axes):
        for axis, curve in zip(axes, curves, strict=True):
            few = "o" if len(curve.steps) < 3 else ""
            axis.plot(curve.steps, curve.losses, color=BLUE, linewidth=1.5, marker=few, label="examples trained on")
            if curve.held_out:
                steps, losses = zip(*curve.held_out, strict=True)
                axis.plot(steps, losses, color=ORANGE, marker="s", markersize=4, label="held-out examples")
            axis.set_title(curve.title)
            axis.set_ylim(0, 1.08 * most or 1)
            axis.set_xlabel("step of the optimiser")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set_ylabel("loss, nats per token")
        fullest = max(range(len(curves)), key=lambda index: len(curves[index].held_out))
        _legend_above(figure, axes[fullest])
        return svg_of(figure, "loss", "Training loss")


def draw_looks(panels: Sequence[LooksPanel]) -> str:
    """How replies to held-out questions agree with the votes during each training, and how many are cut off."""
    with _grid(len(panels), 2.3, sharey=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            style = {"color": BLUE, "marker": "o", "linestyle": "-", "label": "agree with the votes"}
            _intervals(axis, panel.steps, panel.agreement, **style)
            cut_off = [100 * share for share in panel.cut_off]
            axis.plot(panel.steps, cut_off, color=ORANGE, marker="s", markersize=4, label="cut off")
            axis.set_title(f"{panel.title} (n={panel.agreement[0].items:,})")
            axis.set_ylim(-3, 106)
            axis.set_yticks(range(0, 101, 20))
            axis.set_xlabel("step of the optimiser")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set_ylabel("replies, %")
        _legend_above(figure, axes[0])
        return svg_of(figure, "looks", "Replies to held-out questions during the training")


def draw_lengths(panels: Sequence[LengthPanel]) -> str:
    """The length of replies by round."""
    with _grid(len(panels), 2.3) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            below = [middle - low for middle, low in zip(panel.middle, panel.low, strict=True)]
            above = [high - middle for middle, high in zip(panel.middle, panel.high, strict=True)]
            axis.errorbar(
                panel.rounds, panel.middle, (below, above), color=BLUE, marker="o", capsize=3, elinewidth=1.2,
                label="median, and from the 10th to the 90th percentile",
            )  # fmt: skip
            axis.set_title(panel.title)
            _round_axis(axis, panel.rounds)
            axis.set_ylim(0, 1.15 * max(panel.high) or 1)
            axis.set_xlabel("round")
            axis.set_ylabel("tokens of a reply")
        _legend_above(figure, axes[0])
        return svg_of(figure, "lengths", "Length of the replies by round")


def draw_alarms(names: Sequence[str], rounds: Sequence[int], standing: Mapping[tuple[str, int], str]) -> str:
    """A grid of alarms and rounds. `standing` is 'fired', 'quiet' or 'unknown' for each (alarm, round)."""
    looks = {
        "fired": {"marker": "X", "s": 120, "color": ORANGE, "label": "fired"},
        "quiet": {"marker": "o", "s": 70, "color": GREEN, "label": "quiet"},
        "unknown": {"marker": "_", "s": 70, "color": GREY, "label": "not enough data"},
    }
    width = min(WIDTH, max(5.6, 3.4 + 0.55 * len(rounds)))
    with canvas(width, 1.2 + 0.3 * len(names)) as (figure, (axis,)):
        for name, look in looks.items():
            places = [
                (round_, row) for row, alarm in enumerate(names) for round_ in rounds
                if standing.get((alarm, round_)) == name
            ]  # fmt: skip
            axis.scatter([x for x, _ in places], [y for _, y in places], **look)
        axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xlim(min(rounds) - 0.6, max(rounds) + 0.6)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if len(rounds) <= 20:
            axis.set_xticks(rounds)
        axis.set_xlabel("after round")
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        axis.grid(visible=True, axis="y", color=LINE)
        _legend_above(figure, axis)
        return svg_of(figure, "alarms", "Alarms after each round")


@contextmanager
def _grid(panels: int, height: float, **shared: Any) -> Iterator[tuple[Any, list[Any]]]:
    """A canvas with `panels` panels, up to three in a row, each `height` inches high."""
    columns = min(panels, 3)
    rows = math.ceil(panels / columns)
    with canvas(3.1 * (columns - 1) + ONE_PANEL, height * rows + 0.35, rows, columns, **shared) as (figure, axes):
        for axis in axes[panels:]:
            axis.remove()
        for axis in axes[:panels]:
            axis.tick_params(labelleft=True)
        yield figure, axes[:panels]


def _round_axis(axis: Any, rounds: Sequence[int]) -> None:
    """Put the rounds on the x axis; if there are many, only some are named."""
    every = math.ceil(len(rounds) / MOST_TICKS)
    named = [number for index, number in enumerate(rounds) if index % every == 0]
    axis.set_xticks(named, ["base" if number == 0 else f"{number}" for number in named])
    axis.set_xlim(min(rounds) - 0.5, max(rounds) + 0.5)


def _intervals(axis: Any, places: Sequence[float], scores: Sequence[Score], **look: Any) -> None:
    values = [100 * score.fraction for score in scores]
    # rounding may put an end of the interval slightly on the wrong side
    below = [max(0.0, 100 * (score.fraction - score.low)) for score in scores]
    above = [max(0.0, 100 * (score.high - score.fraction)) for score in scores]
    axis.errorbar(places, values, (below, above), capsize=3, elinewidth=1.2, markersize=5.5, zorder=3, **look)


def _legend_above(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    columns = len(labels) if figure.get_figwidth() > ONE_PANEL else 2  # more would be cut off
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handletextpad=0.5, columnspacing=1.4)
