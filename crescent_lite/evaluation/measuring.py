"""Which ways a benchmark is put to a model: each of its prompts once, greedily, and perhaps several samples of one.

Owns the prompts that come with no prompt set: worked examples before the question, and the letter of a choice.
Example: [m.title for m in measurements(benchmark, config, prompts)] -> ["gsm8k, bare", "gsm8k, 5-shot"]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from crescent_lite.config import BenchmarkConfig, Config
from crescent_lite.errors import ConfigError
from crescent_lite.evaluation.choices import RANKED_AFTER
from crescent_lite.prompts.sets import PromptSet, prompt_text
from crescent_lite.records import Benchmark, Generation, Measurement

LETTER = "{question}\nAnswer with the letter of the right option only."
N_SHOT = re.compile(r"([1-9]\d?)-shot")


def prompts_of(settings: BenchmarkConfig, config: Config) -> tuple[str, ...]:
    """The names of the prompts that a benchmark is measured with."""
    if settings.prompts:
        return settings.prompts
    return ("likelihood",) if settings.kind == "choices" else config.evaluate.prompts


def shots_of(names: Iterable[str]) -> int:
    """How many worked examples these prompts need at most."""
    return max((int(found[1]) for name in names if (found := N_SHOT.fullmatch(name))), default=0)


def measurements(benchmark: Benchmark, config: Config, prompts: PromptSet) -> list[Measurement]:
    """Everything that is measured with a benchmark. Raises ConfigError for a prompt that does not exist."""
    settings = config.evaluate.benchmarks[benchmark.name]
    limit = settings.max_tokens or config.evaluate.max_tokens
    evaluate, vote = config.evaluate, config.vote
    names = prompts_of(settings, config)
    if not names:
        raise ConfigError(f"evaluate.benchmarks.{benchmark.name}: no prompt to measure with (evaluate.prompts)")
    if len(set(names)) < len(names):
        raise ConfigError(f"evaluate.benchmarks.{benchmark.name}: a prompt is named twice")
    if "likelihood" in names and (settings.kind != "choices" or settings.samples > 1):
        raise ConfigError(f"evaluate.benchmarks.{benchmark.name}: the prompt 'likelihood' is for choices, once each")
    if "likelihood" in names and config.sampling.servers:
        raise ConfigError(
            f"evaluate.benchmarks.{benchmark.name}: servers do not tell the likelihood of options; with "
            "sampling.servers set its prompts to ['letter']"
        )
    greedy = Generation(limit, evaluate.temperature, evaluate.top_p, evaluate.top_k)
    drawn = Generation(limit, vote.temperature, vote.top_p, vote.top_k)
    found = [_measurement(benchmark, name, prompts, greedy, 1) for name in names]
    if settings.samples > 1:
        found.append(_measurement(benchmark, names[-1], prompts, drawn, settings.samples))
    return found


def _measurement(
    benchmark: Benchmark, name: str, prompts: PromptSet, generation: Generation, samples: int
) -> Measurement:
    if shown := N_SHOT.fullmatch(name):
        text = "".join(
            f"Question: {asked}\nAnswer: {solution}\n\n" for asked, solution in benchmark.shots[: int(shown[1])]
        )
        prompt = prompt_text(f"{benchmark.name}/{name}", text + "Question: {question}\nAnswer:")
        # a model that has seen a list of questions likes to go on with it
        generation = replace(generation, stop=("Question:",))
    elif name == "letter":
        prompt = prompt_text(name, LETTER)
    elif name == "likelihood":
        prompt = prompt_text(name, f"{{question}}\n{RANKED_AFTER}")
        return Measurement(benchmark, prompt, replace(generation, logprobs=True), 1, ranks=True)
    else:
        prompt = prompts.for_evaluation(name)
    return Measurement(benchmark, prompt, generation, samples)
