"""What a gain is made of: the same base without one part of the method, as settings of runs of their own.

    step-by-step   the base, asked to solve step by step: what the prompt alone brings
    majority       the base's majority of k samples, for about the tokens that the run drew to improve itself
    unvoted        round 1 again, learning from one sample of each question: what the votes bring
    undiversified  round 1 again, keeping every question however often it was asked: what diversification brings

The two that train learn from as many examples as round 1 did, and the second writes as many texts. Pure. Example:
    control_config("majority", config, Spent(150, 61, 5)).evaluate.benchmarks["gsm8k"].samples -> 5
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crescent_lite.config import BenchmarkConfig, Config, EvaluateConfig
from crescent_lite.names import CONTROLS as CONTROLS  # the engine takes these from here
from crescent_lite.names import Control as Control

TRAINED: tuple[Control, ...] = ("unvoted", "undiversified")
SOLVE = "solve"
FEWEST_SAMPLES = 3
"""The smallest number that can have a majority over a minority."""
MOST_SAMPLES = 64
"""More samples than that hardly change a majority (arXiv 2203.11171, figure 2)."""


@dataclass(frozen=True)
class Spent:
    """What a run spent, so that its controls spend as much."""

    texts: int
    """Of round 1: raw questions and rewrites."""
    examples: int
    """Of round 1: learnt from."""
    samples: int
    """Of the majority."""


def control_config(control: Control, config: Config, spent: Spent) -> Config:
    """The settings of a control of a run with these settings."""
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
    """How many samples of every item cost about what the run drew to improve itself, beside its one answer each.

    `tokens_of_one`: drawn for one sample of every item.
    """
    samples = 1 + round(tokens_of_run / tokens_of_one) if tokens_of_one else FEWEST_SAMPLES
    return max(FEWEST_SAMPLES, min(samples, MOST_SAMPLES))


def _asked_to_solve(evaluate: EvaluateConfig, *, samples: int) -> EvaluateConfig:
    """Only what has a value to be found, with the prompt that votes are drawn with."""
    benchmarks = {
        name: replace(each, prompts=(SOLVE,), samples=samples)
        for name, each in evaluate.benchmarks.items()
        if has_a_value(each)
    }
    return replace(evaluate, benchmarks=benchmarks)


def has_a_value(benchmark: BenchmarkConfig) -> bool:
    """Whether there is a majority of its answers to be measured."""
    return benchmark.kind == "answers" and benchmark.role != "canary"
