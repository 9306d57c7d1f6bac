"""Greedy replies of the model in training to questions that it is not trained on, and when they are drawn.

A look draws one reply to each held-out question. Looks cost at most LARGEST_PART of the tokens of a training, so a
short training has fewer of them. They leave weights, gradients and random state as they are. Runs in the training
program only. Example: looks = Looks(examples, most_replies=50, most_tokens=640, training_tokens=300_000)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from transformers import GenerationConfig

from crescent_lite.records import LookReply, TokenExample

LARGEST_PART = 0.05
"""Tokens that all looks of a training may draw, as a fraction of the tokens that are trained on (guess: a token that
is drawn side by side with others takes about as long as one that is trained on)."""
FEWEST_REPLIES = 5
"""With fewer replies than this a look says nothing, and none is taken (guess)."""
AT_ONCE = 16
"""Replies that are drawn side by side (guess)."""


class Looks:
    """The prompts of a training's looks, and the steps after which they are taken."""

    def __init__(
        self, held_out: Sequence[TokenExample], *, most_replies: int, most_tokens: int, training_tokens: int
    ) -> None:
        """`most_tokens` limits one reply; `training_tokens` are those of all steps together."""
        questions = {each.question_id: each for each in reversed(held_out)}
        shown = [questions[number] for number in sorted(questions)]
        answers = [len(each.input_ids) - each.prompt_length for each in shown]
        usual = sum(answers) / max(len(answers), 1)
        # A look before the first step and one after the last must fit.
        affordable = int(LARGEST_PART * training_tokens / 2 / max(usual, 1))
        count = min(len(shown), most_replies, affordable) if most_tokens else 0
        self._examples = shown[:count] if count >= FEWEST_REPLIES else []
        self._most_tokens = most_tokens
        self._left = LARGEST_PART * training_tokens
        self.tokens = 0
        """Tokens drawn by the look before the first step; 0 before it was taken."""

    @property
    def is_wanted(self) -> bool:
        """Whether any look is taken."""
        return bool(self._examples)

    def steps(self, due: Sequence[int]) -> set[int]:
        """Those of the steps `due` after which a look is taken: the last one, and as many before it as may be."""
        if not self.is_wanted or not due:
            return set()
        most = max(1, int(self._left / max(self.tokens, 1)) - 1)
        every = math.ceil(len(due) / most)
        return set(due[::-1][::every])

    def take(self, model: Any, autocast: AbstractContextManager[Any], end_tokens: Sequence[int]) -> list[LookReply]:
        """Draw the replies. `end_tokens` end one."""
        by_length = sorted(self._examples, key=lambda each: each.prompt_length)
        replies: list[LookReply] = []
        device = next(model.parameters()).device
        model.eval()
        with torch.random.fork_rng(enabled=True), torch.no_grad(), autocast:
            for start in range(0, len(by_length), AT_ONCE):
                replies += self._replies(model, by_length[start : start + AT_ONCE], end_tokens, device)
        return sorted(replies, key=lambda reply: reply.question_id)

    def _replies(
        self, model: Any, examples: Sequence[TokenExample], end_tokens: Sequence[int], device: torch.device
    ) -> list[LookReply]:
        longest = max(each.prompt_length for each in examples)
        input_ids = torch.full((len(examples), longest), end_tokens[0])
        mask = torch.zeros_like(input_ids)
        for row, each in enumerate(examples):  # padded on the left, so that all replies begin at one place
            input_ids[row, longest - each.prompt_length :] = torch.tensor(each.input_ids[: each.prompt_length])
            mask[row, longest - each.prompt_length :] = 1
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=self._most_tokens,
            eos_token_id=list(end_tokens),
            pad_token_id=end_tokens[0],
            repetition_penalty=1.0,
            use_cache=True,
        )
        drawn = model.generate(
            input_ids=input_ids.to(device), attention_mask=mask.to(device), generation_config=settings
        )
        found = []
        for each, row in zip(examples, drawn[:, longest:].tolist(), strict=True):
            end = next((place for place, token in enumerate(row) if token in end_tokens), None)
            found.append(LookReply(each.question_id, tuple(row[:end]), end is not None))
        return found
