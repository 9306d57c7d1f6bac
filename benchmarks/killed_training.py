"""Does a training that is killed with SIGKILL at random moments complete with the weights of an uninterrupted one?

    python benchmarks/killed_training.py --kills 20

Trains a small model repeatedly, kills each training up to four times, and prints the largest difference of a weight.
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
from crescent_lite.training import finetune


def main() -> int:
    """Train once without kills, then repeatedly with kills, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=24)
    options = parser.parse_args()
    base, chance = find_model(options.model), random.Random(11)
    examples = [
        TokenExample(number, tuple(chance.randrange(1000, 9000) for _ in range(12 + number % 9)), 5)
        for number in range(2 * options.steps)
    ]
    config = dataclasses.replace(
        TrainConfig(), loader="peft", epochs=1.0, batch_size=2, micro_batch_size=2, checkpoint_seconds=0.5
    )
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        steps, adapter = trained(base, examples, config, Path(folder) / "unbroken")
        whole = time.monotonic() - began
        unbroken = load_file(adapter.peft_dir / "adapter_model.safetensors")
        kills, runs, largest = 0, 0, 0.0
        while kills < options.kills:
            seen, final, killed = killed_training(base, examples, config, Path(folder) / str(runs), chance, whole)
            assert not seen or seen[-1] == steps[-1].step  # no step is left when the last checkpoint had all of them
            tensors = load_file(final.peft_dir / "adapter_model.safetensors")
            largest = max(largest, *(float(np.abs(tensors[name] - unbroken[name]).max()) for name in unbroken))
            runs, kills = runs + 1, kills + killed
            span = f"then steps {seen[0]} to {seen[-1]}" if seen else "then no step was owed"
            print(f"training {runs}: killed {killed} times, {span}, largest difference {largest:.3g}")
    print(f"{runs} trainings, {kills} kills, all complete; largest difference of a weight {largest:.3g}")
    return 0


def killed_training(
    base: ModelFile, examples: list[TokenExample], config: TrainConfig, out: Path, chance: random.Random, whole: float
) -> tuple[list[int], TrainedAdapter, int]:
    """Kill a training up to four times, then let it finish. Returns (steps of the last process, adapter, kills)."""
    for killed in range(5):
        reports = []
        timer = threading.Timer(chance.uniform(0.3, 1.0) * whole, kill_children)
        if killed < 4:
            timer.start()
        try:
            for report in finetune(examples, base=base, config=config, seed=1, out_dir=out):
                reports.append(report)
        except (OutOfMemoryError, TrainingError):
            continue
        finally:
            timer.cancel()
        final = reports[-1]
        assert isinstance(final, TrainedAdapter)
        return [report.step for report in reports if isinstance(report, TrainingStep)], final, killed
    raise AssertionError("the training never finished")


def trained(
    base: ModelFile, examples: list[TokenExample], config: TrainConfig, out: Path
) -> tuple[list[TrainingStep], TrainedAdapter]:
    """Train without interruption. Returns all steps and the adapter."""
    *steps, adapter = finetune(examples, base=base, config=config, seed=1, out_dir=out)
    assert isinstance(adapter, TrainedAdapter)
    return [step for step in steps if isinstance(step, TrainingStep)], adapter


def kill_children() -> None:
    """Kill the training program now."""
    for child in psutil.Process().children():
        child.kill()


if __name__ == "__main__":
    sys.exit(main())
