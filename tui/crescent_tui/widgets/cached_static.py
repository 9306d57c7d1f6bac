"""A text that is drawn, and the screen laid out around it, only when it has become another one.

Screens are shown anew whenever something was written, many times a minute, and most of what they say stays the same.
Example:
    yield SteadyText(id="about"); ... self.query_one("#about", SteadyText).update(Content("question 7"))
"""

from __future__ import annotations

from textual.content import Content
from textual.visual import VisualType
from textual.widgets import Static


class SteadyText(Static):
    """A Static for Content and for words of ours; a `str` is markup there, so a model's text comes as Content."""

    _said: VisualType = ""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show this, if it is something else. `layout`: its height may be another one."""
        if not _is_same(content, self._said):
            self._said = content
            super().update(content, layout=layout)


def _is_same(one: VisualType, other: VisualType) -> bool:
    if isinstance(one, Content) and isinstance(other, Content):
        return one.is_same(other)
    return isinstance(one, str) and one == other
