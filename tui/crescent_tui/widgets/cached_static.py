"""A text that is drawn, and laid out, only when its content has changed.

Screens are updated after every write to the database, many times a minute, and most of their texts stay the same.
Example:
    yield CachedStatic(id="about"); ... self.query_one("#about", CachedStatic).update(Content("question 7"))
"""

from __future__ import annotations

from textual.content import Content
from textual.visual import VisualType
from textual.widgets import Static


class CachedStatic(Static):
    """A Static that skips updates without a change. A `str` is parsed as markup: pass untrusted text as Content."""

    _shown: VisualType = ""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show the content if it has changed. `layout` is whether the height may change with it."""
        if not _is_same(content, self._shown):
            self._shown = content
            super().update(content, layout=layout)


def _is_same(one: VisualType, other: VisualType) -> bool:
    if isinstance(one, Content) and isinstance(other, Content):
        return one.is_same(other)
    return isinstance(one, str) and one == other
