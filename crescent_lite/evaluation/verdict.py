"""Verdicts on several samples per item: whether a model is sharpened, better, narrowed or only shorter. Pure.

A model that merely samples its favourite answer more often is right more often without knowing more. The words, each
with its test on the same items of base and round (k samples of each item):

    better      the mean of k samples rose, and so did maj@k and the share of items whose favourite answer is right
    sharpened   the mean rose; the share of right favourites is level, and pass@k is level or fell ("and narrowed")
    likelier    the mean rose, but neither of the two words above is shown: too few items
    narrowed    pass@k fell
    worse       the mean of k samples fell, or maj@k and the share of right favourites
    shorter     the mean rose, but not among the samples that ended: fewer replies are cut off
    no difference shown   none of the others

The favourite is the answer that a majority of endlessly many samples would have. maj@k alone does not suffice for
'better': it rises by sharpening too, since a majority of k noisy samples misses the favourite more often than one of
k samples that agree. The share of right favourites is therefore extrapolated from maj@k and maj@k/2 (STEPS). "Rose"
and "fell": p < SIGNIFICANT by a sign-flip test of the items' differences, times the number of tests; a rise of the
mean must also be shown among the samples that ended. "Level": the bootstrap interval of the difference lies within
LEVEL on both sides (two one-sided tests). How often the words are right where the truth is known is measured by
benchmarks/verdict.py. Example:
    sampled_verdict(before, after).in_words() -> "sharpened (mean of 8 32.0% to 41.0%, ...)"
Sources: maj@k, arXiv 2203.11171; what is learned and unlearned, arXiv 2605.19444; two one-sided tests, Schuirmann,
J. Pharmacokinet. Biopharm. 15 (1987) 657.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crescent_lite.evaluation.statistics import SIGNIFICANT
from crescent_lite.records import SampledReply

Word = Literal["better", "sharpened", "likelier", "narrowed", "worse", "shorter"]
LEVEL = 0.05
"""Largest difference, 0-1, that still counts as level (guess: half of what 8 votes are worth on word problems)."""
STEPS = 1.5
"""maj@k is assumed to be this many times as far from its limit as from maj@k/2. Where its error falls as 1/k it is 1;
in simulated populations it was 0.9 to 2.2. A larger value says 'better' less often, also of models that are."""
LEAST_SAMPLES = 4
"""With fewer samples of each item the share of right favourites cannot be estimated, and there is no verdict."""
RESAMPLES = 2000
"""Sign flips and bootstrap resamples (guess)."""
SUBSETS = 70
"""Most choices of half of the samples that maj@k/2 is averaged over; 70 are all choices of 4 of 8."""
SEED = 20260102
TESTS = 3
"""Tests of one verdict: the mean, pass@k and the majority. Every p-value is multiplied by it (Bonferroni)."""
MEANINGS: Mapping[Word, str] = {
    "better": "more items have a right favourite answer",
    "sharpened": "single replies agree more often with the favourite answer, which is right as often as before",
    "likelier": "single replies are right more often; whether the favourite answers are is not shown",
    "narrowed": "fewer items are solved at least once",
    "worse": "replies are right less often",
    "shorter": "fewer replies are cut off; among those that ended no gain is shown",
}


@dataclass(frozen=True)
class Change:
    """A mean over items before and after, with the bootstrap interval of its difference."""

    before: float
    """0-1; an extrapolated share may be a little outside."""
    after: float
    low: float
    """Lower end of the 95% interval of the difference, not corrected."""
    high: float
    """Upper end of that interval."""
    p_value: float
    """P-value of the two-sided sign-flip test, not corrected."""
    is_level: bool
    """Whether the difference is shown to be within LEVEL on both sides."""

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True)
class FourCounts:
    """What became of the items, by the majority of the samples before and after."""

    stays_right: int
    learned: int
    """Wrong before, right after."""
    unlearned: int
    """Right before, wrong after."""
    stays_wrong: int

    def in_words(self) -> str:
        """'stays right 30, learned 4, unlearned 2, stays wrong 64'."""
        return (
            f"stays right {self.stays_right:,}, learned {self.learned:,}, unlearned {self.unlearned:,}, "
            f"stays wrong {self.stays_wrong:,}"
        )


@dataclass(frozen=True)
class SampledVerdict:
    """Two models compared by several samples of the same items."""

    items: int
    samples: int
    """Samples of each item, k."""
    mean: Change
    """Fraction of right samples."""
    majority: Change
    """maj@k; a tie counts by the fraction of tied answers that are right."""
    favourites: Change
    """Estimated share of items whose favourite answer is right."""
    passed: Change
    """pass@k: fraction of items with a right sample."""
    ended: Change | None
    """Fraction of right samples among those that ended, over items with such samples in both; None without any."""
    counts: FourCounts
    p_corrected: Mapping[str, float]
    """Corrected p-values of 'mean', 'majority' (for maj@k and favourites together), 'passed' and 'ended'."""
    words: tuple[Word, ...]
    """The words that are shown, at most one of them besides 'narrowed'; empty if no difference is shown."""

    def in_words(self) -> str:
        """'sharpened and narrowed (mean of 8 32.0% to 41.0%, ...)'."""
        said = " and ".join(self.words) or "no difference shown"
        parts = {
            f"mean of {self.samples}": self.mean,
            f"maj@{self.samples}": self.majority,
            f"pass@{self.samples}": self.passed,
        }
        numbers = ", ".join(f"{name} {change.before:.1%} to {change.after:.1%}" for name, change in parts.items())
        return f"{said} ({numbers}; n={self.items}; by majority: {self.counts.in_words()})"


def sampled_verdict(
    before: Mapping[str, Sequence[SampledReply]],
    after: Mapping[str, Sequence[SampledReply]],
    *,
    comparisons: int = 1,
) -> SampledVerdict | None:
    """Compare two models on the items that both answered; None without such items or with too few samples.

    `comparisons`: number of verdicts that are read together, such as one for each round; all are corrected for it.
    """
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return None
    samples = min(len(replies[item]) for replies in (before, after) for item in shared)
    if samples < LEAST_SAMPLES:
        return None
    was, now = (Drawn.of([replies[item][:samples] for item in shared]) for replies in (before, after))
    return judge(was, now, comparisons)


@dataclass(frozen=True)
class Drawn:
    """The samples of one model as arrays of items x samples."""

    answers: NDArray[np.int64]
    """A number for each different answer of an item, from 1; 0 is a sample without an answer."""
    right: NDArray[np.bool_]
    ended: NDArray[np.bool_]

    @classmethod
    def of(cls, items: Sequence[Sequence[SampledReply]]) -> Drawn:
        answers = np.zeros((len(items), len(items[0])), dtype=np.int64)
        for row, samples in enumerate(items):
            seen: dict[str, int] = {}
            for column, sample in enumerate(samples):
                if sample.answer_key is not None:
                    answers[row, column] = seen.setdefault(sample.answer_key, len(seen) + 1)
        right = np.array([[sample.right for sample in samples] for samples in items])
        return cls(answers, right, np.array([[sample.ended for sample in samples] for samples in items]))


def judge(before: Drawn, after: Drawn, comparisons: int = 1) -> SampledVerdict:
    """The verdict on two models whose samples are given as arrays of the same items."""
    was, now = _majority(before.answers, before.right), _majority(after.answers, after.right)
    changes = {
        "mean": _change(before.right.mean(axis=1), after.right.mean(axis=1), comparisons),
        "majority": _change(was, now, comparisons),
        "favourites": _change(_favourites(before, was), _favourites(after, now), comparisons),
        "passed": _change(_is_any(before.right) * 1.0, _is_any(after.right) * 1.0, comparisons),
    }
    both = _is_any(before.ended) & _is_any(after.ended)
    ended = _change(_among_ended(before, both), _among_ended(after, both), comparisons) if both.any() else None
    raw = {
        "mean": changes["mean"].p_value,
        "majority": max(changes["majority"].p_value, changes["favourites"].p_value),
        "passed": changes["passed"].p_value,
        "ended": ended.p_value if ended else 1.0,  # a condition of words, not one more test
    }
    p_corrected = {name: min(1.0, TESTS * comparisons * p) for name, p in raw.items()}
    items, samples = before.right.shape
    return SampledVerdict(
        items,
        samples,
        **changes,
        ended=ended,
        counts=_four_counts(was > 0.5, now > 0.5),
        p_corrected=p_corrected,
        words=_words(changes, ended, p_corrected),
    )


def _four_counts(was: NDArray[np.bool_], now: NDArray[np.bool_]) -> FourCounts:
    return FourCounts(*(int(each.sum()) for each in (was & now, ~was & now, was & ~now, ~was & ~now)))


def _is_any(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.asarray(flags.any(axis=1))
    return found


def _words(changes: Mapping[str, Change], ended: Change | None, p: Mapping[str, float]) -> tuple[Word, ...]:
    def moved(name: str, sign: int) -> bool:
        return p[name] < SIGNIFICANT and sign * changes[name].difference > 0

    narrowed: tuple[Word, ...] = ("narrowed",) if moved("passed", -1) else ()
    is_majority_up, is_majority_down = (
        moved("majority", sign) and sign * changes["favourites"].difference > 0 for sign in (1, -1)
    )
    if moved("mean", -1) or is_majority_down:
        return ("worse", *narrowed)
    if not moved("mean", 1):
        return narrowed
    left = ended.difference if ended else 0.0
    if p["ended"] >= SIGNIFICANT or left < 0:
        return ("shorter", *narrowed) if left < changes["mean"].difference / 2 else narrowed
    if is_majority_up:
        return ("better", *narrowed)
    level = changes["favourites"].is_level and (bool(narrowed) or changes["passed"].is_level)
    return ("sharpened" if level else "likelier", *narrowed)


def _majority(answers: NDArray[np.int64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Per item, the fraction of its commonest answers that are right: 0 or 1 unless some are tied; 0 without any."""
    has_answer = answers > 0
    counts = ((answers[:, :, None] == answers[:, None, :]) & has_answer[:, None, :]).sum(axis=2) * has_answer
    leading = (counts == counts.max(axis=1, keepdims=True)) & has_answer
    found: NDArray[np.float64] = (right & leading).sum(axis=1) / np.maximum(leading.sum(axis=1), 1)
    return found


