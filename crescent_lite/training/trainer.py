"""LoRA fine-tuning on tokenized examples; one code path for both loaders.

All steps are planned at the start, so a training that was killed resumes from its last checkpoint and makes the same
steps. The loss of a step is the mean over its examples as the objective defines it, whatever the micro-batches. Runs
in the training program only; knows no questions and no database. Source of LoRA: arXiv 2106.09685.
Example: adapter = train(plan, read_base(plan.base_gguf), report=print)
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import set_seed

from crescent_lite.config import TrainConfig
from crescent_lite.errors import TrainingError
from crescent_lite.records import LookReply, TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.training import checkpoints
from crescent_lite.training.adapter_gguf import write_adapter_gguf
from crescent_lite.training.base_gguf import BaseGguf
from crescent_lite.training.batches import by_length, hold_out, learning_rate_fraction, micro_batches, plan_steps
from crescent_lite.training.defaults import resolved
from crescent_lite.training.greedy import Looks
from crescent_lite.training.learner import Learner, Measured, refuse_unknown_tokens
from crescent_lite.training.loaders import load
from crescent_lite.training.objectives import objective_of
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
    learner = Learner(loaded, objective_of(config), plan.seed)
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
        "objective": config.objective,
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
        learnt, held_out = hold_out([example.question_id for example in examples], config.held_out, plan.seed)
        self._plan, self._config, self._learner, self._report = plan, config, learner, report
        self._objective = learner.objective
        self._examples = [examples[index] for index in learnt]
        self.held_out = [examples[index] for index in held_out]
        """Examples that are not trained on; their loss is measured before the first step, twice an epoch and at the
        end."""
        self.loss_before: float | None = None
        """Held-out loss before the first step, in nats; None when no examples are held out."""
        self._steps = plan_steps(
            [example.tokens for example in self._examples],
            epochs=config.epochs,
            batch_size=config.batch_size,
            micro_batch_size=config.micro_batch_size,
            seed=plan.seed,
        )
        self._epoch_steps = math.ceil(len(self._examples) / config.batch_size)
        self._end_tokens = sorted({example.input_ids[-1] for example in examples})
        self._looks = Looks(
            self.held_out if learner.can_reply else (),
            most_replies=config.look_replies,
            most_tokens=plan.reply_tokens,
            training_tokens=sum(self._tokens_of(number) for number in range(1, len(self._steps) + 1)),
        )
        self._look_steps: set[int] = set()
        self._first_replies: list[LookReply] = []
        """Replies before the first step, until that step is reported."""
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
        if self._done == 0:
            if self._objective.needs_reference:
                self._use_references(self._references())
            if self.held_out:
                self.loss_before = self._measure_held_out().loss
            if self._looks.is_wanted:
                self._first_replies = self._learner.greedy_replies(self._looks, self._end_tokens)
                self._looks.tokens = sum(len(reply.token_ids) + 1 for reply in self._first_replies)
        self._look_steps = self._looks.steps([n for n in range(2, len(self._steps) + 1) if self._is_due(n)])
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
        measured = self._learner.gradients(micro_batches)
        loss = measured.loss
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
        held_out = None
        if not stopped:
            held_out, stopped = self._check_held_out(number)
        tokens = self._tokens_of(number)
        self._tokens += tokens
        seconds = time.monotonic() - began
        of_held_out = {f"held_out_{name}": value for name, value in held_out.measures.items()} if held_out else {}
        self._report(
            TrainingStep(
                step=number,
                steps=len(self._steps),
                epoch=number / self._epoch_steps,
                loss=loss,
                learning_rate=rate,
                tokens=self._tokens,
                tokens_per_second=tokens / max(seconds, 1e-9),
                held_out_loss=held_out.loss if held_out else None,
                measures={**measured.measures, **of_held_out},
                replies=tuple(self._replies_at(number, is_last=stopped is not None)),
            )
        )
        return stopped

    def _check_held_out(self, number: int) -> tuple[Measured | None, str | None]:
        """Measure the held-out examples if that is due. Returns the result and the reason to stop, or None."""
        if not self.held_out or not self._is_due(number):
            return None, None
        measured = self._measure_held_out()
        if stopped := self._objective.reason_to_stop(measured.measures):
            return measured, stopped  # the adapter kept is the one of an earlier look
        best_before = self._watch.best_step
        stopped = self._watch.note_held_out(number, measured.loss)
        if self._watch.best_step != best_before:
            self._learner.keep()
        is_last = number == len(self._steps)
        return measured, None if is_last else stopped  # after the last step there is nothing to stop

    def _is_due(self, number: int) -> bool:
        """Whether the held-out examples are looked at after this step: twice an epoch, and at the end."""
        return number % math.ceil(self._epoch_steps / 2) == 0 or number == len(self._steps)

    def _replies_at(self, number: int, *, is_last: bool) -> list[LookReply]:
        """The greedy replies to report with this step: with step 1 those from before it.

        `is_last`: whether the training ends early with this step.
        """
        if number in self._look_steps or (is_last and number > 1 and self._looks.is_wanted):
            return self._learner.greedy_replies(self._looks, self._end_tokens)
        first, self._first_replies = self._first_replies, []
        return first

    def _tokens_of(self, number: int) -> int:
        """Tokens of a step's examples, prompts included."""
        return sum(self._examples[index].tokens for indexes in self._steps[number - 1] for index in indexes)

    def _measure_held_out(self) -> Measured:
        return self._learner.measure(
            [[self.held_out[index] for index in indexes] for indexes in self._micro_batches(self.held_out)]
        )

    def _references(self) -> list[tuple[float, ...]]:
        """The log-probabilities of every example's sequences under the present weights, in order."""
        everything = [*self._examples, *self.held_out]
        found: dict[int, tuple[float, ...]] = {}
        for indexes in self._micro_batches(everything):
            references = self._learner.reference([everything[index] for index in indexes])
            found.update(zip(indexes, references, strict=True))
        return [found[index] for index in range(len(everything))]

    def _micro_batches(self, examples: Sequence[TokenExample]) -> list[list[int]]:
        lengths = [example.tokens for example in examples]
        return micro_batches(by_length(lengths), lengths, self._config.micro_batch_size)

    def _use_references(self, references: Sequence[tuple[float, ...]]) -> None:
        referred = [
            dataclasses.replace(example, reference=reference)
            for example, reference in zip([*self._examples, *self.held_out], references, strict=True)
        ]
        self._examples, self.held_out = referred[: len(self._examples)], referred[len(self._examples) :]

    def _save(self) -> None:
        progress = {
            "tokens": self._tokens,
            "seconds": self.seconds,
            "watch": dataclasses.asdict(self._watch),
            "loss_before": self.loss_before,
            "look_tokens": self._looks.tokens,
            "references": [example.reference for example in (*self._examples, *self.held_out)],
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
        self._looks.tokens = checkpoint.progress.get("look_tokens", 0)
        if self._objective.needs_reference:
            self._use_references([tuple(reference) for reference in checkpoint.progress["references"]])


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
