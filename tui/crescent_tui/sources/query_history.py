"""The queries of earlier times, to be gone through with the draft at their end. Knows the app's memory, no widget.

Example: history = QueryHistory(memory); history.add("SELECT 1"); history.earlier("a draft") -> "SELECT 1"
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from crescent_lite.printable import printable

NAME = "queries"
QUERIES, CHARACTERS = 100, 30_000
"""Kept at most, all together: a memory that grows too large is forgotten whole."""


class QueryHistory:
    """Each query once, the latest last."""

    def __init__(self, memory: MutableMapping[str, Any]) -> None:
        kept = memory.get(NAME)
        texts = [each for each in kept if isinstance(each, str)] if isinstance(kept, list) else []
        self._memory = memory
        self._queries = [printable(text) for text in texts[-QUERIES:]]
        self._draft = ""
        self._at = len(self._queries)

    def add(self, query: str) -> None:
        """It was run."""
        self._queries = [*(each for each in self._queries if each != query), query][-QUERIES:]
        while sum(map(len, self._queries)) > CHARACTERS:
            del self._queries[0]
        self._memory[NAME] = list(self._queries)
        self._at, self._draft = len(self._queries), ""

    def earlier(self, shown: str) -> str | None:
        """The one before; `shown` is kept where it is a draft. None at the first one."""
        if self._at == 0:
            return None
        if self._at == len(self._queries):
            self._draft = shown
        self._at -= 1
        return self._queries[self._at]

    def later(self) -> str | None:
        """The one after, and at last the draft. None at the draft."""
        if self._at == len(self._queries):
            return None
        self._at += 1
        return self._queries[self._at] if self._at < len(self._queries) else self._draft
