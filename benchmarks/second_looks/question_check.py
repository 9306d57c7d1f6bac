"""The model's own yes or no to "is this a complete problem with one answer?", by the words' log-probabilities.

Source: P(True), arXiv 2207.05221, asked about the question instead of the answer.
"""

from __future__ import annotations

from dataclasses import replace

from second_looks.draws import Draws, Looked, by_share


class QuestionCheck:
    """The majority; the confidence is its share times the probability of yes, and a label needs at least one half."""

    name = "question is complete"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Weight the majority's share by the probability of yes."""
        if draws.is_complete is None:
            raise ValueError("whether the question is complete was not asked")
        plain = by_share(draws.first("bare", votes), extra_tokens=draws.is_complete.tokens)
        yes = draws.is_complete.yes
        return replace(plain, confidence=plain.confidence * yes, is_label=plain.is_label and yes >= 0.5)
