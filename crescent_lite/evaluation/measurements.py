"""Decides how a model is measured on a benchmark: greedily with each prompt, and optionally with several samples.

Owns the prompts that belong to no prompt set: 5-shot and the like, `letter` and `likelihood`. Knows no model and no
database. Example, with the prompts "bare" and "5-shot":
    [m.title for m in measurements(benchmark, config, prompts)] -> ["gsm8k, bare", "gsm8k, 5-shot"]
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from crescent_lite.config import BenchmarkConfig, Config, ModelConfig
from crescent_lite.errors import ConfigError
from crescent_lite.evaluation.choices import RANKED_AFTER
from crescent_lite.prompts.sets import PromptSet, prompt_text
from crescent_lite.records import Benchmark, Generation, Measurement

LETTER = "{question}\nAnswer with the letter of the right option only."
"""The prompt `letter`, for multiple choice."""
N_SHOT = re.compile(r"([1-9]\d?)-shot")
"""Name of a prompt with worked examples: '5-shot'."""
NEXT_QUESTION = "\nQuestion:"
"""Ends the reply to such a prompt, because after a list of questions a model tends to write another one. Unlike the
'Question:' of lm-evaluation-harness, it ends a reply only at the start of a line, and not in the first one."""


def prompts_of(settings: BenchmarkConfig, config: Config) -> tuple[str, ...]:
    """Return the names of the prompts for a benchmark: its own, or by default those of the evaluation settings."""
    if settings.prompts:
        return settings.prompts
    return ("likelihood",) if settings.kind == "choices" else config.evaluate.prompts


def shots_of(names: Iterable[str]) -> int:
    """Return the largest number of worked examples that one of these prompts shows; 0 if none shows any."""
    return max((int(found[1]) for name in names if (found := N_SHOT.fullmatch(name))), default=0)


def measurements(benchmark: Benchmark, config: Config, prompts: PromptSet) -> list[Measurement]:
    """Return every measurement of a benchmark. Raises ConfigError for prompts that are missing or do not suit it.

    `config`: its `model.chat_template`, if there is one, is the template's text.
    """
    if benchmark.role == "agreement":
        asked = config.evaluate
        greedily = Generation(asked.max_tokens, 0.0, asked.top_p, asked.top_k)
        own = _measurement(benchmark, "bare", prompts, greedily, 1)
        return [replace(own, chat=_chat(config.model))]
    settings = config.evaluate.benchmarks[benchmark.name]
    limit = settings.max_tokens or config.evaluate.max_tokens
    evaluate, vote = config.evaluate, config.vote
    names = prompts_of(settings, config)
    if not names:
        raise ConfigError(f"evaluate.benchmarks.{benchmark.name}: has no prompt; name one in evaluate.prompts")
    if len(set(names)) < len(names):
        raise ConfigError(f"evaluate.benchmarks.{benchmark.name}: a prompt is named twice; remove one")
    if "likelihood" in names and (settings.kind != "choices" or settings.samples > 1):
        raise ConfigError(
            f"evaluate.benchmarks.{benchmark.name}: the prompt 'likelihood' needs kind = 'choices' and no samples"
        )
    if "likelihood" in names and config.sampling.servers:
        raise ConfigError(
            f"evaluate.benchmarks.{benchmark.name}: servers cannot report the likelihood of options; with "
            "sampling.servers set its prompts to ['letter']"
        )
    greedy = Generation(limit, evaluate.temperature, evaluate.top_p, evaluate.top_k)
    found = [_measurement(benchmark, name, prompts, greedy, 1) for name in names]
    if settings.samples > 1:
        for named in dict.fromkeys(evaluate.sample_temperatures) or (None,):
            drawn = Generation(limit, vote.temperature if named is None else named, vote.top_p, vote.top_k)
            sampled = _measurement(benchmark, names[-1], prompts, drawn, settings.samples)
            found.append(replace(sampled, named_temperature=named))
    return [replace(each, chat=_chat(config.model)) for each in found]


def _chat(model: ModelConfig) -> dict[str, Any]:
    """See `Measurement.chat`."""
    found: dict[str, Any] = {}
    if model.chat_template:
        found["chat_template"] = hashlib.sha256(model.chat_template.encode()).hexdigest()
    if model.template_arguments:
        found["template_arguments"] = dict(model.template_arguments)
    return found


def _measurement(
    benchmark: Benchmark, name: str, prompts: PromptSet, generation: Generation, samples: int
) -> Measurement:
    if shown := N_SHOT.fullmatch(name):
        text = "".join(
            f"Question: {asked}\nAnswer: {solution}\n\n" for asked, solution in benchmark.shots[: int(shown[1])]
        )
        prompt = prompt_text(f"{benchmark.name}/{name}", text + "Question: {question}\nAnswer:")
        generation = replace(generation, stop=(NEXT_QUESTION,))
    elif name == "letter":
        prompt = prompt_text(name, LETTER)
    elif name == "likelihood":
        prompt = prompt_text(name, f"{{question}}\n{RANKED_AFTER}")
        return Measurement(benchmark, prompt, replace(generation, logprobs=True), 1, ranks=True)
    else:
        prompt = prompts.for_evaluation(name)
    return Measurement(benchmark, prompt, generation, samples)
