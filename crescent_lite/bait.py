"""Stage 1, bait prompting: a short prompt makes an aligned model write raw questions. Source: arXiv 2502.13441.

Knows the prompt and the sampler; judges nothing and stores nothing.
Example: for completion, raw_text in ask(sampler, prompt, indexes, settings, seed): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crescent_lite.config import BaitConfig
from crescent_lite.patience import Patience
from crescent_lite.records import Completion, Generation, PromptText, Request
from crescent_lite.sampling import Sampler

EMPTY_LIMIT = 100
"""Empty texts in a row, from the first one on, after which asking further is pointless (guess)."""


def ask(
    sampler: Sampler, prompt: PromptText, ask_indexes: Sequence[int], bait: BaitConfig, seed: int, round_number: int
) -> Iterator[tuple[Completion, str]]:
    """One raw text for each index, as it comes, with the words the model was made to begin with.

    Raises StageError when the model writes nothing at all.
    """
    request = Request(
        key=f"round {round_number} bait",
        user=prompt.text,
        assistant_prefix=bait.assistant_prefix,
        generation=bait_generation(bait),
        sample_indexes=tuple(ask_indexes),
        seed=seed,
    )
    patience = Patience("bait", EMPTY_LIMIT, "the model wrote nothing; try another bait prompt or another model")
    for completion in sampler.sample([request]):
        yield completion, bait.assistant_prefix + completion.text
        patience.note(bool(completion.text.strip()))  # after it is stored: nothing a model said is lost


def bait_generation(bait: BaitConfig, temperature: float | None = None) -> Generation:
    """How questions are drawn; rewrites use the same but for the temperature."""
    return Generation(
        bait.max_tokens,
        bait.temperature if temperature is None else temperature,
        bait.top_p,
        bait.top_k,
    )
