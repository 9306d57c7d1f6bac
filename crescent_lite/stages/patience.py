"""Stops a stage that yields nothing. One bad sample is data; a hundred in a row from the start are a broken set-up.

Example: patience = Patience("vote", 80, "check the chat template"); patience.note(useful=False)
"""

from __future__ import annotations

from crescent_lite.errors import StageError


class Patience:
    """Counts useless items in a row."""

    def __init__(self, stage: str, limit: int, advice: str) -> None:
        self._stage = stage
        self._limit = limit
        self._advice = advice
        self._useless = 0

    def note(self, useful: bool) -> None:
        """One more item. Raises StageError at the limit."""
        self._useless = 0 if useful else self._useless + 1
        if self._useless >= self._limit:
            raise StageError(f"{self._stage}: {self._useless} empty texts in a row: {self._advice}")
