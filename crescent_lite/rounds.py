"""Which round of a run is the best, and whether another one is worth it. Pure.

A round's score is the mean of its benchmarks' flexible scores, 0-1; round 0 is the base. Later rounds are not better
than earlier ones for being later: self-training rises and then falls (R-Zero, arXiv 2508.05004; TTRL, arXiv
2504.16084). Example: best_round({0: 0.31, 1: 0.40, 2: 0.38}) -> 1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def best_round(scores: Mapping[int, float]) -> int | None:
    """The round with the highest score, the earliest of equals; None where nothing was measured."""
    return min(scores, key=lambda number: (-scores[number], number), default=None)


def kept_round(scores: Mapping[int, float], trained: Collection[int], chosen: int | None) -> int | None:
    """The round whose adapter counts as the run's: the chosen one, else the best of those that trained one.

    Where none of them was measured it is the last; None where none was trained.
    """
    if chosen is not None:
        return chosen
    measured = {number: scores[number] for number in trained if number in scores}
    return best_round(measured) or max(trained, default=None)


def why_no_more(scores: Mapping[int, float], latest: int, patience: int) -> str | None:
    """The reason to end after round `latest`, or None: none of the last `patience` rounds beat what was before.

    `patience` 0 never ends. A round that trained nothing has no score, and so is not better either.
    """
    best = best_round(scores)
    if not patience or best is None or latest - best < patience:
        return None
    which = f"round {best}" if best else "the base"
    return f"no round after {which} was better than its {scores[best]:.1%} ({latest - best} tried)"
