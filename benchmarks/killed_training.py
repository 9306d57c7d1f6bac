"""Does a training that is killed with SIGKILL at random moments complete with the weights of an uninterrupted one?

    python benchmarks/killed_training.py --kills 20 --objective preference

Trains a small model repeatedly, kills each training up to four times, and prints the largest difference of a weight.
Questions are held out, so that their losses and the greedy replies to them are compared too.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import load_file

from crescent_lite.config import TrainConfig
from crescent_lite.errors import OutOfMemoryError, TrainingError
from crescent_lite.models import find_model
from crescent_lite.records import ModelFile, TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.training import finetune

OBJECTIVES = ("sft", "preference")
REPLY_TOKENS = 24
"""Length limit of the greedy replies during a training."""


def main() -> int:
    """Train once without kills, then repeatedly with kills, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--objective", choices=OBJECTIVES, default="sft")
    parser.add_argument("--checkpoint-seconds", type=float, default=0.2)
    options = parser.parse_args()
    base, chance = find_model(options.model), random.Random(11)
    examples = random_examples(base, 2 * options.steps, chance, with_losers=options.objective == "preference")
    config = dataclasses.replace(
        TrainConfig(),
        objective=options.objective,
        loader="peft",
        epochs=1.0,
        batch_size=2,
        micro_batch_size=2,
        held_out=0.2,
        dropout=0.1,
        checkpoint_seconds=options.checkpoint_seconds,
    )
    with tempfile.TemporaryDirectory() as folder:
        steps, adapter = trained(base, examples, config, Path(folder) / "unbroken")
        unbroken = load_file(adapter.peft_dir / "adapter_model.safetensors")
        kills, runs, largest = 0, 0, 0.0
        while kills < options.kills:
            last, final, killed = killed_training(
                base, examples, config, Path(folder) / str(runs), chance, len(steps)
            )
            seen = [step.step for step in last]
            for step in last:
                same = steps[step.step - 1]
                assert (step.loss, step.held_out_loss, step.measures) == (
                    same.loss,
                    same.held_out_loss,
                    same.measures,
                )
                assert step.replies == same.replies
            assert not seen or seen[-1] == steps[-1].step  # no step is left when the last checkpoint had all of them
            tensors = load_file(final.peft_dir / "adapter_model.safetensors")
            largest = max(largest, *(float(np.abs(tensors[name] - unbroken[name]).max()) for name in unbroken))
            runs, kills = runs + 1, kills + killed
            span = f"then steps {seen[0]} to {seen[-1]}" if seen else "then no step was owed"
            print(f"training {runs}: killed {killed} times, {span}, largest difference {largest:.3g}")
    print(f"{runs} trainings, {kills} kills, all complete; largest difference of a weight {largest:.3g}")
    return 0


def random_examples(base: ModelFile, count: int, chance: random.Random, *, with_losers: bool) -> list[TokenExample]:
    """Examples of random tokens of the vocabulary; the last token is the same in all, as an end of turn is."""
    gguf = GgufModel(base.path, vocabulary_only=True)
    highest = min(9000, gguf.vocab_size)
    gguf.close()

    def tokens(length: int) -> tuple[int, ...]:
        return tuple(chance.randrange(highest // 9, highest) for _ in range(length))

    found = []
    for number in range(count):
        prompt, end = tokens(5), (highest // 10,)
        loser = (*prompt, *tokens(8 + number % 7), *end) if with_losers else ()
        solution = (*prompt, *tokens(7 + number % 9), *end)
        found.append(TokenExample(number, solution, len(prompt), loser, 0.5 if with_losers else 1.0))
    return found


def killed_training(
    base: ModelFile, examples: list[TokenExample], config: TrainConfig, out: Path, chance: random.Random, steps: int
) -> tuple[list[TrainingStep], TrainedAdapter, int]:
    """Kill a training up to four times, then let it finish. Returns (steps of the last process, adapter, kills).

    It is killed at a random moment within two steps after a random step of the next third of those still owed.
    """
    reached = 0
    for killed in range(5):
        reports, timer = list[TrainingStep | TrainedAdapter](), None
        target, began = reached + chance.randint(1, max(1, (steps - reached) // 3)), time.monotonic()
        try:
            for report in finetune(
                examples, base=base, config=config, seed=1, out_dir=out, reply_tokens=REPLY_TOKENS
            ):
                reports.append(report)
                if isinstance(report, TrainingStep):
                    began, seconds = time.monotonic(), time.monotonic() - began
                    if timer is None and killed < 4 and report.step >= target:
                        timer = threading.Timer(chance.uniform(0, 2 * seconds), kill_children)
                        timer.start()
        except (OutOfMemoryError, TrainingError):
            reached = max((report.step for report in reports if isinstance(report, TrainingStep)), default=reached)
            continue
        finally:
            if timer:
                timer.cancel()
        final = reports[-1]
        assert isinstance(final, TrainedAdapter)
        return [report for report in reports if isinstance(report, TrainingStep)], final, killed
    raise AssertionError("the training never finished")


def trained(
    base: ModelFile, examples: list[TokenExample], config: TrainConfig, out: Path
) -> tuple[list[TrainingStep], TrainedAdapter]:
    """Train without interruption. Returns all steps and the adapter."""
    *steps, adapter = finetune(examples, base=base, config=config, seed=1, out_dir=out, reply_tokens=REPLY_TOKENS)
    assert isinstance(adapter, TrainedAdapter)
    return [step for step in steps if isinstance(step, TrainingStep)], adapter


def kill_children() -> None:
    """Kill the training program now."""
    for child in psutil.Process().children():
        child.kill()


if __name__ == "__main__":
    sys.exit(main())
