"""The plain majority with a floor, by which a run labels today. Source: self-consistency, arXiv 2203.11171."""

from __future__ import annotations

from second_looks.draws import Draws, Looked, by_share


class Majority:
    """The leading answer; its share is the confidence, so a higher floor is a lower coverage."""

    name = "majority"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Count the votes on the bare question."""
        return by_share(draws.first("bare", votes))
