"""Ends a stage whose model writes nothing. One empty text is data; a hundred in a row are a broken set-up.

The count starts again at every text that is not empty, so a model that falls silent late in a stage is noticed too.
Example:
    empty = EmptyTexts("vote", "check the model's chat template"); empty.note("   ")
"""

from __future__ import annotations

from crescent_lite.answers.thoughts import is_blank
from crescent_lite.errors import StageError
from crescent_lite.events import Stage

MOST_IN_A_ROW = 100
"""Guess: no working model writes as many empty texts in a row."""


class EmptyTexts:
    """Counts empty texts in a row."""

    def __init__(self, stage: Stage, advice: str) -> None:
        self._stage = stage
        self._advice = advice
        self._in_a_row = 0

    def note(self, text: str) -> None:
        """Count one more text. Raises StageError at the hundredth empty one in a row."""
        self._in_a_row = self._in_a_row + 1 if is_blank(text) else 0
        if self._in_a_row >= MOST_IN_A_ROW:
            raise StageError(f"{self._stage}: the model wrote {self._in_a_row} empty texts in a row; {self._advice}")
