"""The model's own yes or no to "is this answer right?", by the words' log-probabilities.

Source: P(True), arXiv 2207.05221.
"""

from __future__ import annotations

from dataclasses import replace

from second_looks.draws import Draws, Looked, by_share


class AnswerCheck:
    """The majority; the confidence is its share times the probability of yes, and a label needs at least one half."""

    name = "answer is right"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Weight the majority's share by the probability of yes."""
        plain = by_share(draws.first("bare", votes))
        if plain.chosen is None:
            return plain
        check = draws.is_right.get(str(plain.chosen.answer_key))
        if check is None:
            raise ValueError(f"whether {plain.chosen.answer_key} is right was not asked")
        return replace(
            plain,
            confidence=plain.confidence * check.yes,
            is_label=plain.is_label and check.yes >= 0.5,
            tokens=plain.tokens + check.tokens,
        )
