"""Stage 1, bait prompting: a short prompt makes an aligned model write a question. Source: arXiv 2502.13441.

A bare bait makes a small model write the same few stories again and again. So a prompt set may vary it (see
`prompt_set`): every try is steered to a topic, a name or an operation drawn from a list by the run's seed.
Knows the prompts; judges nothing and stores nothing.
Example: attempt(prompts, 17, config.bait, seed=1, round_number=1).request.user   # "... about a bakery ..."
"""

from __future__ import annotations

import re

from crescent_lite.config import BaitConfig
from crescent_lite.errors import ConfigError
from crescent_lite.prompts.sets import PromptSet, fill
from crescent_lite.records import Attempt, Generation, Request, derive_seed

PLACEHOLDER = re.compile(r"(?<![\\\w}])\{([a-z_]{2,})\}")
"""What has to have a list. LaTeX is left alone: its braces follow a command, or hold a letter or a number."""


def attempt(prompts: PromptSet, ask_index: int, bait: BaitConfig, seed: int, round_number: int) -> Attempt:
    """The raw question with this index: the same words for the same seed, on any machine."""
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
    """Every list of the set fills a placeholder, and every placeholder has a list. Raises ConfigError."""
    wanted = {
        name: where
        for where, text in (("bait.txt", prompts.bait.text), ("bait.assistant_prefix", bait.assistant_prefix))
        for name in PLACEHOLDER.findall(text)
    }
    if missing := sorted(set(wanted) - set(prompts.choices)):
        name = missing[0]
        raise ConfigError(
            f"{wanted[name]}: {{{name}}} wants a list bait.{name}.txt, which the prompt set {prompts.name!r} lacks"
        )
    if unused := sorted(set(prompts.choices) - set(wanted)):
        raise ConfigError(
            f"{prompts.folder / f'bait.{unused[0]}.txt'}: neither bait.txt nor bait.assistant_prefix has "
            f"{{{unused[0]}}}"
        )


def bait_generation(bait: BaitConfig, temperature: float | None = None) -> Generation:
    """How questions are drawn; rewrites use the same but for the temperature."""
    return Generation(
        bait.max_tokens,
        bait.temperature if temperature is None else temperature,
        bait.top_p,
        bait.top_k,
    )