def _favourites(drawn: Drawn, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per item, maj@k extrapolated to endlessly many samples; its mean over items estimates right favourites.

    `whole`: maj@k of the item.
    """
    samples = drawn.answers.shape[1]
    half = samples // 2
    chosen = _halves(samples, half)
    halves = sum(_majority(drawn.answers[:, columns], drawn.right[:, columns]) for columns in chosen) / len(chosen)
    found: NDArray[np.float64] = whole + STEPS * (whole - halves)
    return found


@lru_cache(maxsize=8)
def _halves(samples: int, half: int) -> tuple[list[int], ...]:
    if comb(samples, half) <= SUBSETS:
        return tuple(list(columns) for columns in combinations(range(samples), half))
    random = np.random.default_rng(SEED)
    return tuple(sorted(random.permutation(samples)[:half].tolist()) for _ in range(SUBSETS))


def _among_ended(drawn: Drawn, items: NDArray[np.bool_]) -> NDArray[np.float64]:
    ended, right = drawn.ended[items], drawn.right[items]
    found: NDArray[np.float64] = (right & ended).sum(axis=1) / ended.sum(axis=1)
    return found


def _change(before: NDArray[np.floating], after: NDArray[np.floating], comparisons: int) -> Change:
    differences = after.astype(np.float32) - before.astype(np.float32)
    items = len(differences)
    signs, weights = _draws(items)
    observed = abs(differences.sum()) * (1 - 1e-5)
    flipped = np.abs(signs @ differences)
    p_value = (1 + int((flipped >= observed).sum())) / (RESAMPLES + 1) if differences.any() else 1.0
    means = weights @ differences
    tail = SIGNIFICANT / comparisons
    low, high, least, most = np.quantile(means, [0.025, 0.975, tail, 1 - tail])
    return Change(
        float(before.mean()),
        float(after.mean()),
        float(low),
        float(high),
        p_value,
        bool(-LEVEL < least <= most < LEVEL),
    )


@lru_cache(maxsize=4)
def _draws(items: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """RESAMPLES rows of random signs, and as many of bootstrap weights that sum to 1 (Bayesian bootstrap: Rubin, Ann.
    Statist. 9 (1981) 130). The same number of items has the same draws, so the same samples the same verdict."""
    random = np.random.default_rng(SEED)
    signs = random.integers(0, 2, (RESAMPLES, items), dtype=np.int8).astype(np.float32) * 2 - 1
    weights = random.standard_exponential((RESAMPLES, items), dtype=np.float32)
    return signs, weights / weights.sum(axis=1, keepdims=True)
