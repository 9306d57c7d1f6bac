"""What the parent and the training program say to each other: a plan file down, JSON lines up.

Knows nothing of processes or of torch. Example of a line:
    {"event": "step", "step": 1, "steps": 40, "epoch": 0.05, "loss": 1.31, ...}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crescent_lite.config import TrainConfig
from crescent_lite.config.layers import build
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep

LoaderName = Literal["unsloth", "peft"]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything the training program is told."""

    base_gguf: Path
    """The GGUF that sampling uses, absolute."""
    base_sha256: str
    """Its checksum: an adapter says which base it belongs to."""
    out_dir: Path
    """Where everything of this training goes, absolute."""
    loader: LoaderName
    """Which library loads the model."""
    seed: int
    """Of LoRA's first weights and of the order of the examples."""
    examples_left_out: int
    """Examples that were longer than max_example_tokens, or had no answer."""
    config: TrainConfig
    start: Path | None = None
    """The PEFT folder of the adapter that is trained further; None begins with a new one."""

    @property
    def examples_path(self) -> Path:
        """One `{"input_ids": [...], "prompt_length": n}` a line."""
        return self.out_dir / "examples.jsonl"

    @property
    def cache_dir(self) -> Path:
        """Beside `out_dir`, so that every training of a workspace shares it."""
        return self.out_dir.parent / "dequantised"

    @property
    def checkpoint_dir(self) -> Path:
        """How far the training is, while it is not at its end."""
        return self.out_dir / "checkpoints"

    def fingerprint(self) -> str:
        """Equal for two trainings that make the same steps: same base, same settings, same examples."""
        told = [self.loader, self.seed, self.base_sha256, str(self.start), dataclasses.asdict(self.config)]
        return hashlib.sha256(json.dumps(told).encode() + self.examples_path.read_bytes()).hexdigest()

    def write(self) -> Path:
        """Write plan.json into `out_dir` and return its path."""
        values = dataclasses.asdict(self)
        for name in ("base_gguf", "out_dir", "start"):
            values[name] = str(values[name]) if values[name] else None
        path = self.out_dir / "plan.json"
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return path


def read_plan(path: Path) -> TrainingPlan:
    """The plan that `TrainingPlan.write` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return TrainingPlan(
        base_gguf=Path(values["base_gguf"]),
        base_sha256=values["base_sha256"],
        out_dir=Path(values["out_dir"]),
        loader=values["loader"],
        seed=values["seed"],
        examples_left_out=values["examples_left_out"],
        config=build(TrainConfig, values["config"]),
        start=Path(values["start"]) if values["start"] else None,
    )


def write_examples(path: Path, examples: Sequence[TokenExample]) -> None:
    """The examples as JSON lines, in order."""
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(json.dumps(dataclasses.asdict(example)) + "\n")


def read_examples(path: Path) -> Iterator[TokenExample]:
    """The examples that `write_examples` wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            yield TokenExample(values["question_id"], tuple(values["input_ids"]), values["prompt_length"])


def step_line(step: TrainingStep) -> str:
    """One optimiser step as a JSON line, without the newline."""
    return json.dumps({"event": "step", **dataclasses.asdict(step)})


def finished_line(adapter: TrainedAdapter) -> str:
    """The finished training as a JSON line."""
    values = dataclasses.asdict(adapter) | {
        "gguf_path": str(adapter.gguf_path),
        "peft_dir": str(adapter.peft_dir),
    }
    return json.dumps({"event": "finished", **values})


def failed_line(error: str, message: str) -> str:
    """A failure the user can act on: the name of its class in `errors`, and its one line."""
    return json.dumps({"event": "failed", "error": error, "message": message})


def parse_line(line: str) -> tuple[str, Any]:
    """The event's name with a TrainingStep, a TrainedAdapter, or the failed line's (error, message)."""
    values = json.loads(line)
    event = values.pop("event")
    if event == "step":
        return event, TrainingStep(**values)
    if event == "finished":
        values |= {name: Path(values[name]) for name in ("gguf_path", "peft_dir")}
        return event, TrainedAdapter(**values)
    return event, (values["error"], values["message"])
