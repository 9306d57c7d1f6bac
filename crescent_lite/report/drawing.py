"""Drawings as <svg> elements that can share one page: unique ids, colours set by the page, no mathtext.

Knows matplotlib and nothing of runs. matplotlib is imported when the first figure is drawn, and opens no window. An
element refers to colours by name, so that the page can change them in dark mode; the values here are Okabe and Ito's,
which colour-blind people can tell apart. Example: svg_of(figure, "scores", "Scores of each round")
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crescent_lite.printable import printable_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "ink": "#1b1f24",
    "faint": "#6b7480",
    "line": "#c9d1d9",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "amber": "#e69f00",
    "grey": "#a8b0b9",
    "paper": "#fefefe",
}
INK, FAINT, LINE, BLUE, ORANGE, GREEN, AMBER, GREY, PAPER = COLOURS.values()
POINTS_PER_INCH = 72
NAME_CHARACTERS = 36
NOT_XML = {0xFFFE: "\N{REPLACEMENT CHARACTER}", 0xFFFF: "\N{REPLACEMENT CHARACTER}"}
"""Characters that a terminal can print but XML does not allow, with their replacement."""
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
STYLE: dict[str, Any] = {
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.labelcolor": FAINT,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud, and takes the page's font
    "svg.hashsalt": "crescent",
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a model's name is a dollar
    "xtick.color": LINE,
    "xtick.labelcolor": FAINT,
    "ytick.color": LINE,
    "ytick.labelcolor": FAINT,
}


@contextmanager
def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any
) -> Iterator[tuple[Figure, Any]]:
    """A figure of `width` x `height` inches and its axes as a flat list, in this style whatever the user has set."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in STYLE.items():
            matplotlib.rcParams[name] = value  # type: ignore[index]
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, **shared)
        axes = list(grid.flat)
        yield figure, axes


def name_of(text: str) -> str:
    """A name from a file or a model, made printable and cut for a drawing."""
    return printable_line(text, NAME_CHARACTERS).translate(NOT_XML)


def svg_of(figure: Figure, name: str, title: str) -> str:
    """The figure as an <svg> element; the same figure always gives the same bytes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # matplotlib's font lacks a letter; the page draws the text with its own font
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(file.getvalue())
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    for parent in root.iter():
        for child in list(parent):
            # matplotlib's style sheet would apply to the whole page
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in element.attrib.items():
            element.set(key, _of_page(key, value, name))
    width = float(root.get("width", "0").removesuffix("pt"))
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("style", f"width: {width * 96 / POINTS_PER_INCH:.0f}px; stroke-linejoin: round; stroke-linecap: butt")
    return ET.tostring(root, encoding="unicode")


def _of_page(key: str, value: str, name: str) -> str:
    """The value of an attribute, changed to use the page's font and colours and ids that are unique in the page."""
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return value.replace("#", f"#{name}-", 1)
    value = re.sub(r"url\(#", f"url(#{name}-", value)
    value = re.sub(r"font: (?:(bold|\d{3}) )?([\d.]+)px [^;]*", _font, value)
    for colour, code in COLOURS.items():
        value = value.replace(code, f"var(--{colour})")
    return value


def _font(found: re.Match[str]) -> str:
    weight = f"; font-weight: {found[1]}" if found[1] else ""
    return f"font-size: {found[2]}px{weight}"
