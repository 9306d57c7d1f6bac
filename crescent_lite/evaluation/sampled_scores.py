"""Scores of several samples an item: pass@1, pass@k, maj@k. Pure.

pass@k is the chance that one of k samples is right, maj@k that the majority of k is. Both are means over all choices
of k of an item's n samples, so n > k gives a steadier figure than n = k. Example:
    pass_at_k(4, right=1, k=2) -> 0.5
Sources: pass@k, arXiv 2107.03374 (its unbiased estimator); maj@k, self-consistency, arXiv 2203.11171.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import fmean

import numpy as np

CHOICES = 200
"""Choices of k samples at most that a majority is averaged over: its error is below a tenth of one item (guess)."""
RESAMPLES = 1000
"""Of the items, for an interval: its ends are then known to a tenth of its width."""


@dataclass(frozen=True)
class SampledScore:
    """A mean over items with its 95% interval, a bootstrap of the items."""

    value: float
    """0-1."""
    low: float
    high: float


def sampled_scores(items: Mapping[str, Sequence[tuple[str | None, bool]]]) -> dict[str, SampledScore]:
    """pass@1, then maj@k and pass@k for the k = 2, 4, 8, ... that the samples allow and for all of them.

    `items`: for each the (answer key, right?) of its samples, the same number for each.
    """
    drawn = list(items.values())
    if not drawn:
        return {}
    most = min(map(len, drawn))
    ks = sorted({most, *(2**power for power in range(1, most.bit_length()) if 2**power <= most)} - {1})
    right = [sum(is_right for _, is_right in samples) for samples in drawn]
    found = {"pass@1": _mean([n / len(samples) for n, samples in zip(right, drawn, strict=True)])}
    for k in ks:
        found[f"maj@{k}"] = _mean([_majority(samples, k) for samples in drawn])
        found[f"pass@{k}"] = _mean([pass_at_k(len(s), n, k) for n, s in zip(right, drawn, strict=True)])
    return found


def _majority(samples: Sequence[tuple[str | None, bool]], k: int) -> float:
    gold = next((key for key, is_right in samples if is_right and key is not None), "")
    return maj_at_k([key for key, _ in samples], gold, k)


def _mean(values: Sequence[float]) -> SampledScore:
    items = len(values)
    counts = np.random.default_rng(items).multinomial(items, np.full(items, 1 / items), size=RESAMPLES)
    low, high = np.quantile(counts @ np.array(values) / items, [0.025, 0.975])
    return SampledScore(fmean(values), float(low), float(high))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that k of the samples, drawn without putting back, hold a right one. ValueError for k > samples."""
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"k = {k}, {right} right of {samples} samples")
    return 1 - comb(samples - right, k) / comb(samples, k)


def maj_at_k(keys: Sequence[str | None], gold: str, k: int, *, seed: int = 0) -> float:
    """The chance that the commonest answer of k samples is `gold`; None is an abstention. A tie is won by lot."""
    if not 1 <= k <= len(keys):
        raise ValueError(f"k = {k} of {len(keys)} samples")
    if comb(len(keys), k) <= CHOICES:
        return fmean(_share_of_the_lead(choice, gold) for choice in combinations(keys, k))
    chance = random.Random(seed)
    return sum(_share_of_the_lead(chance.sample(keys, k), gold) for _ in range(CHOICES)) / CHOICES


def _share_of_the_lead(keys: Sequence[str | None], gold: str) -> float:
    counts = Counter(key for key in keys if key is not None)
    leaders = [key for key, count in counts.items() if count == max(counts.values())]
    return leaders.count(gold) / len(leaders) if leaders else 0.0
