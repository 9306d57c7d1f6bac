"""The torch side of fine-tuning: gradients over micro-batches, the optimiser, and its state as named tensors.

Knows nothing of files, time limits or the plan of steps; what is minimised is the objective's. Example:
    learner = Learner(loaded, objective_of(config), seed=1)
    learner.gradients([[example, example], [example]]).loss      # 1.31
    learner.update(learning_rate=2e-4)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from crescent_lite.errors import TrainingError
from crescent_lite.records import LookReply, TokenExample
from crescent_lite.training.greedy import Looks
from crescent_lite.training.loaders import LoadedModel
from crescent_lite.training.losses import TokenBatch, padded
from crescent_lite.training.objectives import Objective

MAX_GRADIENT_NORM = 1.0
"""A gradient with a larger norm is scaled down to this norm, as in transformers' Trainer."""


@dataclass(frozen=True)
class Measured:
    """The mean loss of some examples, and the objective's figures beside it."""

    loss: float
    """Mean loss, in the objective's unit: nats per answer token, or nats per pair."""
    measures: Mapping[str, float]
    """Mean of each of the objective's figures, by name."""


class Learner:
    """A model, its adapter's weights, and their optimiser."""

    def __init__(self, loaded: LoadedModel, objective: Objective, seed: int) -> None:
        self._loaded = loaded
        self.objective = objective
        self._seed = seed
        self._weights = {name: weight for name, weight in loaded.model.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), weight_decay=0.0)
        self._scaler = torch.amp.GradScaler(enabled=loaded.autocast == torch.float16)
        self._kept: dict[str, torch.Tensor] = {}
        self._step = 0

    @property
    def model(self) -> Any:
        """The PEFT model with its adapter."""
        return self._loaded.model

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens for which the model has an embedding."""
        return int(self._loaded.model.get_input_embeddings().num_embeddings)

    def gradients(self, micro_batches: Sequence[Sequence[TokenExample]]) -> Measured:
        """Compute the gradients for the next `update`; returns the mean loss of the examples."""
        self._loaded.model.train()
        # The seed depends on the step only, so that dropout is the same after a resume.
        torch.manual_seed(self._seed * 1_000_003 + self._step)
        self._optimizer.zero_grad(set_to_none=True)
        return self._measured(micro_batches, with_gradients=True)

    def update(self, learning_rate: float) -> None:
        """Make one optimiser step with the gradients computed last."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._weights.values(), MAX_GRADIENT_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1

    def measure(self, micro_batches: Sequence[Sequence[TokenExample]]) -> Measured:
        """The mean loss of the examples, without computing gradients."""
        self._loaded.model.eval()
        with torch.no_grad():
            return self._measured(micro_batches, with_gradients=False)

    def reference(self, examples: Sequence[TokenExample]) -> list[tuple[float, ...]]:
        """The log-probability of each sequence of each example under the present weights, in nats."""
        self._loaded.model.eval()
        with torch.no_grad():
            return [tuple(-float(losses.sum()) for losses in each) for each in self._token_losses(examples)]

    def greedy_replies(self, looks: Looks, end_tokens: Sequence[int]) -> list[LookReply]:
        """The replies of a look, by question id."""
        return looks.take(self._loaded.model, self._autocast(), end_tokens)

    @property
    def can_reply(self) -> bool:
        """Whether replies can be drawn during the training: Unsloth's patches for a GPU are for training only."""
        return self._loaded.can_reply

    def keep(self) -> None:
        """Remember the adapter's present weights, for `use_kept`."""
        self._kept = {name: weight.detach().clone() for name, weight in self._weights.items()}

    def use_kept(self) -> None:
        """Restore the adapter's weights from the last `keep`."""
        self._set_weights(self._kept)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that `restore` needs: the adapter, the optimiser's moments, and the kept adapter."""
        named = {f"adapter/{name}": weight.detach() for name, weight in self._weights.items()}
        named |= {f"kept/{name}": weight for name, weight in self._kept.items()}
        for name, weight in self._weights.items():
            moments = self._optimizer.state.get(weight, {})
            named |= {f"{kind}/{name}": moments[kind] for kind in ("exp_avg", "exp_avg_sq") if kind in moments}
        # The scaler has a state only for float16, where losses are scaled.
        return named | {f"scaler/{name}": torch.tensor(value) for name, value in self._scaler.state_dict().items()}

    def start_from(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Start from the weights of another adapter. Raises TrainingError when its shape is different."""
        shapes = {name: tuple(weight.shape) for name, weight in self._weights.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in tensors.items()}:
            raise TrainingError(
                "the adapter to start from has another shape: set train.rank to the value that it was trained with, "
                "or train.start_from to 'base'"
            )
        self._set_weights(tensors)

    def restore(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        """Restore the state after `step` updates from what `tensors()` returned at that point."""
        of_kind: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition("/")
            of_kind.setdefault(kind, {})[name] = tensor
        self._set_weights(of_kind["adapter"])
        self._kept = {name: tensor.to(self._weights[name].device) for name, tensor in of_kind.get("kept", {}).items()}
        for name, weight in self._weights.items():
            self._optimizer.state[weight] = {
                "step": torch.tensor(float(step)),
                **{kind: of_kind[kind][name].to(weight.device) for kind in ("exp_avg", "exp_avg_sq")},
            }
        if scaler := of_kind.get("scaler"):
            self._scaler.load_state_dict({name: value.item() for name, value in scaler.items()})
        self._step = step

    def _set_weights(self, tensors: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(tensors[name])

    def _measured(self, micro_batches: Sequence[Sequence[TokenExample]], *, with_gradients: bool) -> Measured:
        examples = [example for micro_batch in micro_batches for example in micro_batch]
        size, total, measures = self.objective.size(examples), 0.0, defaultdict[str, float](float)
        for micro_batch in micro_batches:
            loss = self._loss(micro_batch, size, measures)
            if with_gradients:
                self._scaler.scale(loss).backward()
            total += float(loss.detach())
        return Measured(total, {name: value / len(examples) for name, value in measures.items()})

    def _loss(self, examples: Sequence[TokenExample], size: float, measures: defaultdict[str, float]) -> torch.Tensor:
        """These examples' contribution to the mean loss; adds their figures to `measures`."""
        if self._loaded.mean_loss and self.objective.mean_of_tokens and all(e.weight == 1 for e in examples):
            with self._autocast():
                return self._loaded.mean_loss(self._loaded.model, self._batch(examples), round(size))
        total = torch.zeros((), device=self._device)
        for example, losses in zip(examples, self._token_losses(examples), strict=True):
            total = total + self.objective.loss(example, losses) / size
            for name, value in self.objective.measures(example, losses).items():
                measures[name] += value
        return total

    def _token_losses(self, examples: Sequence[TokenExample]) -> list[tuple[torch.Tensor, ...]]:
        """For each example, the losses of each of its sequences' answer tokens."""
        sequences = [self.objective.sequences(example) for example in examples]
        with self._autocast():
            losses = self._loaded.token_losses(self._loaded.model, self._batch(examples))
        parts = iter(losses.split([sequence.answer_length for each in sequences for sequence in each]))
        return [tuple(next(parts) for _ in each) for each in sequences]

    def _batch(self, examples: Sequence[TokenExample]) -> TokenBatch:
        sequences = [sequence for example in examples for sequence in self.objective.sequences(example)]
        return padded(sequences, self._device)

    @property
    def _device(self) -> torch.device:
        return next(iter(self._weights.values())).device

    def _autocast(self) -> torch.autocast:
        dtype = self._loaded.autocast
        return torch.autocast(self._device.type, dtype, enabled=dtype is not None)


def refuse_unknown_tokens(examples: Sequence[TokenExample], vocabulary_size: int) -> None:
    """Raise TrainingError when a token has no row in the embedding."""
    highest = max(max(*example.input_ids, *example.rejected_ids) for example in examples)
    if highest >= vocabulary_size:
        raise TrainingError(
            f"token {highest} is not in the vocabulary of the weights being trained ({vocabulary_size} tokens): "
            "set train.weights to the weights of the same model as the GGUF"
        )
