"""Token sequences as a padded batch, and the cross entropy of their answer tokens without all logits in memory.

Logits are computed for the answer tokens only, CHUNK tokens at a time: with a vocabulary of 150,000 tokens, all
logits would take more memory than everything else. Knows no objective and no optimiser. Example:
    batch = padded([TokenSequence((1, 5, 6, 2), prompt_length=2)])
    token_losses(model, batch)      # tensor of 2 values, in nats
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from crescent_lite.errors import ModelError
from crescent_lite.training.objectives.interface import TokenSequence

NO_LOSS = -100
"""The target that torch's cross entropy ignores."""
CHUNK = 256
"""Tokens whose logits are in memory at a time. Measured with a vocabulary of 152,000 tokens: chunks of 64 take 15%
longer."""


LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(hidden states of shape (tokens, width), tokens that follow) -> the cross entropy of each token, in nats."""


@dataclass(frozen=True)
class TokenBatch:
    """Several sequences as tensors of shape (sequences, tokens of the longest sequence)."""

    input_ids: torch.Tensor
    """Prompt and answer, then padding."""
    labels: torch.Tensor
    """The answer tokens, and NO_LOSS everywhere else."""


def padded(sequences: Sequence[TokenSequence], device: torch.device | str = "cpu") -> TokenBatch:
    """The sequences as one batch, padded on the right to the length of the longest.

    No attention mask is needed: attention looks only to the left, so no token of a sequence sees the padding. Without
    a mask, attention also computes only the causal half.
    """
    width = max(len(sequence.input_ids) for sequence in sequences)
    input_ids = torch.zeros((len(sequences), width), dtype=torch.long)
    labels = torch.full((len(sequences), width), NO_LOSS)
    for row, sequence in enumerate(sequences):
        length = len(sequence.input_ids)
        input_ids[row, :length] = torch.tensor(sequence.input_ids)
        labels[row, sequence.prompt_length : length] = input_ids[row, sequence.prompt_length : length]
    return TokenBatch(input_ids.to(device), labels.to(device))


def token_losses(model: Any, batch: TokenBatch) -> torch.Tensor:
    """The cross entropy of each answer token, in nats, sequence after sequence. `model` is a PEFT model."""
    base = model.get_base_model()
    hidden = base.get_decoder()(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    return losses_of_hidden(base, hidden, batch)


def losses_of_hidden(base: Any, hidden: torch.Tensor, batch: TokenBatch) -> torch.Tensor:
    """The cross entropy of each answer token, in nats, from the decoder's hidden states of the batch."""
    wanted = batch.labels[:, 1:]  # the logits at a position predict the token after it
    is_answer = wanted.ne(NO_LOSS)
    head, cap = base.get_output_embeddings(), getattr(base.config, "final_logit_softcapping", None)

    def loss_of(chunk: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        logits = head(chunk).float()
        if cap:
            logits = cap * torch.tanh(logits / cap)
        return functional.cross_entropy(logits, tokens, reduction="none")

    losses: torch.Tensor = _InChunks.apply(hidden[:, :-1][is_answer], wanted[is_answer], loss_of)
    return losses


def unsloth_token_losses(model: Any, batch: TokenBatch) -> torch.Tensor:
    """The same as `token_losses` for a model that Unsloth has patched for a GPU: its decoder is not called alone.

    With this variable Unsloth returns the hidden states in place of the logits. Raises ModelError if it did not.
    """
    os.environ["UNSLOTH_RETURN_HIDDEN_STATES"] = "1"
    try:
        hidden = model(input_ids=batch.input_ids, use_cache=False).logits
    finally:
        os.environ["UNSLOTH_RETURN_HIDDEN_STATES"] = "0"
    base = model.get_base_model()
    if hidden.shape[-1] != base.get_output_embeddings().weight.shape[-1]:
        raise ModelError("this version of Unsloth cannot train on preference pairs: set train.loader = 'peft'")
    return losses_of_hidden(base, hidden, batch)


def fused_mean_loss(model: Any, batch: TokenBatch, answers: int) -> torch.Tensor:
    """The cross entropy of the answer tokens, in nats, summed and divided by `answers`, by Unsloth's own function.

    It never keeps all logits in a GPU's memory either, but does not tell the tokens apart.
    """
    loss: torch.Tensor = model(
        input_ids=batch.input_ids,
        labels=batch.labels,
        num_items_in_batch=answers,
        use_cache=False,
    ).loss
    return loss


class _InChunks(torch.autograd.Function):  # type: ignore[misc]
    """One value for each row. Gradients are computed in the forward pass, to free each chunk's graph at once."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        wanted: torch.Tensor,
        loss_of: LossOf,
    ) -> torch.Tensor:
        losses, gradients = [], []
        for chunk, tokens in zip(rows.split(CHUNK), wanted.split(CHUNK), strict=True):
            if not ctx.needs_input_grad[0]:
                losses.append(loss_of(chunk, tokens))
                continue
            with torch.enable_grad():
                leaf = chunk.detach().requires_grad_()
                loss = loss_of(leaf, tokens)
                gradients += torch.autograd.grad(loss.sum(), leaf)  # a row's loss depends on that row only
            losses.append(loss.detach())
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * outer[0][:, None].to(gradients.dtype), None, None
