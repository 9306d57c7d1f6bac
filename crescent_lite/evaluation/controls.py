"""Settings of control experiments: runs of the same base without one part of the method, to explain a gain.

    step-by-step   the base, prompted to solve step by step: the effect of the prompt alone
    majority       the base's majority of k samples, for about as many tokens as the run drew to improve itself
    unvoted        round 1 again, trained on one sample of each question: the effect of the votes
    undiversified  round 1 again, with every question kept, repeated or not: the effect of diversification

The two that train use as many examples as round 1, and `undiversified` writes as many texts. Pure. Example:
    control_config("majority", config, Spent(150, 61, 5)).evaluate.benchmarks["gsm8k"].samples -> 5
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crescent_lite.config import BenchmarkConfig, Config, EvaluateConfig
from crescent_lite.config.names import Control

TRAINED: tuple[Control, ...] = ("unvoted", "undiversified")
"""Controls that train a model; the others only measure the base."""
SOLVE = "solve"
"""The prompt that votes are drawn with."""
FEWEST_SAMPLES = 3
"""Fewest samples that can have a majority and a minority."""
MOST_SAMPLES = 64
"""Most samples per item; more hardly change a majority (arXiv 2203.11171, figure 2)."""


@dataclass(frozen=True)
class Spent:
    """What a run spent; its controls spend as much."""

    texts: int
    """Raw questions and rewrites in round 1."""
    examples: int
    """Examples that round 1 trained on."""
    samples: int
    """Samples per item of the control `majority`; see `equal_samples`."""


def control_config(control: Control, config: Config, spent: Spent) -> Config:
    """Return the settings of a control of a run that has the settings `config`."""
    evaluate = config.evaluate
    if control == "step-by-step":
        return replace(config, evaluate=_asked_to_solve(evaluate, samples=0))
    if control == "majority":
        return replace(config, evaluate=_asked_to_solve(evaluate, samples=spent.samples))
    greedy = {name: replace(each, samples=0) for name, each in evaluate.benchmarks.items()}
    config = replace(
        config,
        evaluate=replace(evaluate, benchmarks=greedy),
        train=replace(config.train, max_examples=spent.examples, start_from="base"),
    )
    if control == "unvoted":
        return config
    return replace(
        config,
        bait=replace(config.bait, questions=spent.texts),
        diversify=replace(config.diversify, duplicates="keep", max_rewrites=0),
    )


def equal_samples(tokens_of_run: int, tokens_of_one: float) -> int:
    """Return how many samples of each item the base must draw to use about as many tokens as the run.

    `tokens_of_run`: tokens that the run drew to improve itself; it also drew one reply to every item, which takes
    `tokens_of_one` tokens. The result is at least FEWEST_SAMPLES and at most MOST_SAMPLES.
    """
    samples = 1 + round(tokens_of_run / tokens_of_one) if tokens_of_one else FEWEST_SAMPLES
    return max(FEWEST_SAMPLES, min(samples, MOST_SAMPLES))


def _asked_to_solve(evaluate: EvaluateConfig, *, samples: int) -> EvaluateConfig:
    """Return settings with only the benchmarks whose answers can be voted on, prompted to solve step by step."""
    benchmarks = {
        name: replace(each, prompts=(SOLVE,), samples=samples)
        for name, each in evaluate.benchmarks.items()
        if has_a_value(each)
    }
    return replace(evaluate, benchmarks=benchmarks)


def has_a_value(benchmark: BenchmarkConfig) -> bool:
    """Whether the control `majority` applies to a benchmark: its answers are values, and it is not a canary."""
    return benchmark.kind == "answers" and benchmark.role != "canary"
