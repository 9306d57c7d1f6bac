"""Models with known skill, for the words of a verdict: their answers to items are drawn from known probabilities.

An item has a right answer and several wrong ones, each with a logit. Training first replaces a part of the logits'
variation by new variation of the same size: single items change sides, no average does. Then a change is made whose
effect on every average is known. Example:
    base, trained = models(NATURES["sharper"], POPULATIONS["easy"], 1000, random)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crescent_lite.evaluation import corrected, mcnemar, word_of
from crescent_lite.evaluation.verdict import LEVEL, Drawn, Word, judge
from crescent_lite.records import PairedComparison

KEPT = 0.87
"""Correlation of the logits before and after any training: about a sixth of the greedy answers change sides."""
HARDER = 0.6
"""Logits that the right answer loses on an item one standard deviation harder than the mean. The replies to such an
item are also cut off more often."""
POPULATION = 200_000
"""Items by which the true averages are computed; their standard error is below 0.1 points."""
EXACT = 0.003
"""A true average that changes by less, 0-1, counts as unchanged."""


@dataclass(frozen=True)
class Population:
    """Items and what the base knows of them."""

    wrong: int
    """Wrong answers to each item."""
    right_logit: float
    """Mean of the right answers' logits; that of wrong ones is 0."""
    spread: float
    """Standard deviation of all logits."""


POPULATIONS = {"easy": Population(12, 2.0, 1.2), "hard": Population(6, 0.6, 1.4)}
"""easy: 31% of single samples are right, 44% of majorities of 8 and 78% of pass@8, much as a 0.5B model's on SVAMP.
hard: 21%, 24% and 62%: voting is worth little, as on GSM8K."""


@dataclass(frozen=True)
class Nature:
    """What training does to a model."""

    sharper: float = 1.0
    """Factor on all logits: the inverse of a temperature."""
    skill: float = 0.0
    """Added to the logit of the right answer."""
    forgotten: float = 0.0
    """Fraction of the items whose right answer is not the favourite, and cannot be drawn any more."""
    favoured: float = 1.0
    """Factor on the logits of the items whose right answer is the favourite."""
    cut_off: float = 0.25
    """Mean probability that a reply is cut off; it is higher for difficult items."""


NATURES = {
    "nothing": Nature(),
    "a little sharper": Nature(sharper=1.15),
    "sharper": Nature(sharper=1.5),
    "greedy": Nature(sharper=4.0),
    "a little better": Nature(skill=0.15),
    "better": Nature(skill=0.4),
    "better and sharper": Nature(skill=0.4, sharper=1.5),
    "narrowed": Nature(forgotten=0.3, favoured=1.3),
    "narrowed more": Nature(forgotten=0.6, favoured=1.6),
    "worse": Nature(skill=-0.4),
    "shorter": Nature(cut_off=0.08),
}


@dataclass(frozen=True)
class Model:
    """Probabilities of a model's answers."""

    chances: NDArray[np.float64]
    """Items x answers; the first answer is the right one."""
    cut_off: NDArray[np.float64]
    """Probability that a reply to the item is cut off."""

    def averages(self, samples: int) -> dict[str, float]:
        """True averages over these items; pass@k is of replies that may be cut off."""
        right = self.chances[:, 0] * (1 - self.cut_off)
        return {
            "mean": float(right.mean()),
            "ended": float(self.chances[:, 0].mean()),
            "favourites": float((self.chances.argmax(axis=1) == 0).mean()),
            "greedy": float(((self.chances.argmax(axis=1) == 0) * (1 - self.cut_off)).mean()),
            "passed": float((1 - (1 - right) ** samples).mean()),
        }


