"""Supervised fine-tuning: the cross entropy of the solutions, averaged over their tokens.

A question with several solutions gives each of them a part of its weight. Sources: rejection-sampling fine-tuning,
arXiv 2308.01825 (several distinct solutions a question); weights by the share of the votes, arXiv 2510.02892.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from crescent_lite.records import TokenExample
from crescent_lite.training.objectives.interface import TokenLosses, TokenSequence


@dataclass(frozen=True)
class SupervisedFineTuning:
    """The mean cross entropy over all answer tokens, each weighted by its example's weight."""

    needs_reference: ClassVar[bool] = False
    mean_of_tokens: ClassVar[bool] = True

    def sequences(self, example: TokenExample) -> tuple[TokenSequence, ...]:
        """The solution."""
        return (TokenSequence(example.input_ids, example.prompt_length),)

    def size(self, examples: Sequence[TokenExample]) -> float:
        """The number of answer tokens, each counted with its example's weight."""
        return sum(each.weight * (len(each.input_ids) - each.prompt_length) for each in examples)

    def loss(self, example: TokenExample, losses: TokenLosses) -> torch.Tensor:
        """The weighted sum of the tokens' cross entropies, in nats."""
        return example.weight * losses[0].sum()

    def measures(self, example: TokenExample, losses: TokenLosses) -> Mapping[str, float]:
        """Nothing beside the loss."""
        return {}

    def reason_to_stop(self, held_out: Mapping[str, float]) -> str | None:
        """Never: the held-out loss says enough."""
        return None
