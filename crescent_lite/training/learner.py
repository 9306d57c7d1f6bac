"""The torch side of fine-tuning: gradients over micro-batches, the optimiser, and its state as named tensors.

Knows nothing of files, time limits or the plan of steps. Example:
    learner = Learner(loaded, seed=1)
    loss = learner.gradients([[example, example], [example]])
    learner.update(learning_rate=2e-4)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from crescent_lite.errors import TrainingError
from crescent_lite.records import TokenExample
from crescent_lite.training.loaders import LoadedModel
from crescent_lite.training.losses import padded

MAX_GRADIENT_NORM = 1.0
"""A gradient with a larger norm is scaled down to this norm, as in transformers' Trainer."""


class Learner:
    """A model, its adapter's weights, and their optimiser."""

    def __init__(self, loaded: LoadedModel, seed: int) -> None:
        self._loaded = loaded
        self._seed = seed
        self._weights = {name: weight for name, weight in loaded.model.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), weight_decay=0.0)
        self._scaler = torch.amp.GradScaler(enabled=loaded.autocast == torch.float16)
        self._kept: dict[str, torch.Tensor] = {}
        self._step = 0

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens for which the model has an embedding."""
        return int(self._loaded.model.get_input_embeddings().num_embeddings)

    def gradients(self, micro_batches: Sequence[Sequence[TokenExample]]) -> float:
        """Compute the gradients for the next `update`; returns the mean loss over all answer tokens, in nats."""
        self._loaded.model.train()
        # The seed depends on the step only, so that dropout is the same after a resume.
        torch.manual_seed(self._seed * 1_000_003 + self._step)
        self._optimizer.zero_grad(set_to_none=True)
        answers = sum(len(e.input_ids) - e.prompt_length for examples in micro_batches for e in examples)
        total = 0.0
        for examples in micro_batches:
            loss = self._loss(examples, answers)
            self._scaler.scale(loss).backward()
            total += float(loss.detach())
        return total

    def update(self, learning_rate: float) -> None:
        """Make one optimiser step with the gradients computed last."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._weights.values(), MAX_GRADIENT_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1

    def loss_of(self, micro_batches: Sequence[Sequence[TokenExample]]) -> float:
        """The mean loss over all answer tokens, in nats, without computing gradients."""
        self._loaded.model.eval()
        answers = sum(len(e.input_ids) - e.prompt_length for examples in micro_batches for e in examples)
        with torch.no_grad():
            return sum(float(self._loss(examples, answers)) for examples in micro_batches)

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

    def _loss(self, examples: Sequence[TokenExample], answers: int) -> torch.Tensor:
        """These examples' contribution to the mean loss over `answers` tokens."""
        device = next(iter(self._weights.values())).device
        dtype = self._loaded.autocast
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            return self._loaded.loss(self._loaded.model, padded(examples, device), answers)


def refuse_unknown_tokens(examples: Sequence[TokenExample], vocabulary_size: int) -> None:
    """Raise TrainingError when a token has no row in the embedding."""
    highest = max(max(example.input_ids) for example in examples)
    if highest >= vocabulary_size:
        raise TrainingError(
            f"token {highest} is not in the vocabulary of the weights being trained ({vocabulary_size} tokens): "
            "set train.weights to the weights of the same model as the GGUF"
        )
