"""Earlier queries, to step through; the query being written comes last. Kept in the app's saved state.

Example: history = QueryHistory(saved_state); history.add("SELECT 1"); history.earlier("a draft") -> "SELECT 1"
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from crescent_lite.printable import printable

NAME = "queries"
QUERIES, CHARACTERS = 100, 30_000
"""Queries kept at most, and characters over all of them: a saved state that is too large is ignored."""


class QueryHistory:
    """Every query once, the latest last."""

    def __init__(self, saved_state: MutableMapping[str, Any]) -> None:
        kept = saved_state.get(NAME)
        texts = [each for each in kept if isinstance(each, str)] if isinstance(kept, list) else []
        self._saved_state = saved_state
        self._queries = [printable(text) for text in texts[-QUERIES:]]
        self._draft = ""
        self._at = len(self._queries)

    def add(self, query: str) -> None:
        """Add a query that was run."""
        self._queries = [*(each for each in self._queries if each != query), query][-QUERIES:]
        while sum(map(len, self._queries)) > CHARACTERS:
            del self._queries[0]
        self._saved_state[NAME] = list(self._queries)
        self._at, self._draft = len(self._queries), ""

    def latest(self, count: int) -> list[str]:
        """The latest queries, newest first."""
        return self._queries[: -count - 1 : -1]

    def earlier(self, shown: str) -> str | None:
        """The previous query; None at the first one. `shown` is the text in the editor, kept if it is a draft."""
        if self._at == 0:
            return None
        if self._at == len(self._queries):
            self._draft = shown
        self._at -= 1
        return self._queries[self._at]

    def later(self) -> str | None:
        """The next query, and after the last one the draft; None at the draft."""
        if self._at == len(self._queries):
            return None
        self._at += 1
        return self._queries[self._at] if self._at < len(self._queries) else self._draft
