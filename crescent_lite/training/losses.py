"""Examples as a padded batch, and the cross entropy of their answer tokens without keeping all logits in memory.

Logits are computed for the answer tokens only, CHUNK tokens at a time: with a vocabulary of 150,000 tokens, all
logits would take more memory than everything else. Knows no optimiser. Example:
    loss = answer_loss(model, padded(examples), answers=40)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from crescent_lite.records import TokenExample

NO_LOSS = -100
"""The target that torch's cross entropy ignores."""
CHUNK = 256
"""Tokens whose logits are in memory at a time. Measured with a vocabulary of 152,000 tokens: chunks of 64 take 15%
longer."""


LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(hidden states of shape (tokens, width), tokens that follow) -> their summed cross entropy, in nats."""


@dataclass(frozen=True)
class TokenBatch:
    """Several examples as tensors of shape (examples, tokens of the longest example)."""

    input_ids: torch.Tensor
    """Prompt and answer, then padding."""
    labels: torch.Tensor
    """The answer tokens, and NO_LOSS everywhere else."""


def padded(examples: Sequence[TokenExample], device: torch.device | str = "cpu") -> TokenBatch:
    """The examples as one batch, padded on the right to the length of the longest.

    No attention mask is needed: attention looks only to the left, so no token of an example sees the padding. Without
    a mask, attention also computes only the causal half.
    """
    width = max(len(example.input_ids) for example in examples)
    input_ids = torch.zeros((len(examples), width), dtype=torch.long)
    labels = torch.full((len(examples), width), NO_LOSS)
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        input_ids[row, :length] = torch.tensor(example.input_ids)
        labels[row, example.prompt_length : length] = input_ids[row, example.prompt_length : length]
    return TokenBatch(input_ids.to(device), labels.to(device))


def answer_loss(model: Any, batch: TokenBatch, answers: int) -> torch.Tensor:
    """The cross entropy of the answer tokens, in nats, summed and divided by `answers`. `model` is a PEFT model."""
    base = model.get_base_model()
    hidden = base.get_decoder()(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    wanted = batch.labels[:, 1:]  # the logits at a position predict the token after it
    is_answer = wanted.ne(NO_LOSS)
    head, cap = base.get_output_embeddings(), getattr(base.config, "final_logit_softcapping", None)

    def loss_of(chunk: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        logits = head(chunk).float()
        if cap:
            logits = cap * torch.tanh(logits / cap)
        return functional.cross_entropy(logits, tokens, reduction="sum")

    summed: torch.Tensor = _InChunks.apply(hidden[:, :-1][is_answer], wanted[is_answer], loss_of)
    return summed / answers


def fused_loss(model: Any, batch: TokenBatch, answers: int) -> torch.Tensor:
    """The same value, computed by Unsloth's own cross entropy, which never keeps all logits in a GPU's memory."""
    loss: torch.Tensor = model(
        input_ids=batch.input_ids,
        labels=batch.labels,
        num_items_in_batch=answers,
        use_cache=False,
    ).loss
    return loss


class _InChunks(torch.autograd.Function):  # type: ignore[misc]
    """A sum over rows that computes its gradient during the forward pass, to free each chunk's graph at once."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        wanted: torch.Tensor,
        loss_of: LossOf,
    ) -> torch.Tensor:
        total, gradients = torch.zeros((), device=rows.device), []
        for chunk, tokens in zip(rows.split(CHUNK), wanted.split(CHUNK), strict=True):
            if not ctx.needs_input_grad[0]:
                total += loss_of(chunk, tokens)
                continue
            with torch.enable_grad():
                leaf = chunk.detach().requires_grad_()
                loss = loss_of(leaf, tokens)
                gradients += torch.autograd.grad(loss, leaf)
            total += loss.detach()
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * outer[0].to(gradients.dtype), None, None
