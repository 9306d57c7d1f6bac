"""A text that is drawn to the width there is: plots and columns, again whenever that width changes.

Knows nothing of what it shows. Example:
    self.query_one("#scores", Drawn).draw(lambda width: round_content.scores(panels, width))
"""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from crescent_tui.widgets.cached_static import SteadyText


class Drawn(SteadyText):
    """A text that is told how to draw itself."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture: Callable[[int], Content] = lambda _: Content("")
        self._drawn_width = 0

    def draw(self, picture: Callable[[int], Content]) -> None:
        """Show this picture, a function of the width in cells."""
        self._picture = picture
        self._drawn_width = 0
        self.on_resize()

    def on_resize(self) -> None:
        """Draw again, if there is room and it is other room than before."""
        width = self.content_size.width
        if width and width != self._drawn_width:
            self._drawn_width = width
            self.update(self._picture(width))
