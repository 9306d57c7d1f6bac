"""Builds baits: short prompts that make an aligned model write a question. Source: arXiv 2502.13441.

With a bait of fixed wording, a small model writes the same few stories again and again. A prompt set may therefore
have placeholders with value lists (see `prompts.sets`): each bait is steered to a topic, a name or an operation drawn
from its list by the run's seed. Knows the prompts; judges and stores nothing. Example, with the set word-problems:
    attempt(prompts, 17, config.bait, seed=1, round_number=1).request.user
    -> "Write a short maths word problem about Elena and a school trip. It is solved by an average. ..."
"""

from __future__ import annotations

import re

from crescent_lite.config import BaitConfig
from crescent_lite.errors import ConfigError
from crescent_lite.prompts.sets import PromptSet, fill
from crescent_lite.records import Attempt, Generation, Request, derive_seed

PLACEHOLDER = re.compile(r"(?<![\\\w}])\{([a-z_]{2,})\}")
"""A placeholder, which needs a value list. Braces of LaTeX do not match: they follow a command, or hold one letter or
a number."""


def attempt(prompts: PromptSet, ask_index: int, bait: BaitConfig, seed: int, round_number: int) -> Attempt:
    """Build the bait for a raw question; the same seed, round and index give the same bait on any machine."""
    key = f"round {round_number} ask {ask_index}"
    steering = {
        name: values[derive_seed(seed, key, name) % len(values)]
        for name, values in prompts.choices.items()
        if any(f"{{{name}}}" in text for text in (prompts.bait.text, bait.assistant_prefix))
    }
    request = Request(
        key=key,
        user=fill(prompts.bait.text, **steering),
        assistant_prefix=fill(bait.assistant_prefix, **steering),
        generation=bait_generation(bait),
        seed=seed,
    )
    return Attempt(request, prompts.bait.sha256, ask_index=ask_index, steering=steering)


def check_steering(prompts: PromptSet, bait: BaitConfig) -> None:
    """Raise ConfigError for a placeholder without a value list, or a value list without a placeholder."""
    used_in = {
        name: where
        for where, text in (("bait.txt", prompts.bait.text), ("bait.assistant_prefix", bait.assistant_prefix))
        for name in PLACEHOLDER.findall(text)
    }
    if missing := sorted(set(used_in) - set(prompts.choices)):
        name = missing[0]
        raise ConfigError(
            f"{used_in[name]}: placeholder {{{name}}} has no value list; "
            f"add bait.{name}.txt to the prompt set {prompts.name!r}"
        )
    if unused := sorted(set(prompts.choices) - set(used_in)):
        raise ConfigError(
            f"{prompts.folder / f'bait.{unused[0]}.txt'}: value list without a placeholder; "
            f"add {{{unused[0]}}} to bait.txt or bait.assistant_prefix, or delete the file"
        )


def bait_generation(bait: BaitConfig, temperature: float | None = None) -> Generation:
    """The sampling settings for questions. `temperature`: for rewrites; None for bait.temperature."""
    return Generation(
        bait.max_tokens,
        bait.temperature if temperature is None else temperature,
        bait.top_p,
        bait.top_k,
    )
