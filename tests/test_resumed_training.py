"""A training that is killed resumes from its last checkpoint and ends with the same adapter."""

from __future__ import annotations

import dataclasses
import itertools
import math
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import training_process
from safetensors import SafetensorError
from test_training import HOT
from tiny_model import as_base, make_tiny_gguf

from crescent_lite.config import TrainConfig
from crescent_lite.errors import StorageError, TrainingError
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.training import checkpoints, finetune
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.learner import Measured
from crescent_lite.training.objectives.sft import SupervisedFineTuning
from crescent_lite.training.plan import TrainingPlan, write_examples
from crescent_lite.training.trainer import Training, train

torch.set_num_threads(1)  # sums are computed in the same order, and a tiny model is not slower

pytestmark = pytest.mark.slow
TRAIN = dataclasses.replace(HOT, epochs=6, dropout=0.1, checkpoint_seconds=0)


class KilledError(Exception):
    """Stands for a signal, raised at a step that the test chooses."""


def examples_of(count: int) -> list[TokenExample]:
    chance = np.random.default_rng(3)
    return [TokenExample(i, tuple(map(int, chance.integers(3, 280, 12 + i % 7))), 6) for i in range(count)]


def plan_of(folder: Path, base: Path, config: TrainConfig = TRAIN, examples: int = 10) -> TrainingPlan:
    folder.mkdir(parents=True, exist_ok=True)
    plan = TrainingPlan(base, "its checksum", folder, "peft", seed=1, examples_left_out=0, config=config)
    write_examples(plan.examples_path, examples_of(examples))
    return plan


def train_until(plan: TrainingPlan, last_step: int) -> list[TrainingStep]:
    """The steps up to `last_step`; the training is killed when that step is reported."""
    steps: list[TrainingStep] = []

    def report(step: TrainingStep) -> None:
        steps.append(step)
        if step.step == last_step:
            raise KilledError

    with pytest.raises(KilledError):
        train(plan, read_base(plan.base_gguf), report)
    return steps


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def unbroken(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[TrainingStep], TrainedAdapter]:
    steps: list[TrainingStep] = []
    adapter = train(plan_of(tmp_path_factory.mktemp("unbroken"), tiny), read_base(tiny), steps.append)
    return steps, adapter


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests the behaviour on a CPU")
def test_in_bfloat16_too_a_killed_training_ends_with_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    half = dataclasses.replace(TRAIN, precision="bfloat16")
    whole = train(plan_of(tmp_path / "whole", tiny, half), read_base(tiny), lambda step: None)
    plan = plan_of(tmp_path / "killed", tiny, half)
    train_until(plan, 7)
    adapter = train(plan, read_base(tiny), lambda step: None)
    assert adapter.details["weights"] == "bfloat16"
    assert adapter.gguf_path.read_bytes() == whole.gguf_path.read_bytes()


def losses(steps: list[TrainingStep]) -> dict[int, float]:
    return {step.step: step.loss for step in steps}


def test_a_killed_training_ends_with_the_adapter_of_an_unbroken_one(
    tiny: Path, unbroken: tuple[list[TrainingStep], TrainedAdapter], tmp_path: Path
) -> None:
    plan, seen = plan_of(tmp_path, tiny), []
    for last in (2, 3, 11):
        seen += train_until(plan, last)
    adapter = train(plan, read_base(tiny), seen.append)
    assert [step.step for step in seen] == [1, 2, 2, 3, *range(3, 12), *range(11, 19)]
    assert losses(seen) == losses(unbroken[0])
    assert seen[-1].tokens == unbroken[0][-1].tokens
    assert adapter.gguf_path.read_bytes() == unbroken[1].gguf_path.read_bytes()


@pytest.mark.parametrize("damage", ["half a file", "no list of checksums", "other examples"])
def test_a_checkpoint_that_is_damaged_or_of_another_training_is_not_loaded(
    damage: str, tiny: Path, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, tiny)
    train_until(plan, 5)
    (place,) = plan.checkpoint_dir.glob("step-*")
    if damage == "half a file":
        tensors = place / checkpoints.TENSORS
        tensors.write_bytes(tensors.read_bytes()[: tensors.stat().st_size // 2])
    elif damage == "no list of checksums":
        (place / checkpoints.COMPLETE).unlink()
    else:
        write_examples(plan.examples_path, examples_of(9))
    assert train_until(plan, 1)[0].step == 1


def test_the_previous_checkpoint_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    tensors = {"adapter/a": torch.arange(100_000.0)}
    checkpoints.save(tmp_path, checkpoints.Checkpoint(4, tensors, {"tokens": 7}), "ours")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises((OSError, SafetensorError)):
            checkpoints.save(tmp_path, checkpoints.Checkpoint(5, tensors, {"tokens": 9}), "ours")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = checkpoints.load(tmp_path, "ours")
    assert kept is not None
    assert (kept.step, kept.progress) == (4, {"tokens": 7})
    assert torch.equal(kept.tensors["adapter/a"], tensors["adapter/a"])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_training_killed_by_signal_completes(
    tiny: Path, unbroken: tuple[list[TrainingStep], TrainedAdapter], tmp_path: Path
) -> None:
    seen: dict[int, float] = {}

    def events() -> Iterator[TrainingStep | TrainedAdapter]:
        return finetune(examples_of(10), base=as_base(tiny), config=TRAIN, seed=1, out_dir=tmp_path)

    killed = events()
    for step in itertools.islice(killed, 5):
        assert isinstance(step, TrainingStep)
        seen[step.step] = step.loss
    child = training_process()
    child.kill()
    killed.close()  # type: ignore[attr-defined]
    first, *others, adapter = events()
    assert isinstance(first, TrainingStep)
    assert first.step > 3
    seen |= {step.step: step.loss for step in (first, *others) if isinstance(step, TrainingStep)}
    assert seen == pytest.approx(losses(unbroken[0]), rel=1e-4)  # the child may use more threads
    assert isinstance(adapter, TrainedAdapter)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can set the limits of another process")
def test_a_full_disk_during_a_training_is_one_line_and_the_previous_checkpoint_is_loaded(
    tiny: Path, tmp_path: Path
) -> None:
    def events() -> Iterator[TrainingStep | TrainedAdapter]:
        return finetune(examples_of(10), base=as_base(tiny), config=TRAIN, seed=1, out_dir=tmp_path)

    filling = events()
    list(itertools.islice(filling, 3))
    child = training_process()
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1000, -1))
    with pytest.raises(StorageError, match="File too large") as caught:
        list(filling)
    assert "\n" not in str(caught.value)
    first, *_, adapter = events()
    assert isinstance(first, TrainingStep)
    assert first.step >= 3
    assert isinstance(adapter, TrainedAdapter)


