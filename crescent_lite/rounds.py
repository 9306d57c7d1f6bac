"""Which round of a run is best, which adapter counts as the run's, and whether another round is worthwhile. Pure.

A round's score, 0-1, is the primary number of its run (`store.primary`), or its agreement with the base's votes
(`run.choose_by`); round 0 is the base. The latest round need not be the best: self-training improves a model, then
makes it worse (R-Zero, arXiv 2508.05004; TTRL, arXiv 2504.16084). Knows neither models nor the store. Example:
    best_round({0: 0.31, 1: 0.40, 2: 0.38}) -> 1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from crescent_lite.errors import NotFoundError


def best_round(scores: Mapping[int, float]) -> int | None:
    """Return the round with the highest score, the earliest one in a tie; None without any score."""
    return min(scores, key=lambda number: (-scores[number], number), default=None)


@dataclass(frozen=True)
class Standing:
    """The scores and adapters of a run's rounds, and the round that a user chose."""

    run_id: int
    scores: Mapping[int, float]
    """Round -> score, 0-1, for each measured round; round 0 is the base."""
    adapters: Mapping[int, int]
    """Round -> id of the adapter it trained, in the order of the rounds."""
    chosen: int | None
    """The round that a user chose to keep; None without a choice."""
    by_agreement: bool = False
    """Whether the scores are agreements with the base's votes instead of scores on benchmarks."""

    @property
    def kept(self) -> int | None:
        """The round whose adapter counts as the run's; None if no round trained an adapter.

        It is the chosen round, else the best measured round with an adapter, else the last round with one.
        """
        if self.chosen is not None:
            return self.chosen
        measured = {number: self.scores[number] for number in self.adapters if number in self.scores}
        return best_round(measured) or max(self.adapters, default=None)

    def require(self, numbers: Collection[int]) -> None:
        """Raise NotFoundError if the run has no adapter at all, or one of these rounds has none."""
        if not self.adapters:
            raise NotFoundError(f"run {self.run_id}: has no adapter yet; a round trains one if it has enough labels")
        if missing := sorted(set(numbers) - set(self.adapters)):
            there = ", ".join(map(str, self.adapters))
            raise NotFoundError(f"run {self.run_id}: round {missing[0]} has no adapter; rounds with one: {there}")


def why_no_more(scores: Mapping[int, float], latest: int, patience: int) -> str | None:
    """Return why the run should end after round `latest`: the last `patience` rounds brought no new best. Else None.

    `patience` 0 never ends a run. A round that trained nothing has no score and counts as no improvement.
    """
    best = best_round(scores)
    if not patience or best is None or latest - best < patience:
        return None
    which = f"round {best}" if best else "the base"
    return f"no round after {which} was better than its {scores[best]:.1%} ({latest - best} tried)"
