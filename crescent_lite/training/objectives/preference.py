"""Preference pairs: a solution of the leading answer over one of a losing answer, weighted by the votes between them.

With D(y) = log p(y) - log p_ref(y), summed over the tokens of reply y, a pair of winner c and loser r costs
    w * (-log sigmoid(beta * (D(c) - D(r))) - alpha * log p(c) / |c|)
The reference is the model before the first step. Sources: arXiv 2411.04109 (weights by votes), arXiv 2404.19733 (the
likelihood term), arXiv 2305.18290 (the contrast).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from crescent_lite.errors import TrainingError
from crescent_lite.records import TokenExample
from crescent_lite.training.objectives.interface import TokenLosses, TokenSequence

MAX_FALL = 0.05
"""Largest fall of the winners' mean log-probability per token, in nats. A larger one means that winners are pushed
down together with the losers (guess)."""


@dataclass(frozen=True)
class Preference:
    """Direct preference optimisation with a likelihood term, weighted by votes."""

    needs_reference: ClassVar[bool] = True
    mean_of_tokens: ClassVar[bool] = False

    beta: float
    """Scale of the contrast: a larger one keeps the model nearer to the reference."""
    nll_weight: float
    """Weight of the winner's mean cross entropy beside the contrast."""

    def sequences(self, example: TokenExample) -> tuple[TokenSequence, ...]:
        """The winner and the loser. Raises TrainingError for an example without a loser."""
        if not example.rejected_ids:
            raise TrainingError(f"question {example.question_id} has no losing solution to compare with")
        return (
            TokenSequence(example.input_ids, example.prompt_length),
            TokenSequence(example.rejected_ids, example.prompt_length),
        )

    def size(self, examples: Sequence[TokenExample]) -> float:
        """The number of pairs."""
        return len(examples)

    def loss(self, example: TokenExample, losses: TokenLosses) -> torch.Tensor:
        """The loss of one pair, in nats."""
        winner, loser = self._changes(example, losses)
        contrast = -functional.logsigmoid(self.beta * (winner - loser))
        return example.weight * (contrast + self.nll_weight * losses[0].mean())

    def measures(self, example: TokenExample, losses: TokenLosses) -> Mapping[str, float]:
        """Whether the winner gained on the loser, and each one's change in log-probability per token, in nats."""
        winner, loser = (float(change.detach()) for change in self._changes(example, losses))
        return {
            "pair_accuracy": float(winner > loser),
            "winner_logprob_change": winner / len(losses[0]),
            "loser_logprob_change": loser / len(losses[1]),
        }

    def reason_to_stop(self, held_out: Mapping[str, float]) -> str | None:
        """Stop when the held-out winners have become less likely by more than MAX_FALL per token."""
        change = held_out["winner_logprob_change"]
        if change >= -MAX_FALL:
            return None
        return f"the winning solutions of the held-out pairs became less likely, by {-change:.3f} nats per token"

    def _changes(self, example: TokenExample, losses: TokenLosses) -> tuple[torch.Tensor, torch.Tensor]:
        """D of the winner and of the loser: how much more likely each is than before the first step, in nats."""
        if example.reference is None:
            raise AssertionError("the reference is computed before the first step")
        winner, loser = losses
        return -winner.sum() - example.reference[0], -loser.sum() - example.reference[1]
