"""The interface of an objective: which token sequences an example has, and the loss of their tokens.

Example: for a pair of solutions `sequences` gives two sequences with the same prompt, the winner first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch

from crescent_lite.records import TokenExample


@dataclass(frozen=True)
class TokenSequence:
    """A prompt and one reply to it, as token ids."""

    input_ids: tuple[int, ...]
    """Prompt, then reply, then the end-of-turn token."""
    prompt_length: int
    """Number of leading `input_ids` that are the prompt; they have no loss."""

    @property
    def answer_length(self) -> int:
        """Number of tokens that have a loss."""
        return len(self.input_ids) - self.prompt_length


TokenLosses = Sequence[torch.Tensor]
"""For each sequence of an example: the cross entropy of each of its answer tokens in nats, shape (answer tokens,)."""


class Objective(Protocol):
    """What a fine-tuning minimises: the mean over examples of a function of their tokens' cross entropies."""

    needs_reference: ClassVar[bool]
    """Whether an example needs `reference`: the log-probabilities of its sequences before the first step."""
    mean_of_tokens: ClassVar[bool]
    """Whether the loss is the plain mean cross entropy of all answer tokens when every example has the weight 1."""

    def sequences(self, example: TokenExample) -> tuple[TokenSequence, ...]:
        """The sequences of an example, equally many for every example."""
        ...

    def size(self, examples: Sequence[TokenExample]) -> float:
        """What the summed loss of these examples is divided by to give their mean loss."""
        ...

    def loss(self, example: TokenExample, losses: TokenLosses) -> torch.Tensor:
        """The loss of one example, a scalar; the loss of a step is the sum over its examples divided by `size`."""
        ...

    def measures(self, example: TokenExample, losses: TokenLosses) -> Mapping[str, float]:
        """Figures of one example to report beside the loss, by name; their mean over examples is reported."""
        ...

    def reason_to_stop(self, held_out: Mapping[str, float]) -> str | None:
        """Why the training should end, from the mean measures of the held-out examples; None to go on."""
        ...
