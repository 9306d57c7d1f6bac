"""The interface between the parent process and the training program: a plan file one way, JSON lines the other way.

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
from crescent_lite.records import LookReply, TokenExample, TrainedAdapter, TrainingStep

LoaderName = Literal["unsloth", "peft"]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that the training program needs to know."""

    base_gguf: Path
    """Absolute path of the GGUF that sampling uses."""
    base_sha256: str
    """Checksum of that GGUF; it is stored in the adapter, which belongs to this base only."""
    out_dir: Path
    """Absolute path of the folder for everything that this training writes."""
    loader: LoaderName
    """The library that loads the model."""
    seed: int
    """Seed of LoRA's first weights, of dropout and of the order of the examples."""
    examples_left_out: int
    """Number of examples that were longer than max_example_tokens or had no answer."""
    config: TrainConfig
    """The settings, in which 0 may still mean "choose"."""
    start: Path | None = None
    """The PEFT folder of the adapter that is trained further; None starts a new adapter."""
    reply_tokens: int = 0
    """Length limit, in tokens, of the greedy replies to held-out questions; 0 draws none."""

    @property
    def examples_path(self) -> Path:
        """File of the examples, one JSON object a line with the fields of `TokenExample`."""
        return self.out_dir / "examples.jsonl"

    @property
    def cache_dir(self) -> Path:
        """Folder for dequantised weights, beside `out_dir`, so that all rounds of a run share it."""
        return self.out_dir.parent / "dequantised"

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the checkpoints; it exists only until the training is complete."""
        return self.out_dir / "checkpoints"

    def fingerprint(self) -> str:
        """A checksum of the base, settings and examples: two plans with the same fingerprint make the same steps."""
        inputs = [self.loader, self.seed, self.base_sha256, str(self.start), dataclasses.asdict(self.config)]
        return hashlib.sha256(json.dumps(inputs).encode() + self.examples_path.read_bytes()).hexdigest()

    def write(self) -> Path:
        """Write plan.json into `out_dir` and return its path."""
        values = dataclasses.asdict(self)
        for name in ("base_gguf", "out_dir", "start"):
            values[name] = str(values[name]) if values[name] else None
        path = self.out_dir / "plan.json"
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return path


def read_plan(path: Path) -> TrainingPlan:
    """Read a plan that `TrainingPlan.write` wrote."""
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
        reply_tokens=values["reply_tokens"],
    )


def write_examples(path: Path, examples: Sequence[TokenExample]) -> None:
    """Write the examples as JSON lines, in order."""
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(json.dumps(dataclasses.asdict(example)) + "\n")


def read_examples(path: Path) -> Iterator[TokenExample]:
    """Read the examples that `write_examples` wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            values |= {name: tuple(values[name]) for name in ("input_ids", "rejected_ids")}
            yield TokenExample(**values)


def step_line(step: TrainingStep) -> str:
    """One optimiser step as a JSON line, without the newline."""
    return json.dumps({"event": "step", **dataclasses.asdict(step)})


def finished_line(adapter: TrainedAdapter) -> str:
    """The finished training as a JSON line, without the newline."""
    values = dataclasses.asdict(adapter) | {
        "gguf_path": str(adapter.gguf_path),
        "peft_dir": str(adapter.peft_dir),
    }
    return json.dumps({"event": "finished", **values})


def failed_line(error: str, message: str) -> str:
    """A failure that the user can act on, as a JSON line: the name of its class in `errors`, and its message."""
    return json.dumps({"event": "failed", "error": error, "message": message})


def alive_line() -> str:
    """A sign of life as a JSON line, without the newline."""
    return json.dumps({"event": "alive"})


def parse_line(line: str) -> tuple[str, Any]:
    """The event and its value: 'step' with a TrainingStep, 'finished' with a TrainedAdapter, 'failed' with (error,
    message), 'alive' with None."""
    values = json.loads(line)
    event = values.pop("event")
    if event == "step":
        replies = tuple(
            LookReply(reply["question_id"], tuple(reply["token_ids"]), reply["ended"]) for reply in values["replies"]
        )
        return event, TrainingStep(**{**values, "replies": replies})
    if event == "finished":
        values |= {name: Path(values[name]) for name in ("gguf_path", "peft_dir")}
        return event, TrainedAdapter(**values)
    if event == "alive":
        return event, None
    return event, (values["error"], values["message"])
