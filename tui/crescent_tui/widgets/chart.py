"""Curves in a pane: fitted to its size, with keys to enlarge a part and to move it.

Knows nothing about what the curves are. Example:
    self.query_one("#loss", Chart).draw([Curve("round 1", 1, points)], note=Content("step 80 of 120"))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_tui.content.colours import MUTED
from crescent_tui.content.line_chart import ZOOM, Curve, View, legend, line_chart, whole_view
from crescent_tui.widgets.cached_static import CachedStatic

LEAST_HEIGHT = 4
NAME_CHARACTERS = 40


def _no_note(_width: int) -> Content:
    return Content("")


class Chart(CachedStatic, can_focus=True):
    """Shows curves, and below them their names and a note."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(1)", "Enlarge a part of the curves", show=False, key_display="+"),
        Binding("minus", "zoom(-1)", "Show more of the curves", show=False, key_display="-"),
        Binding("left", "pan(-1)", "Earlier part", show=False),
        Binding("right", "pan(1)", "Later part", show=False),
        Binding("0", "whole", "Whole curves", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None, rows: int = 0) -> None:
        """`rows` is the height of the curves with their axis; 0 fills the pane."""
        super().__init__(id=id, classes=classes)
        self._rows = rows
        self._curves: tuple[Curve, ...] = ()
        self._last = 0.0
        self._unit = ""
        self._empty = ""
        self._note: Callable[[int], Content] = _no_note
        self._drawn: tuple[object, Content] = (None, Content(""))
        """What the curves were last drawn from, and how they look."""
        self._view: View | None = None
        """The part that the user chose; None for the whole."""

    def draw(
        self,
        curves: Sequence[Curve],
        *,
        last: float = 0.0,
        unit: str = "",
        note: Callable[[int], Content] = _no_note,
        empty: str = "",
    ) -> None:
        """Show other curves, up to step `last`. `note` is the text below them, `empty` the one in their place."""
        self._curves, self._last, self._unit, self._note, self._empty = tuple(curves), last, unit, note, empty
        self.on_resize()

    def on_resize(self) -> None:
        """Draw again for the size."""
        width, height = self.content_size.width, self.content_size.height
        if width:
            self.update(self._content(width, height), layout=bool(self._rows))

    def action_zoom(self, direction: int) -> None:
        """Enlarge a part of the curves, or show more of them."""
        whole = self._whole()
        view = (self._view or whole).zoomed(whole, ZOOM**direction)
        self._view = None if view == whole else view
        self.on_resize()

    def action_pan(self, direction: int) -> None:
        """Show an earlier or a later part."""
        if self._view:
            self._view = self._view.moved(self._whole(), direction / 4)
            self.on_resize()

    def action_whole(self) -> None:
        """Show the whole curves."""
        self._view = None
        self.on_resize()

    def _whole(self) -> View:
        return whole_view(self._curves, self._last)

    def _content(self, width: int, height: int) -> Content:
        whole = self._whole()
        view = self._view.within(whole) if self._view else whole
        note = self._note(width)
        names = [printable_line(curve.name, NAME_CHARACTERS) for curve in self._curves]
        named = legend(self._curves, names).truncate(width, ellipsis=True) if len(self._curves) > 1 else Content("")
        below = [part for part in (named, note) if part.plain]
        taken = sum(part.plain.count("\n") + 1 for part in below)
        fills = self.is_maximized or not self._rows
        rows = max(LEAST_HEIGHT, height - taken) if fills else self._rows
        made_from = (self._curves, width, rows, view, self._unit)
        if self._drawn[0] != made_from:
            chart = line_chart(self._curves, width=width, height=rows, view=view, unit=self._unit)
            self._drawn = made_from, chart
        chart = self._drawn[1]
        if not chart.plain:
            return note if note.plain else Content.styled(self._empty, MUTED)
        return Content("\n").join([chart, *below])
