"""LoRA fine-tuning on tokenized examples; one code path for both loaders.

All steps are planned at the start, so a training that was killed resumes from its last checkpoint and makes the same
steps. The loss is the mean over all answer tokens of an optimiser step, whatever the micro-batches. Runs in the
training program only; knows no questions and no database. Source of LoRA: arXiv 2106.09685.
Example: adapter = train(plan, read_base(plan.base_gguf), report=print)
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import set_seed

from crescent_lite.config import TrainConfig
from crescent_lite.errors import TrainingError
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.training import checkpoints
from crescent_lite.training.adapter_gguf import write_adapter_gguf
from crescent_lite.training.base_gguf import BaseGguf
from crescent_lite.training.batches import hold_out, learning_rate_fraction, pieces, plan_steps
from crescent_lite.training.defaults import resolved
from crescent_lite.training.learner import Learner, refuse_unknown_tokens
from crescent_lite.training.loaders import load
from crescent_lite.training.plan import TrainingPlan, read_examples
from crescent_lite.training.stopping import LossWatch


def train(plan: TrainingPlan, base: BaseGguf, report: Callable[[TrainingStep], None]) -> TrainedAdapter:
    """Train an adapter and save it for PEFT and for llama.cpp. `report` is called after every optimiser step.

    Resumes from a checkpoint if there is one. If the loss diverges, the adapter from before the divergence is kept.
    Raises TrainingError, ModelError, NetworkError or MissingPackageError.
    """
    examples = list(read_examples(plan.examples_path))
    config = resolved(plan.config, parameters=base.parameters, examples=len(examples))
    set_seed(plan.seed)
    loaded = load(plan, base)
    learner = Learner(loaded, plan.seed)
    if plan.start:
        learner.start_from(adapter_tensors(plan.start))
    refuse_unknown_tokens(examples, learner.vocabulary_size)
    training = Training(plan, config, learner, examples, report)
    stopped = training.run()
    kept_step = training.choose_adapter(stopped)

    peft_dir, gguf_path = plan.out_dir / "peft", plan.out_dir / "adapter.gguf"
    _save_peft(loaded.model, peft_dir)
    write_adapter_gguf(peft_dir, base, gguf_path, plan.base_sha256)
    details = {
        **{name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft", plan.loader)},
        "device": loaded.device,
        "weights": loaded.weights,
        "threads": str(torch.get_num_threads()),
        **{name: f"{getattr(config, name):g}" for name in ("learning_rate", "epochs", "batch_size")},
        "examples": str(len(examples)),
        "examples_left_out": str(plan.examples_left_out),
        "examples_held_out": str(len(training.held_out)),
        "adapter_of_step": str(kept_step),
        **({} if training.loss_before is None else {"held_out_loss_before": str(training.loss_before)}),
    }
    return TrainedAdapter(gguf_path, peft_dir, plan.loader, training.seconds, stopped, details)


class Training:
    """The steps of one fine-tuning, from the first or from the last checkpoint."""

    def __init__(
        self,
        plan: TrainingPlan,
        config: TrainConfig,
        learner: Learner,
        examples: list[TokenExample],
        report: Callable[[TrainingStep], None],
    ) -> None:
        learnt, held_out = hold_out(len(examples), config.held_out, plan.seed)
        self._plan, self._config, self._learner, self._report = plan, config, learner, report
        self._examples = [examples[index] for index in learnt]
        self.held_out = [examples[index] for index in held_out]
        """Examples that are not trained on; their loss is measured before the first step, twice an epoch and at the
        end."""
        self.loss_before: float | None = None
        """Held-out loss before the first step, in nats per token; None when no examples are held out."""
        self._steps = plan_steps(
            [len(example.input_ids) for example in self._examples],
            epochs=config.epochs,
            batch_size=config.batch_size,
            micro_batch_size=config.micro_batch_size,
            seed=plan.seed,
        )
        self._epoch_steps = math.ceil(len(self._examples) / config.batch_size)
        self._done = 0
        self._tokens = 0
        self._seconds_before = 0.0
        self._watch = LossWatch()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent on this training so far, in seconds, including earlier processes."""
        return self._seconds_before + time.monotonic() - self._began

    def run(self) -> str | None:
        """Make every remaining step. Returns the reason for ending early, or None."""
        self._resume()
        if self._done == 0 and self.held_out:
            self.loss_before = self._held_out_loss()
        saved_at = time.monotonic()
        for number in range(self._done + 1, len(self._steps) + 1):
            if stopped := self._step(number):
                return stopped
            if time.monotonic() - saved_at >= self._config.checkpoint_seconds:
                self._save()
                saved_at = time.monotonic()
        return None

    def choose_adapter(self, stopped: str | None) -> int:
        """Set the learner to the adapter to save, and return the step after which it was taken.

        That is the best step if the training was stopped or examples are held out, else the last step. Raises
        TrainingError when the training diverged before anything was learnt.
        """
        if stopped is None and not self.held_out:
            return self._done
        if self._watch.best_step == 0:
            raise TrainingError(f"{stopped}, before anything was learnt: lower train.learning_rate")
        self._learner.use_kept()
        return self._watch.best_step

    def _step(self, number: int) -> str | None:
        """Make one step and report it. Returns the reason to stop, or None."""
        began, best_before = time.monotonic(), self._watch.best_step
        config = self._config
        micro_batches = [[self._examples[index] for index in indexes] for indexes in self._steps[number - 1]]
        loss = self._learner.gradients(micro_batches)
        stopped = self._watch.note_loss(number, loss)
        if self._watch.best_step != best_before:
            self._learner.keep()
        if stopped and not math.isfinite(loss):
            return stopped
        rate = config.learning_rate * learning_rate_fraction(
            number, len(self._steps), config.warmup_fraction, config.schedule
        )
        self._learner.update(rate)
        self._done = number
        held_out_loss = None
        if not stopped:
            held_out_loss, stopped = self._check_held_out(number)
        tokens = sum(len(example.input_ids) for examples in micro_batches for example in examples)
        self._tokens += tokens
        self._report(
            TrainingStep(
                step=number,
                steps=len(self._steps),
                epoch=number / self._epoch_steps,
                loss=loss,
                learning_rate=rate,
                tokens=self._tokens,
                tokens_per_second=tokens / max(time.monotonic() - began, 1e-9),
                held_out_loss=held_out_loss,
            )
        )
        return stopped

    def _check_held_out(self, number: int) -> tuple[float | None, str | None]:
        """Measure the held-out loss if it is due. Returns that loss and the reason to stop, or None for either."""
        is_due = number % math.ceil(self._epoch_steps / 2) == 0 or number == len(self._steps)
        if not self.held_out or not is_due:
            return None, None
        loss = self._held_out_loss()
        best_before = self._watch.best_step
        stopped = self._watch.note_held_out(number, loss)
        if self._watch.best_step != best_before:
            self._learner.keep()
        return loss, stopped if number < len(self._steps) else None  # after the last step there is nothing to stop

    def _held_out_loss(self) -> float:
        ordered = sorted(self.held_out, key=lambda example: len(example.input_ids))
        return self._learner.loss_of(pieces(ordered, self._config.micro_batch_size))

    def _save(self) -> None:
        progress = {
            "tokens": self._tokens,
            "seconds": self.seconds,
            "watch": dataclasses.asdict(self._watch),
            "loss_before": self.loss_before,
        }
        checkpoint = checkpoints.Checkpoint(self._done, self._learner.tensors(), progress)
        checkpoints.save(self._plan.checkpoint_dir, checkpoint, self._plan.fingerprint())

    def _resume(self) -> None:
        checkpoint = checkpoints.load(self._plan.checkpoint_dir, self._plan.fingerprint())
        if checkpoint is None:
            return
        self._learner.restore(checkpoint.tensors, checkpoint.step)
        self._done = checkpoint.step
        self._tokens = checkpoint.progress["tokens"]
        self._seconds_before = checkpoint.progress["seconds"]
        self._watch = LossWatch(**checkpoint.progress["watch"])
        self.loss_before = checkpoint.progress.get("loss_before")  # older checkpoints do not have it


def adapter_tensors(peft_dir: Path) -> dict[str, torch.Tensor]:
    """A saved adapter's tensors, by the names that its parameters have in a model. Raises TrainingError."""
    try:
        saved = load_file(peft_dir / "adapter_model.safetensors")
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{peft_dir}: the adapter to start from cannot be read: {error}; set train.start_from = 'base'"
        ) from None
    return {f"{name.removesuffix('weight')}default.weight": tensor for name, tensor in saved.items()}


def _save_peft(model: Any, peft_dir: Path) -> None:
    """Save the adapter as safetensors, completely or not at all."""
    unfinished = peft_dir.with_name(peft_dir.name + ".unfinished")
    for folder in (unfinished, peft_dir):
        shutil.rmtree(folder, ignore_errors=True)
    # The embedding is never trained here; with the default 'auto', PEFT would ask the hub about it.
    model.save_pretrained(unfinished, save_embedding_layers=False)
    unfinished.replace(peft_dir)
