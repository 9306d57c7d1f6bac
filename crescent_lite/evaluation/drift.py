"""Summarises a round in a few dozen measures that may drift while a model trains on its own answers. Pure.

Lengths are in tokens, shares and rates 0-1, similarities 0-100. A measure that cannot be computed is left out.
Does not read the store, and does not decide what is alarming. Example:
    measure(RoundFacts(1, shares=(0.5, 1.0)))["mean_share"] -> 0.75
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import exp, lgamma
from statistics import fmean

import numpy as np
from rapidfuzz import fuzz, process

from crescent_lite.evaluation.sampled_scores import pass_at_k
from crescent_lite.questions.duplicates import template, wording
from crescent_lite.round_facts import BenchmarkCounts, MeasuredRound, ReplyCounts, RoundFacts

LOOKED_AT = 200
"""Most questions compared with each other; more would have nearer neighbours, so no round may use more."""
PERCENTILES = (10, 50, 90)
"""Percentiles of the length of replies that are measured."""


def measure_round(facts: RoundFacts) -> MeasuredRound:
    """Return the round's counts together with its measures."""
    return MeasuredRound(facts, measure(facts))


def measure(facts: RoundFacts) -> dict[str, float]:
    """Return every measure of a round that can be computed, by name."""
    found: dict[str, float] = {}
    texts = sum(facts.reasons.values())
    if texts:
        found["acceptance"] = facts.reasons.get("new", 0) / texts
        found["near_duplicates"] = sum(facts.reasons.get(r, 0) for r in ("near_duplicate", "same_template")) / texts
        found["contaminated"] = sum(facts.contaminated.values()) / texts
    if len(facts.questions) > 1:
        found["similarity"] = similarity(facts.questions, LOOKED_AT)
        found["different_questions"] = distinct_share(map(wording, facts.questions), facts.raw_texts, facts.raw_texts)
    if facts.shares:
        found["mean_share"] = fmean(facts.shares)
    if facts.labels:
        counts = Counter(facts.labels)
        found["commonest_label"] = max(counts.values()) / len(facts.labels)
        found["distinct_labels"] = len(counts) / len(facts.labels)
    found |= _of_replies("votes", facts.votes)
    found |= _of_replies("evaluated", facts.evaluated)
    greedy = [each for each in facts.evaluations if each.samples == 1 and each.right]
    for role in sorted({each.role for each in greedy}):
        found[f"{role}_flexible"] = fmean(flexible(each) for each in greedy if each.role == role)
        found[f"{role}_strict"] = fmean(strict(each) for each in greedy if each.role == role)
    sampled = [each for each in facts.evaluations if each.samples > 1 and each.right]
    if sampled:
        found["pass_at_1"] = fmean(flexible(each) for each in sampled)
        found["pass_at_k"] = fmean(fmean(_passes(each, each.samples)) for each in sampled)
    if excess := [commonest_excess(each) for each in greedy]:
        found["commonest_answer_excess"] = max(excess)
    return found


def flexible(counts: BenchmarkCounts) -> float:
    """The mean flexible score over all replies, 0-1."""
    return sum(right for _, right in counts.right.values()) / (counts.samples * len(counts.right))


def strict(counts: BenchmarkCounts) -> float:
    """The mean strict score over all replies, 0-1."""
    return sum(right for right, _ in counts.right.values()) / (counts.samples * len(counts.right))


def commonest_excess(counts: BenchmarkCounts) -> float:
    """Return the largest excess of any one answer: (times given - times right) / items, 0-1."""
    return max((n - counts.gold.get(key, 0) for key, n in counts.answers.items()), default=0) / len(counts.right)


def similarity(questions: Iterable[str], size: int) -> float:
    """Return the mean similarity of a question's template (numbers masked) to its nearest neighbour, 0-100.

    Computed over `size` questions chosen at random, or all if there are fewer. Compare rounds at the same size only.
    """
    templates = sorted(map(template, questions))
    looked_at = random.Random(0).sample(templates, min(size, LOOKED_AT, len(templates)))
    scores = process.cdist(looked_at, looked_at, scorer=fuzz.ratio, dtype=np.float32)
    np.fill_diagonal(scores, -1)  # a question is not its own neighbour
    return float(scores.max(axis=1).mean())


def distinct_share(things: Iterable[Hashable], of: int, size: int) -> float:
    """Return the expected number of distinct things among `size` draws from a population of `of`, divided by `size`.

    The share falls as `size` grows, so compare rounds at the same size only. Members of the population that are not
    in `things` (unusable texts, for instance) are drawn but never counted. Source: rarefaction, Hurlbert, Ecology 52
    (1971) 577.
    """
    counts = Counter(Counter(things).values())
    return sum(n * (1 - _none_drawn(count, of, size)) for count, n in counts.items()) / size


def _none_drawn(count: int, of: int, size: int) -> float:
    """The probability that `size` draws from a population of `of` include none of `count` given members."""
    if of - count < size:
        return 0.0
    ways = lgamma(of - count + 1) - lgamma(of - count - size + 1), lgamma(of + 1) - lgamma(of - size + 1)
    return exp(ways[0] - ways[1])


def percentile(tokens: Mapping[int, int], percent: float) -> float:
    """Return the shortest length, in tokens, that at least `percent` percent of the replies do not exceed.

    `tokens`: length -> number of replies. Raises ValueError without replies.
    """
    wanted = percent / 100 * sum(tokens.values())
    passed = 0
    for length in sorted(tokens):
        passed += tokens[length]
        if passed >= wanted:
            return float(length)
    raise ValueError("no replies")


def _of_replies(name: str, replies: ReplyCounts) -> dict[str, float]:
    if not replies.count:
        return {}
    lengths = {f"{name}_tokens_p{percent}": percentile(replies.tokens, percent) for percent in PERCENTILES}
    ended, parsed = replies.ended / replies.count, replies.parsed / replies.count
    return {**lengths, f"{name}_ended": ended, f"{name}_parsed": parsed}


def _passes(each: BenchmarkCounts, k: int) -> list[float]:
    return [pass_at_k(each.samples, right, k) for _, right in each.right.values()]
