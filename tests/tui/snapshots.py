"""Snapshots of screens as text that can be read and compared, with their colours.

A snapshot has the lines of the screen, the same grid with a letter per style, and the legend of the letters. It is
small, and its changes are readable in a diff. Example: compare(picture(app, hide=["#machine"]), "run-80x24-dark")
To write them again: CRESCENT_SNAPSHOTS=write python -m pytest tests/tui/test_snapshots.py; then read the diff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

from rich.segment import Segment
from textual.app import App
from textual.errors import NoWidget
from textual.geometry import Region
from textual.screen import Screen

FOLDER = Path(__file__).with_name("snapshots")
LETTERS = "." + ascii_letters + digits
SECONDS = re.compile(r"\d+\.\d+ s\b")


def picture(app: App[Any], hide: Sequence[str] = ()) -> str:
    """The current screen. `hide` selects the widgets that differ each time."""
    hidden = [region for screen in app.screen_stack for selector in hide for region in _regions(screen, selector)]
    lines, styles = [], []
    legend: dict[str, str] = {}
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        cells = list(chain.from_iterable(_cells(segment) for segment in strip))
        shown = [("░", "hidden") if _is_in(hidden, x, y) else cell for x, cell in enumerate(cells)]
        lines.append(SECONDS.sub(_same_length, "".join(text for text, _ in shown)).rstrip())
        styles.append("".join(legend.setdefault(style, LETTERS[len(legend) % len(LETTERS)]) for _, style in shown))
    meanings = [f"{letter} {style}" for style, letter in legend.items()]
    return "\n".join([*lines, "", *styles, "", *meanings, ""])


def _regions(screen: Screen[Any], selector: str) -> Iterator[Region]:
    """The visible parts of the widgets, which may be longer than what contains them."""
    for widget in screen.query(selector):
        with suppress(NoWidget):
            yield screen.find_widget(widget).visible_region


def compare(now: str, name: str) -> None:
    """Compare a picture with the stored snapshot, or write it with CRESCENT_SNAPSHOTS=write."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CRESCENT_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    assert now == kept, f"{name} has changed; to accept it: CRESCENT_SNAPSHOTS=write\n{now}"


def _cells(segment: Segment) -> list[tuple[str, str]]:
    """The text and style of each cell. The second cell of a wide character has no text."""
    style = segment.style
    words = str(style) if style else "none"
    found = []
    for character in segment.text:
        width = Segment(character).cell_length
        if width:
            found += [(character, words), *[("", words)] * (width - 1)]
        elif found:
            found[-1] = (found[-1][0] + character, words)
    return found


def _is_in(regions: Sequence[Region], x: int, y: int) -> bool:
    return any(region.contains(x, y) for region in regions)


def _same_length(found: re.Match[str]) -> str:
    return "#.## s".rjust(len(found[0]))[: len(found[0])]
