"""The stage 'train': the base is fine-tuned on the round's labels, in a child process. Source: arXiv 2502.13441.

Owns the training's rows in the store; `examples` chooses the training data, and `training` decides how to train.
Example: yield from perform(TrainStage, job, this)
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import ClassVar

from crescent_lite.events import Stage
from crescent_lite.models import sha256_of
from crescent_lite.records import Example, ModelFile, TrainedAdapter, TrainingStep, peft_dir_of
from crescent_lite.stages.examples import examples_needed, labels_of, token_examples
from crescent_lite.stages.frame import (
    Job,
    PauseAsked,
    StageOfRun,
    Tally,
    end_wait_for_a_pause,
    release_sampler,
    sampler_of,
)
from crescent_lite.stages.looks import Looks
from crescent_lite.store import Round
from crescent_lite.training import finetune

CHOSEN_NUMBERS = ("learning_rate", "epochs", "batch_size")
"""Numbers of the section `train` that a training chooses when they are 0."""


class TrainStage(StageOfRun):
    """The training of a round. Nothing is owed if the round has an adapter, or too few examples for one."""

    name: ClassVar[Stage] = "train"

    def __init__(self, job: Job, this: Round) -> None:
        super().__init__(job, this)
        self._round = this
        self._examples: list[Example] = []
        if not job.store.runs.fetch_round(this.run_id, this.number).adapter_id:
            self._examples = token_examples(job, labels_of(job, this), sampler_of(job, this.model_id))
        self.tally = Tally(0, 0)
        """Steps; how many are planned is known when the first one is reported."""

    @property
    def is_owed(self) -> bool:
        """Whether there are enough examples to train on."""
        return len(self._examples) >= examples_needed(self.job.config.train)

    def work(self) -> Generator[TrainingStep, None, None]:
        """Train; store each step and, at the end, the adapter. An interrupted training can be continued.

        A pause while the training program gives no sign of life ends the program, so that it can take effect.
        """
        release_sampler(self.job)  # the training needs the memory
        training_id = self.job.store.trainings.start_training(self._round.round_id, self._examples)
        try:
            yield from self._train(training_id)
        except (KeyboardInterrupt, GeneratorExit, PauseAsked):
            self.job.store.trainings.end_training(training_id, "interrupted")
            raise
        except Exception:
            self.job.store.trainings.end_training(training_id, "failed")
            raise

    def _train(self, training_id: int) -> Generator[TrainingStep, None, None]:
        job, trainings = self.job, self.job.store.trainings
        looks = Looks(job.base, self._examples)
        reports = finetune(
            [example.tokens for example in self._examples],
            base=job.base,
            config=job.config.train,
            seed=job.config.run.seed,
            out_dir=job.workspace.adapters / f"run-{self._round.run_id}" / f"round-{self._round.number}",
            start=self._adapter_to_start_from(),
            offline=job.config.model.offline,
            reply_tokens=job.config.vote.max_tokens,
            started=job.note_training_process,
            silent=lambda: end_wait_for_a_pause(job.workspace),
        )
        for report in reports:
            if isinstance(report, TrainedAdapter):
                adapter_id = job.store.runs.insert_model(self._adapter_file(report), parent_id=job.base_id)
                trainings.finish_training(training_id, self._round.round_id, report, adapter_id)
                job.store.machine.set_effective(job.run_id, effective_settings(report))
            else:
                step = looks.measured(report)
                trainings.insert_step(training_id, step)
                yield step

    def _adapter_to_start_from(self) -> Path | None:
        """The PEFT folder of the adapter that asked and voted in this round; None to start from the base."""
        if self.job.config.train.start_from != "last" or self._round.model_id == self.job.base_id:
            return None
        return peft_dir_of(self.job.store.runs.fetch_model(self._round.model_id).path)

    def _adapter_file(self, adapter: TrainedAdapter) -> ModelFile:
        name = f"run-{self._round.run_id}-round-{self._round.number}"
        return ModelFile(name, adapter.gguf_path, sha256_of(adapter.gguf_path), f"trained by {name}", "adapter")


def effective_settings(adapter: TrainedAdapter) -> dict[str, float | str]:
    """What the automatic settings of a training came to, by `section.key`."""
    chosen, found = adapter.details, dict[str, float | str]({"train.loader": adapter.loader})
    if "weights" in chosen:
        found["train.precision"] = chosen["weights"]
    return found | {f"train.{name}": float(chosen[name]) for name in CHOSEN_NUMBERS if name in chosen}
