"""A picture of a query's rows: one column against another, with a line or a bar for each value of a third.

Numbers on the x axis make lines, texts make bars. Knows nothing of the store. Example:
    draw_rows(found.columns, found.rows, Plot("round", "seconds", "stage"), "Cost per stage", Path("cost.svg"))
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import UsageError
from crescent_lite.files import atomic_replacement
from crescent_lite.report.drawing import AMBER, BLUE, GREEN, GREY, INK, ORANGE, canvas, name_of

FORMATS = (".svg", ".png", ".pdf")
COLOURS = (BLUE, ORANGE, GREEN, AMBER, INK, GREY)
MOST_GROUPS = 12
"""Most lines or bars that can be told apart (guess)."""
MOST_BARS = 60
"""Most bars of a picture; further rows are left out, and the title says so (guess)."""
Value = int | float | str | None


@dataclass(frozen=True)
class Plot:
    """What is drawn."""

    x: str
    """Name of the column on the x axis; of the bars where its values are texts."""
    y: str
    """Name of the column on the y axis; its values are numbers."""
    by: str | None = None
    """Name of the column with a line or bar for each of its values; None for a single one."""


def draw_rows(columns: Sequence[str], rows: Sequence[Sequence[Value]], plot: Plot, title: str, path: Path) -> None:
    """Draw the rows into a file, whose name says the format. Raises UsageError for what cannot be drawn."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a picture ends in {', '.join(FORMATS)}; choose one of these")
    x, y, by = (_at(columns, name) if name else None for name in (plot.x, plot.y, plot.by))
    assert x is not None and y is not None
    kept = [row for row in rows if row[y] is not None and row[x] is not None]
    if not kept:
        raise UsageError(f"there is nothing to draw: no row has both {plot.x!r} and {plot.y!r}")
    if not all(isinstance(row[y], int | float) for row in kept):
        raise UsageError(f"{plot.y!r}: has texts, so it cannot be the y axis; name a column of numbers")
    groups: dict[str, list[Sequence[Value]]] = {}
    for row in kept:
        groups.setdefault("" if by is None else str(row[by]), []).append(row)
    if len(groups) > MOST_GROUPS:
        raise UsageError(f"{plot.by!r}: has {len(groups)} values; a picture shows at most {MOST_GROUPS}")
    if all(isinstance(row[x], int | float) for row in kept):
        _lines(groups, x, y, plot, title, path)
    else:
        _bars(groups, x, y, plot, title, path)


def _lines(groups: dict[str, list[Sequence[Value]]], x: int, y: int, plot: Plot, title: str, path: Path) -> None:
    with canvas(7.5, 3.8) as (figure, (axis,)):
        for number, (name, rows) in enumerate(groups.items()):
            points = sorted((float(row[x] or 0), float(row[y] or 0)) for row in rows)
            axis.plot(
                [at for at, _ in points],
                [value for _, value in points],
                marker="o",
                markersize=4,
                color=COLOURS[number % len(COLOURS)],
                linestyle="-" if number < len(COLOURS) else "--",
                label=name_of(name),
            )
        axis.set_xlabel(name_of(plot.x))
        axis.set_ylabel(name_of(plot.y))
        _finish(figure, axis, title, plot, path)


def _bars(groups: dict[str, list[Sequence[Value]]], x: int, y: int, plot: Plot, title: str, path: Path) -> None:
    names = list(dict.fromkeys(str(row[x]) for rows in groups.values() for row in rows))
    if len(names) > MOST_BARS:
        title, names = f"{title} (the first {MOST_BARS} of {len(names)})", names[:MOST_BARS]
    places = {name: number for number, name in enumerate(names)}
    drawn_in = [{str(row[x]) for row in rows} for rows in groups.values()]
    side_by_side = len(groups) if sum(map(len, drawn_in)) > len(set().union(*drawn_in)) else 1
    height = 0.8 / side_by_side
    with canvas(7.5, 1.2 + 0.26 * len(names) * max(1.0, side_by_side / 2)) as (figure, (axis,)):
        for number, (name, rows) in enumerate(groups.items()):
            drawn = [row for row in rows if str(row[x]) in places]
            axis.barh(
                [places[str(row[x])] - 0.4 + height * (number % side_by_side + 0.5) for row in drawn],
                [float(row[y] or 0) for row in drawn],
                height,
                color=COLOURS[number % len(COLOURS)],
                hatch="" if number < len(COLOURS) else "//",
                label=name_of(name),
            )
        axis.set_yticks(range(len(names)), list(map(name_of, names)))
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xlabel(name_of(plot.y))
        _finish(figure, axis, title, plot, path)


def _finish(figure: object, axis: object, title: str, plot: Plot, path: Path) -> None:
    axis.set_title(name_of(title))  # type: ignore[attr-defined]
    if plot.by:
        axis.legend(title=name_of(plot.by))  # type: ignore[attr-defined]
    with atomic_replacement(path) as unfinished:
        kind = path.suffix.lower().removeprefix(".")
        dated = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
        figure.savefig(unfinished, format=kind, metadata=dated, facecolor="white")  # type: ignore[attr-defined]


def _at(columns: Sequence[str], name: str) -> int:
    if name in columns:
        return list(columns).index(name)
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(columns)}"
    raise UsageError(f"{name!r}: the query has no such column; {hint}")
