"""What happened, in the past tense. The loop yields these; the terminal, the log file and the database take them.

Facts only: no text for people, no widgets. Example: StageProgressed(stage="vote", done=120, total=800, tokens=14210)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from crescent_lite.records import TrainingStep

Stage = Literal["ask", "vote", "train", "evaluate", "second_opinion"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In the order of a round. The last one judges evaluated replies once more, with math-verify."""


@dataclass(frozen=True)
class RunStarted:
    """The engine has the workspace and knows its run."""

    run_id: int
    resumed: bool
    rounds: int
    model: str
    kept_settings: tuple[str, ...] = ()
    """Settings that were changed since the run was started, and that it keeps as they were."""


@dataclass(frozen=True)
class MachineNoted:
    """What a run, or a part of it, is made on. For the record: it is logged, and shown in the report."""

    python: str
    system: str
    processor: str
    cores: int
    """Physical ones."""
    memory_gib: float
    """In all."""
    gpus: tuple[str, ...]
    """Each NVIDIA GPU in words; none is an empty tuple."""
    packages: Mapping[str, str]
    """The versions of those that are installed."""


@dataclass(frozen=True)
class RoundStarted:
    """Round 0 is the measurement of the base."""

    number: int


@dataclass(frozen=True)
class StageStarted:
    """A stage found something owed."""

    round: int
    stage: Stage
    done: int
    """Already stored when it started."""
    total: int


@dataclass(frozen=True)
class StageProgressed:
    """One more item is stored."""

    stage: Stage
    done: int
    total: int
    tokens: int = 0
    """Drawn in this stage so far, by this process."""
    note: str = ""
    """What the item was: a verdict's reason, a benchmark's name."""


@dataclass(frozen=True)
class StageFinished:
    """Nothing is owed any more."""

    round: int
    stage: Stage
    seconds: float
    """In this process."""
    tokens: int
    """Drawn in this process."""
    done: int
    """Items stored in all."""


@dataclass(frozen=True)
class RunPaused:
    """Somebody asked the engine to hold still."""


@dataclass(frozen=True)
class RunResumed:
    """It goes on."""

    seconds: float
    """How long it held still."""


@dataclass(frozen=True)
class RoundAdded:
    """Somebody asked for one more round."""

    rounds: int
    """The run is to have now."""


@dataclass(frozen=True)
class AskingStopped:
    """The model is asked fewer questions than planned: hardly anything it writes is new."""

    round: int
    reason: str


@dataclass(frozen=True)
class TrainingStepped:
    """One optimiser step."""

    step: TrainingStep


@dataclass(frozen=True)
class AlarmFired:
    """Something has gone wrong in the model, not in the program."""

    round: int
    name: str
    words: str


@dataclass(frozen=True)
class RoundFinished:
    """A round is complete, with or without an adapter."""

    number: int
    outcome: str


@dataclass(frozen=True)
class RunFinished:
    """Nothing is owed any more."""

    run_id: int
    reason: str | None = None
    """Why there were fewer rounds than planned; None where there were not."""


Event = (
    RunStarted
    | MachineNoted
    | RoundStarted
    | StageStarted
    | StageProgressed
    | StageFinished
    | RunPaused
    | RunResumed
    | RoundAdded
    | AskingStopped
    | TrainingStepped
    | AlarmFired
    | RoundFinished
    | RunFinished
)
