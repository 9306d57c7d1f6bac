"""Scores of several samples an item: pass@1, pass@k, maj@k. Pure.

pass@k is the chance that one of k samples is right, maj@k that the majority of k is. Both are means over all choices
of k of an item's n samples, so n > k gives a steadier figure than n = k. Example:
    pass_at_k(4, right=1, k=2) -> 0.5
Sources: pass@k, arXiv 2107.03374 (its unbiased estimator); maj@k, self-consistency, arXiv 2203.11171.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from math import comb

CHOICES = 200
"""Choices of k samples at most that a majority is averaged over: its error is below a tenth of one item (guess)."""


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that k of the samples, drawn without putting back, hold a right one. ValueError for k > samples."""
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"k = {k}, {right} right of {samples} samples")
    return 1 - comb(samples - right, k) / comb(samples, k)


def maj_at_k(keys: Sequence[str | None], gold: str, k: int, *, seed: int = 0) -> float:
    """The chance that the commonest answer of k samples is `gold`; None is an abstention. A tie is won by lot."""
    if not 1 <= k <= len(keys):
        raise ValueError(f"k = {k} of {len(keys)} samples")
    if comb(len(keys), k) == 1:
        return _share_of_the_lead(keys, gold)
    chance = random.Random(seed)
    return sum(_share_of_the_lead(chance.sample(keys, k), gold) for _ in range(CHOICES)) / CHOICES


def _share_of_the_lead(keys: Sequence[str | None], gold: str) -> float:
    counts = Counter(key for key in keys if key is not None)
    leaders = [key for key, count in counts.items() if count == max(counts.values())]
    return leaders.count(gold) / len(leaders) if leaders else 0.0
