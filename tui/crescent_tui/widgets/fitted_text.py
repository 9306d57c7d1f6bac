"""A text rendered for its width, such as a plot or columns, and rendered again when the width changes.

Knows nothing about what it shows. Example:
    self.query_one("#scores", FittedText).draw(lambda width: score_content.gains(gains, width))
"""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from crescent_tui.widgets.cached_static import CachedStatic

UNKNOWN_WIDTH = 40
"""The width for which a text is rendered before it has one, in cells."""


class FittedText(CachedStatic):
    """A text given as a function of the width."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw_content: Callable[[int], Content] = lambda _: Content("")
        self._drawn_width = 0

    def draw(self, render: Callable[[int], Content]) -> None:
        """Show what `render` returns for the width in cells."""
        self._draw_content = render
        self._drawn_width = 0
        if not self.content_size.width:
            self.update(render(UNKNOWN_WIDTH))  # an empty text has no height, and would never be given a size
        self.on_resize()

    def on_resize(self) -> None:
        """Render again if the width has changed."""
        width = self.content_size.width
        if width and width != self._drawn_width:
            self._drawn_width = width
            self.update(self._draw_content(width))
