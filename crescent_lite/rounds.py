"""Which round of a run is the best, and whether another one is worth it. Pure.

A round's score is the mean of its benchmarks' flexible scores, 0-1; round 0 is the base. Later rounds are not better
than earlier ones for being later: self-training rises and then falls (R-Zero, arXiv 2508.05004; TTRL, arXiv
2504.16084). Example: best_round({0: 0.31, 1: 0.40, 2: 0.38}) -> 1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from crescent_lite.errors import NotFoundError


def best_round(scores: Mapping[int, float]) -> int | None:
    """The round with the highest score, the earliest of equals; None where nothing was measured."""
    return min(scores, key=lambda number: (-scores[number], number), default=None)


@dataclass(frozen=True)
class Standing:
    """How the rounds of a run stand."""

    run_id: int
    scores: Mapping[int, float]
    """Of the rounds that were measured; 0 is the base."""
    adapters: Mapping[int, int]
    """Of the rounds that trained one, in order: its id."""
    chosen: int | None
    """The round that somebody chose to keep."""

    @property
    def kept(self) -> int | None:
        """The round whose adapter counts as the run's: the chosen one, else the best of those that trained one.

        Where none of them was measured it is the last; None where none was trained.
        """
        if self.chosen is not None:
            return self.chosen
        measured = {number: self.scores[number] for number in self.adapters if number in self.scores}
        return best_round(measured) or max(self.adapters, default=None)

    def require(self, numbers: Collection[int]) -> None:
        """Raise NotFoundError unless each of these rounds has an adapter, and the run has one at all."""
        if not self.adapters:
            raise NotFoundError(f"run {self.run_id}: has no adapter yet; a round makes one when it has enough labels")
        if missing := sorted(set(numbers) - set(self.adapters)):
            there = ", ".join(map(str, self.adapters))
            raise NotFoundError(f"run {self.run_id}: round {missing[0]} has no adapter; there is one of {there}")


def why_no_more(scores: Mapping[int, float], latest: int, patience: int) -> str | None:
    """The reason to end after round `latest`, or None: none of the last `patience` rounds beat what was before.

    `patience` 0 never ends. A round that trained nothing has no score, and so is not better either.
    """
    best = best_round(scores)
    if not patience or best is None or latest - best < patience:
        return None
    which = f"round {best}" if best else "the base"
    return f"no round after {which} was better than its {scores[best]:.1%} ({latest - best} tried)"
