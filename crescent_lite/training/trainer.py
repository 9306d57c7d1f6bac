"""LoRA fine-tuning on examples that are tokens already; one code path for both loaders.

The loss is the mean over all answer tokens of an optimiser step, however they fall into micro-batches. There
are no checkpoints: a training that dies is done again. Runs in the training program only.
Example: adapter = train(plan, read_base(plan.base_gguf), report=print)
"""

from __future__ import annotations

import importlib.metadata
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from crescent_lite.errors import TrainingError
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.training.adapter_gguf import write_adapter_gguf
from crescent_lite.training.base_gguf import BaseGguf
from crescent_lite.training.loaders import LoadedModel, load
from crescent_lite.training.plan import TrainingPlan, read_examples

NO_LOSS = -100
"""The label that torch's cross entropy leaves out."""
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def train(plan: TrainingPlan, base: BaseGguf, report: Callable[[TrainingStep], None]) -> TrainedAdapter:
    """Train and save the adapter, for PEFT and for llama.cpp. Reports every optimiser step."""
    examples = list(read_examples(plan.examples_path))
    set_seed(plan.seed)
    loaded = load(plan, base)
    refuse_unknown_tokens(examples, loaded.model.get_input_embeddings().num_embeddings)
    trainer = Trainer(
        model=loaded.model,
        args=_arguments(plan, loaded),
        train_dataset=[labelled(example) for example in examples],
        data_collator=padded,
        callbacks=[StepReporter(report)],
    )
    started = time.monotonic()
    trainer.train()
    train_seconds = time.monotonic() - started

    peft_dir, gguf_path = plan.out_dir / "peft", plan.out_dir / "adapter.gguf"
    _save_peft(loaded.model, peft_dir)
    write_adapter_gguf(peft_dir, base, gguf_path)
    details = {
        **{name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft", plan.loader)},
        "device": loaded.device,
        "weights": loaded.weights,
        "threads": str(torch.get_num_threads()),
        "examples": str(len(examples)),
        "examples_left_out": str(plan.examples_left_out),
    }
    return TrainedAdapter(gguf_path, peft_dir, plan.loader, train_seconds, details)


def labelled(example: TokenExample) -> dict[str, list[int]]:
    """The example as the Trainer takes it: the prompt is read, but not learnt."""
    answer = example.input_ids[example.prompt_length :]
    return {"input_ids": list(example.input_ids), "labels": [NO_LOSS] * example.prompt_length + list(answer)}


def padded(rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """The rows as one batch, filled up on the right to the longest."""
    width = max(len(row["input_ids"]) for row in rows)

    def column(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": column("input_ids", 0),
        "labels": column("labels", NO_LOSS),
        "attention_mask": torch.tensor(mask),
    }


def split_batch(batch_size: int, micro_batch_size: int) -> tuple[int, int]:
    """(examples in memory, micro-batches a step): the largest micro-batch that divides the batch exactly."""
    micro = max(n for n in range(1, min(batch_size, micro_batch_size) + 1) if batch_size % n == 0)
    return micro, batch_size // micro


def refuse_unknown_tokens(examples: Sequence[TokenExample], vocabulary_size: int) -> None:
    """Raise TrainingError when a token has no row in the embedding."""
    highest = max(max(example.input_ids) for example in examples)
    if highest >= vocabulary_size:
        raise TrainingError(
            f"token {highest} is not among the {vocabulary_size} of the weights being trained: "
            "train.weights belongs to another model than the GGUF"
        )


class StepReporter(TrainerCallback):  # type: ignore[misc]
    """Reports each optimiser step, and stops when the loss is no number any more."""

    def __init__(self, report: Callable[[TrainingStep], None]) -> None:
        self._report = report
        self._tokens_before = 0
        self._time_before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        self._time_before = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **unused: Any) -> None:
        if "loss" not in logs:
            return  # the Trainer's summary at the end
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss became {logs['loss']} at step {state.global_step} of {state.max_steps}: "
                "lower train.learning_rate"
            )
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        step = TrainingStep(
            step=state.global_step,
            steps=state.max_steps,
            epoch=float(state.epoch),
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=tokens,
            tokens_per_second=(tokens - self._tokens_before) / max(now - self._time_before, 1e-9),
        )
        self._tokens_before, self._time_before = tokens, now
        self._report(step)


def _arguments(plan: TrainingPlan, loaded: LoadedModel) -> Any:
    config, on_gpu = plan.config, loaded.device != "cpu"
    micro_batch, micro_batches = split_batch(config.batch_size, config.micro_batch_size)
    bfloat16 = torch.cuda.is_bf16_supported() if on_gpu else loaded.weights == "bfloat16"
    return TrainingArguments(
        output_dir=str(plan.out_dir),
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=micro_batches,
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type=SCHEDULES[config.schedule],
        # A fraction; 1 itself would be read as one step.
        warmup_steps=min(config.warmup_fraction, 1 - 1e-9),
        weight_decay=0.0,
        train_sampling_strategy="group_by_length",
        seed=plan.seed,
        use_cpu=not on_gpu,
        bf16=bfloat16,
        fp16=on_gpu and not bfloat16,
        dataloader_pin_memory=on_gpu,
        include_num_input_tokens_seen="non_padding",
        logging_steps=1,
        # The filter would report the last good loss in place of one that is no number.
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _save_peft(model: Any, peft_dir: Path) -> None:
    """The adapter as safetensors, complete or not at all."""
    unfinished = peft_dir.with_name(peft_dir.name + ".unfinished")
    for folder in (unfinished, peft_dir):
        shutil.rmtree(folder, ignore_errors=True)
    # The embedding is never trained here; 'auto' would ask the hub whether it was.
    model.save_pretrained(unfinished, save_embedding_layers=False)
    unfinished.replace(peft_dir)