def test_fewer_examples_than_a_batch_are_one_step_an_epoch(tiny: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TRAIN, batch_size=16)
    steps: list[TrainingStep] = []
    adapter = train(plan_of(tmp_path, tiny, config, examples=3), read_base(tiny), steps.append)
    assert [step.epoch for step in steps] == [1, 2, 3, 4, 5, 6]
    assert adapter.gguf_path.is_file()


class ScriptedLearner:
    """A learner with given losses instead of a model; its state is the number of its updates."""

    objective = SupervisedFineTuning()
    can_reply = False

    def __init__(self, losses: list[float]) -> None:
        self._losses, self.updates, self.kept = iter(losses), 0, -1

    def gradients(self, micro_batches: object) -> Measured:
        return Measured(next(self._losses), {})

    def update(self, learning_rate: float) -> None:
        self.updates += 1

    def keep(self) -> None:
        self.kept = self.updates

    def use_kept(self) -> None:
        self.updates = self.kept


def scripted(losses: list[float], folder: Path) -> tuple[Training, ScriptedLearner, list[TrainingStep]]:
    config = dataclasses.replace(TRAIN, epochs=60, checkpoint_seconds=1000)
    steps: list[TrainingStep] = []
    learner = ScriptedLearner(losses)
    plan = plan_of(folder, Path("none.gguf"), config)
    return Training(plan, config, learner, examples_of(10), steps.append), learner, steps  # type: ignore[arg-type]


@pytest.mark.parametrize("then", [[9.0] * 5, [math.nan]])
def test_a_training_that_diverges_keeps_the_adapter_from_before(then: list[float], tmp_path: Path) -> None:
    training, learner, steps = scripted([3.0, 2.5, 2.0, 1.5, 1.0, 0.5, *then], tmp_path)
    stopped = training.run()
    assert stopped is not None
    assert stopped.startswith("the loss ")
    assert training.choose_adapter(stopped) == 5  # the loss of step 6 is that of the adapter after step 5
    assert learner.updates == 5
    assert 6 <= len(steps) < steps[0].steps


def test_nothing_learnt_before_a_divergence_is_an_error(tmp_path: Path) -> None:
    training, _, _ = scripted([3.0, 2.0, math.inf], tmp_path)
    with pytest.raises(TrainingError, match=r"the loss .*before anything was learnt: lower train\.learning_rate"):
        training.choose_adapter(training.run())


HELD_OUT = dataclasses.replace(TRAIN, held_out=0.2, epochs=20, learning_rate=0.02, dropout=0.0)


def test_the_held_out_loss_before_training_is_recorded_and_survives_a_kill(tiny: Path, tmp_path: Path) -> None:
    before, steps = [], []
    for name, kills in (("unbroken", []), ("killed", [3])):
        plan = plan_of(tmp_path / name, tiny, HELD_OUT, examples=60)
        for last in kills:
            train_until(plan, last)
        before.append(train(plan, read_base(tiny), steps.append).details["held_out_loss_before"])
    assert before[0] == before[1]
    assert float(before[0]) == pytest.approx(steps[0].loss, rel=0.1)  # different examples of the same kind


def test_memorising_shows_in_the_held_out_loss(tiny: Path, tmp_path: Path) -> None:
    steps: list[TrainingStep] = []
    adapter = train(plan_of(tmp_path, tiny, HELD_OUT, examples=60), read_base(tiny), steps.append)
    looks = {step.step: step.held_out_loss for step in steps if step.held_out_loss is not None}
    assert adapter.details["examples_held_out"] == "12"
    assert adapter.stopped is not None
    assert "held-out" in adapter.stopped
    assert int(adapter.details["adapter_of_step"]) == min(looks, key=lambda step: looks[step])
