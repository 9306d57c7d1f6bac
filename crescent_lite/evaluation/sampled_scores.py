"""Scores of several samples per item: pass@1, pass@k, maj@k, and the definition of a majority in reports. Pure.

pass@k is the probability that at least one of k samples is right, maj@k that the majority of k samples is right.
Both are means over choices of k of an item's n samples, so n > k gives a steadier figure than n = k.

Ties: when several answers are given equally often, the one whose first sample was drawn first is the majority.
Samples are drawn alike, so each tied answer is equally likely to come first and the rule favours none. (A run is
stricter: a tied question gets no label.) Example:
    majority(["n:7", "n:5", None, "n:5", "n:7"]) -> "n:7"
    pass_at_k(4, right=1, k=2) -> 0.5
Sources: pass@k, arXiv 2107.03374 (its unbiased estimator); maj@k, self-consistency, arXiv 2203.11171.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import fmean

import numpy as np

from crescent_lite.records import SampledReply

CHOICES = 200
"""Most choices of k samples that maj@k of one item is averaged over; its standard error is then at most 0.036."""
RESAMPLES = 1000
"""Bootstrap resamples of the items for an interval; the error of its ends is then a few percent of its width."""


@dataclass(frozen=True)
class SampledScore:
    """A mean over items with its 95% bootstrap interval; 0-1 for a score."""

    value: float
    """The mean."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


def majority(keys: Iterable[str | None]) -> str | None:
    """Return the most common answer; in a tie, the one drawn first. `keys` are in the order of drawing.

    A key of None is a sample without an answer. Returns None if no sample has an answer.
    """
    counts = Counter(key for key in keys if key is not None)
    return max(counts, key=counts.__getitem__, default=None)  # max() takes the first of equals, in the order drawn


def majority_right(samples: Sequence[SampledReply]) -> bool:
    """Whether the majority's answer is right; False if no sample has an answer."""
    leader = majority(sample.answer_key for sample in samples)
    return leader is not None and any(sample.right for sample in samples if sample.answer_key == leader)


def sampled_scores(items: Iterable[Sequence[SampledReply]]) -> dict[str, SampledScore]:
    """Return pass@1, and maj@k and pass@k for k = 2, 4, 8, ... up to all samples, by name; empty without items.

    `items`: the samples of each item in the order in which they were drawn, equally many for each item.
    """
    drawn = list(items)
    if not drawn:
        return {}
    most = min(map(len, drawn))
    ks = sorted({most, *(2**power for power in range(1, most.bit_length()) if 2**power <= most)} - {1})
    right = [sum(sample.right for sample in samples) for samples in drawn]
    found = {"pass@1": mean_with_interval([n / len(samples) for n, samples in zip(right, drawn, strict=True)])}
    for k in ks:
        found[f"maj@{k}"] = mean_with_interval([maj_at_k(samples, k) for samples in drawn])
        found[f"pass@{k}"] = mean_with_interval([pass_at_k(len(s), n, k) for n, s in zip(right, drawn, strict=True)])
    return found


def mean_with_interval(values: Sequence[float]) -> SampledScore:
    """Return the mean of one value for each item, with its bootstrap interval; the same for the same values."""
    items = len(values)
    counts = np.random.default_rng(items).multinomial(items, np.full(items, 1 / items), size=RESAMPLES)
    low, high = np.quantile(counts @ np.array(values) / items, [0.025, 0.975])
    return SampledScore(fmean(values), float(low), float(high))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Return the probability that k samples, drawn without replacement, include a right one.

    Raises ValueError unless 0 <= right <= samples and 1 <= k <= samples.
    """
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"k = {k}, {right} right of {samples} samples")
    return 1 - comb(samples - right, k) / comb(samples, k)


def maj_at_k(samples: Sequence[SampledReply], k: int, *, seed: int = 0) -> float:
    """Return the probability, 0-1, that the majority of k of the samples is right.

    With all samples it is 0 or 1, as `majority_right` says. Raises ValueError unless 1 <= k <= number of samples.
    """
    if not 1 <= k <= len(samples):
        raise ValueError(f"k = {k} of {len(samples)} samples")
    if comb(len(samples), k) <= CHOICES:
        return fmean(majority_right(choice) for choice in combinations(samples, k))
    rng, indexes = random.Random(seed), range(len(samples))
    choices = [sorted(rng.sample(indexes, k)) for _ in range(CHOICES)]
    return fmean(majority_right([samples[index] for index in choice]) for choice in choices)
