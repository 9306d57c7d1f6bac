"""What happened in a run, in the past tense. The engine and its loop yield these events; terminal and log show them.

They hold facts: nothing is laid out or formatted for people here. Example:
    StageProgressed(stage="vote", done=120, total=800, tokens=14210)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from crescent_lite.records import TrainingStep

Stage = Literal["ask", "vote", "train", "evaluate", "second_opinion"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""Stages in the order of a round. `second_opinion` judges evaluated replies again, with math-verify."""


@dataclass(frozen=True)
class RunStarted:
    """The engine has locked the workspace, and has started a run or resumed one."""

    run_id: int
    resumed: bool
    rounds: int
    """Rounds that the run is planned to have."""
    model: str
    """Name of the base."""
    kept_settings: tuple[str, ...] = ()
    """Settings that were changed after the run started; the run continues with their earlier values."""


@dataclass(frozen=True)
class MachineNoted:
    """The machine that a run, or a part of one, is running on. Logged, and shown in the report."""

    python: str
    """Version of Python."""
    system: str
    processor: str
    cores: int
    """Physical cores."""
    memory_gib: float
    """Installed memory, GiB."""
    gpus: tuple[str, ...]
    """Each NVIDIA GPU, with its memory and driver; empty without one."""
    packages: Mapping[str, str]
    """Version of each installed package that results may depend on."""


@dataclass(frozen=True)
class RoundStarted:
    """A round began, or was resumed."""

    number: int
    """0 is the measurement of the base."""


@dataclass(frozen=True)
class StageStarted:
    """A stage that still owes items began."""

    round: int
    stage: Stage
    done: int
    """Items already stored when it started."""
    total: int
    """Items known so far, done or owed; it may grow while the stage is at work."""


@dataclass(frozen=True)
class StageProgressed:
    """One more item is stored."""

    stage: Stage
    done: int
    """Items stored."""
    total: int
    """Items known so far, done or owed."""
    tokens: int = 0
    """Tokens drawn in this stage so far, by this process."""
    note: str = ""
    """What the item was: a verdict's reason, a benchmark's name."""
    under_way: int = 0
    """Items whose replies are being drawn and whose tokens are counted already; 0 with servers, which report a reply
    only when it is complete."""


@dataclass(frozen=True)
class StageFinished:
    """A stage ended: all its items are stored, or asking stopped early."""

    round: int
    stage: Stage
    seconds: float
    """Time that this process spent on the stage, in seconds; pauses are not counted."""
    tokens: int
    """Tokens drawn by this process."""
    done: int
    """Items stored in all."""


@dataclass(frozen=True)
class RunPaused:
    """The engine paused, as a user requested."""


@dataclass(frozen=True)
class RunResumed:
    """The engine continued after a pause."""

    seconds: float
    """Length of the pause."""


@dataclass(frozen=True)
class SamplingWarned:
    """The sampler noticed something that does not end the run, such as a server that asks to wait.

    Logged at once, while no item is finished; the command line shows the same line as a warning.
    """

    words: str


@dataclass(frozen=True)
class RunWarned:
    """The engine noticed something outside the sampler that does not end the run: a training program that gives no
    sign of life, or a reader that keeps the database's write-ahead log from being emptied."""

    words: str
    """What was noticed, and what to do."""


@dataclass(frozen=True)
class ControlLeftOut:
    """A control was not run, because the run that it would belong to cannot have it."""

    control: str
    reason: str
    """What the run lacks, in words."""


@dataclass(frozen=True)
class RoundAdded:
    """A user requested one more round."""

    rounds: int
    """Rounds that the run is now planned to have."""


@dataclass(frozen=True)
class AskingStopped:
    """Asking ended before all planned questions were asked: too few of the model's latest texts were kept."""

    round: int
    reason: str
    """The acceptance rate that was too low, in words."""


@dataclass(frozen=True)
class ThoughtsUnfinished:
    """Replies of a finished stage never left the model's thoughts, so they have no answer."""

    round: int
    stage: Stage
    count: int
    """Replies that ended inside their thoughts."""
    replies: int
    """All replies of the stage."""
    words: str
    """How many there are, and which settings to change."""


@dataclass(frozen=True)
class TrainingStepped:
    """The training did one optimiser step."""

    step: TrainingStep


@dataclass(frozen=True)
class AlarmFired:
    """A check after a round found that the model is getting worse."""

    round: int
    name: str
    words: str
    """What was seen, and what it was compared with."""


@dataclass(frozen=True)
class RoundFinished:
    """A round is complete, with or without an adapter."""

    number: int
    outcome: str
    """What it trained on, or why it trained nothing, in words."""


@dataclass(frozen=True)
class RunFinished:
    """A run ended: it has all its rounds, or a reason to have no more."""

    run_id: int
    reason: str | None = None
    """Why the run has fewer rounds than planned; None if it has them all."""


Event = (
    RunStarted
    | MachineNoted
    | RoundStarted
    | StageStarted
    | StageProgressed
    | StageFinished
    | RunPaused
    | RunResumed
    | SamplingWarned
    | RunWarned
    | ControlLeftOut
    | RoundAdded
    | AskingStopped
    | ThoughtsUnfinished
    | TrainingStepped
    | AlarmFired
    | RoundFinished
    | RunFinished
)


def tokens_left(tokens: int, finished: int, under_way: int, owed: int) -> float:
    """Tokens that a stage will still draw, from those drawn so far.

    `finished` items and `under_way` ones took `tokens`; `owed` items are not finished. An item under way counts as
    half a finished one. That holds once the items are at different points of their replies; before, the result is
    wrong by a factor of two at most. A mean over finished items alone would be wrong by a factor of ten.
    """
    whole = finished + under_way / 2
    return max(0.0, tokens / whole * (finished + owed) - tokens) if whole else 0.0