def models(
    nature: Nature, population: Population, items: int, random: np.random.Generator, *, cut_off: float = 0.0
) -> tuple[Model, Model]:
    """A base whose replies are cut off with a mean probability of `cut_off`, and the model after training.

    If the base's replies are never cut off, neither are those after training.
    """
    difficulty = random.standard_normal(items)  # the same before and after
    means = np.zeros((items, population.wrong + 1))
    means[:, 0] = population.right_logit - HARDER * difficulty
    own, other = (random.standard_normal(means.shape) * population.spread for _ in range(2))
    hard = np.minimum(np.exp(difficulty) / 1.65, 2.5)  # e ** 0.5 = 1.65 is the mean
    logits = means + KEPT * own + np.sqrt(1 - KEPT**2) * other
    logits[:, 0] += nature.skill
    is_right = logits.argmax(axis=1) == 0
    logits *= nature.sharper * np.where(is_right, nature.favoured, 1.0)[:, None]
    logits[~is_right & (random.random(items) < nature.forgotten), 0] = -np.inf
    after = nature.cut_off if cut_off else 0.0
    return (
        Model(_chances(means + own), np.clip(cut_off * hard, 0, 0.95)),
        Model(_chances(logits), np.clip(after * hard, 0, 0.95)),
    )


def _chances(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return found


def sampled(model: Model, samples: int, random: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Answers (1 is right, 0 is none), whether each is right, and whether it ended: items x samples."""
    edges = model.chances.cumsum(axis=1)
    drawn = random.random((len(edges), samples))
    answers = (drawn[:, :, None] > edges[:, None, :]).sum(axis=2) + 1
    ended = random.random(drawn.shape) >= model.cut_off[:, None]
    answers = np.where(ended, answers, 0)
    return answers, answers == 1, ended


def greedy(model: Model, random: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the favourite answer is right, and whether the greedy reply ended; a cut-off reply is wrong."""
    ended = random.random(len(model.chances)) >= model.cut_off
    return (model.chances.argmax(axis=1) == 0) & ended, ended


@lru_cache
def truth(nature: Nature, population: Population, samples: int, cut_off: float) -> dict[str, tuple[float, float]]:
    """The true averages before and after."""
    random = np.random.default_rng(1)
    before, after = (
        each.averages(samples) for each in models(nature, population, POPULATION, random, cut_off=cut_off)
    )
    return {key: (before[key], after[key]) for key in before}


def cut_offs(nature: Nature) -> float:
    """How often the base's replies are cut off where the nature is about cut-off replies; elsewhere none is."""
    return 0.25 if nature.cut_off != Nature.cut_off else 0.0


def simulated_words(
    nature: Nature, population: Population, items: int, samples: int, random: np.random.Generator
) -> tuple[tuple[Word, ...], str]:
    """The words of the verdict on samples, and the word on greedy replies, in one simulated evaluation."""
    before, after = models(nature, population, items, random, cut_off=cut_offs(nature))
    verdict = judge(*(Drawn(*sampled(model, samples, random)) for model in (before, after)))
    (was, was_ended), (now, now_ended) = (greedy(model, random) for model in (before, after))
    both = was_ended & now_ended
    (greedy_verdict,) = corrected([_paired(was, now)], [None if both.all() else _paired(was[both], now[both])])
    return verdict.words, word_of(greedy_verdict)


def _paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> PairedComparison:
    return mcnemar(dict(enumerate(before.tolist())), dict(enumerate(after.tolist())))  # type: ignore[arg-type]


def is_right(word: str, words: tuple[Word, ...], nature: Nature, population: Population, samples: int) -> bool:
    """Whether a word is true of the population's averages; see benchmarks/verdict.py."""
    changes = {k: now - was for k, (was, now) in truth(nature, population, samples, cut_offs(nature)).items()}
    mean, ended, favourites, passed = (changes[key] for key in ("mean", "ended", "favourites", "passed"))
    is_level = abs(favourites) <= LEVEL and (abs(passed) <= LEVEL or "narrowed" in words)
    return {
        "better": min(mean, ended, favourites) > EXACT,
        "sharpened": min(mean, ended) > EXACT and is_level,
        "likelier": min(mean, ended) > EXACT,
        "narrowed": passed < -EXACT,
        "worse": min(mean, favourites) < -EXACT,
        "shorter": mean > EXACT and ended < EXACT,
    }[word]


def is_right_greedy(word: str, nature: Nature, population: Population) -> bool:
    """Whether the word on greedy replies is true of the population; that no difference is shown claims nothing."""
    changes = truth(nature, population, 1, cut_offs(nature))
    greedy_change, ended = (now - was for was, now in (changes["greedy"], changes["favourites"]))
    return {
        "improved": min(greedy_change, ended) > EXACT,
        "shorter": greedy_change > EXACT and ended < EXACT,
        "got worse": greedy_change < -EXACT,
    }.get(word, True)
