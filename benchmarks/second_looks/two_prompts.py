"""Half of the votes on the bare question, half on another form of it, counted together.

Source: LMSI, arXiv 2210.11610, which mixes several prompts.
"""

from __future__ import annotations

from second_looks.draws import Draws, Kind, Looked, by_share


class TwoPrompts:
    """The leading answer of all votes; its share is the confidence."""

    def __init__(self, other: Kind) -> None:
        """`other`: how the second half of the votes is asked for."""
        self._other: Kind = other
        self.name = f"pooled, {'one half reworded' if other == 'reworded' else 'two prompts'}"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Count both halves together."""
        half = votes // 2
        cost = draws.rewording_tokens if self._other == "reworded" else 0
        return by_share([*draws.first("bare", half), *draws.first(self._other, half)], extra_tokens=cost)
