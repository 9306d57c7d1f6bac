"""Screens as text that can be read and compared: what stands there, and in which colours.

A snapshot has the lines of the screen, then the same grid with a letter for each style, then what the letters mean.
Small, and its changes can be read in a diff. Example: compare(picture(app, hide=["#machine"]), "run-80x24-dark")
To make them anew: CRESCENT_SNAPSHOTS=write python -m pytest tests/tui/test_snapshots.py; then read the diff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

from rich.segment import Segment
from textual.app import App
from textual.geometry import Region

FOLDER = Path(__file__).with_name("snapshots")
LETTERS = "." + ascii_letters + digits
SECONDS = re.compile(r"\d+\.\d+ s\b")


def picture(app: App[Any], hide: Sequence[str] = ()) -> str:
    """The screen now. `hide`: selectors of what is not the same each time."""
    hidden = [w.region for screen in app.screen_stack for selector in hide for w in screen.query(selector)]
    lines, styles = [], []
    legend: dict[str, str] = {}
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        cells = list(chain.from_iterable(_cells(segment) for segment in strip))
        shown = [("░", "hidden") if _is_in(hidden, x, y) else cell for x, cell in enumerate(cells)]
        lines.append(SECONDS.sub(_same_length, "".join(text for text, _ in shown)).rstrip())
        styles.append("".join(legend.setdefault(style, LETTERS[len(legend) % len(LETTERS)]) for _, style in shown))
    meanings = [f"{letter} {style}" for style, letter in legend.items()]
    return "\n".join([*lines, "", *styles, "", *meanings, ""])


def compare(now: str, name: str) -> None:
    """The picture has to be the one that is kept."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CRESCENT_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    assert now == kept, f"{name} has changed; to keep it so: CRESCENT_SNAPSHOTS=write\n{now}"


def _cells(segment: Segment) -> list[tuple[str, str]]:
    """Each cell's text and style. The second cell of a wide character has no text."""
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
