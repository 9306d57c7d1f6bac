"""Settings of control experiments: runs of the same base without one part of the method, to explain a gain.

    step-by-step   the base, prompted to solve step by step: the effect of the prompt alone
    majority       the base's majority of k samples, for about as many tokens as the run drew to improve itself
    temperatures   the base's samples at lower temperatures: what sharpening alone brings
    unvoted        round 1 again, trained on samples whatever their answer: the effect of the votes
    coin           the preference pairs of round 1, winner and loser drawn by lot: the effect of which side won
    undiversified  round 1 again, with every question kept, repeated or not: the effect of diversification

Those that train use as many examples and passes as round 1, and `undiversified` writes as many texts. Pure. Example:
    control_config("majority", config, Spent(150, 61, 5)).evaluate.benchmarks["gsm8k"].samples -> 5
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crescent_lite.config import BenchmarkConfig, Config, EvaluateConfig, TrainConfig
from crescent_lite.config.names import Control

TRAINED: tuple[Control, ...] = ("unvoted", "coin", "undiversified")
"""Controls that train a model; the others only measure the base."""
LEARNS_FROM_THE_RUN: tuple[Control, ...] = ("unvoted", "coin")
"""Controls that neither ask nor vote: they learn from the votes of the run's round 1."""
LOWER_TEMPERATURES = (0.2, 0.4, 0.6)
"""Temperatures of the control `temperatures` (guess)."""
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
    epochs: float = 0.0
    """Passes over the examples that round 1 was planned to make; 0 if it trained nothing."""
    batch_size: int = 0
    """Examples per step of round 1; 0 if it trained nothing."""


def why_left_out(control: Control, config: Config) -> str | None:
    """Return why a run that has the settings `config` cannot have this control; None if it can."""
    if control == "coin" and config.train.objective != "preference":
        return f"train.objective is '{config.train.objective}', which learns no pairs"
    if control == "temperatures" and not any(each.samples > 1 for each in config.evaluate.benchmarks.values()):
        return "no benchmark is answered several times; set evaluate.benchmarks.NAME.samples = 8"
    return None


def control_config(control: Control, config: Config, spent: Spent) -> Config:
    """Return the settings of a control of a run that has the settings `config`."""
    evaluate = config.evaluate
    if control == "step-by-step":
        return replace(config, evaluate=_asked_to_solve(evaluate, samples=0))
    if control == "majority":
        return replace(config, evaluate=_asked_to_solve(evaluate, samples=spent.samples))
    if control == "temperatures":
        sampled = {name: each for name, each in evaluate.benchmarks.items() if each.samples > 1}
        lower = replace(evaluate, benchmarks=sampled, sample_temperatures=LOWER_TEMPERATURES)
        return replace(config, evaluate=lower)
    greedy = {name: replace(each, samples=0) for name, each in evaluate.benchmarks.items()}
    train = replace(
        config.train,
        max_examples=spent.examples,
        epochs=spent.epochs or config.train.epochs,
        batch_size=spent.batch_size or config.train.batch_size,
        start_from="base",
    )
    config = replace(config, evaluate=replace(evaluate, benchmarks=greedy), train=train)
    if control == "unvoted":
        return replace(config, train=_without_votes(train))
    if control == "coin":
        return config
    return replace(
        config,
        bait=replace(config.bait, questions=spent.texts),
        diversify=replace(config.diversify, duplicates="keep", max_rewrites=0),
    )


def _without_votes(train: TrainConfig) -> TrainConfig:
    """The settings of a training on samples that no vote chose: without votes there are no losers and no shares."""
    rate = train.learning_rate if train.objective == "sft" else 0.0  # a rate for pairs is far too low for 'sft'
    return replace(train, objective="sft", solutions_per_label=1, learning_rate=rate)


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
