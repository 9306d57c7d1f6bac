"""What a run works with, and the frame around each of its stages: events, cost, pauses, and the sampler's life.

A stage is a class with a `name`, a `tally` of what is done and owed, and `work()`, which does one item after another
and stores each before it yields. The frame knows none of the stages. The sampler is loaded when a stage first
needs it, its adapter is swapped without reloading the base, and it is freed for the training.
Example: yield from perform(VoteStage, job, this)
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Concatenate, ParamSpec, TypeVar

from crescent_lite.config import Config
from crescent_lite.config.names import Control
from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.events import (
    Event,
    RunPaused,
    RunResumed,
    Stage,
    StageFinished,
    StageProgressed,
    StageStarted,
    ThoughtsUnfinished,
    TrainingStepped,
)
from crescent_lite.prompts.sets import PromptSet
from crescent_lite.questions.own import QuestionFile
from crescent_lite.questions.semantic import Encoder
from crescent_lite.records import Benchmark, ModelFile, TrainingStep
from crescent_lite.sampling import Sampler, SamplerUsage
from crescent_lite.stages.merged import MERGED, ON_THE_BASE, discard_copies, merged_copy, tell_unusable
from crescent_lite.store import Round, StageCost, Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.interruption import suspended

P = ParamSpec("P")
S = TypeVar("S", bound="StageOfRun")
T = TypeVar("T")

PAUSE_SECONDS = 0.2
"""Time between two checks whether a pause is over, in seconds."""
SAMPLES_THAT_TELL = 50
"""Samples after which their mean length is known well enough (guess)."""


@dataclass
class Job:
    """What a run works with."""

    run_id: int
    rounds: int
    """Rounds the run will have; grows when another one is requested."""
    config: Config
    prompts: PromptSet
    benchmarks: tuple[Benchmark, ...]
    base: ModelFile
    base_id: int
    store: Store
    workspace: Workspace
    open_sampler: Callable[[Path], Sampler]
    """Loads the base, or a copy of it. Called again after each training, which needs the memory."""
    semantic_encoder: Encoder | None
    """Turns questions into vectors, to mark those of equal meaning; None without `diversify.semantic`."""
    teacher_id: int | None = None
    """The run whose labels are learnt from; None for a run that asks and votes itself."""
    control: Control | None = None
    """Name of the control experiment; None for an ordinary run."""
    own_questions: QuestionFile | None = None
    """The user's questions, voted on instead of questions that the model would write."""
    requested_rounds: int = 0
    """Number of the last round that a user requested; alarms and `run.patience` do not end the run before it."""
    training_pid: int | None = field(default=None, init=False)
    """Process id of the latest training."""
    sampler: Sampler | None = field(default=None, init=False)
    sampled: Path | None = field(default=None, init=False)
    """The file that the sampler has loaded."""
    copies_work: bool = field(default=True, init=False)
    """Whether merged copies could be loaded so far."""
    how_trained_model_is_sampled: str | None = field(default=None, init=False)
    """From a merged copy or with the adapter on the base; None before a trained model was sampled."""
    past_usage: SamplerUsage = field(default_factory=SamplerUsage, init=False)
    """Usage of the samplers that were closed."""

    def note_training_process(self, pid: int) -> None:
        """Remember the process that trains, so that a pause can suspend it too."""
        self.training_pid = pid

    def add_requested_round(self, *, is_repeated: bool = False) -> None:
        """Plan one more round than the run has so far, to be played even after an alarm.

        `is_repeated`: the request may be that of an engine that was killed; then an unfinished round beyond those of
        the settings is the requested one.
        """
        rounds = self.store.runs.fetch_rounds(self.run_id)
        is_begun = bool(rounds) and not rounds[-1].finished_at and rounds[-1].number > self.config.run.rounds
        self.requested_rounds = len(rounds) + (0 if is_repeated and is_begun else 1)
        self.rounds = max(self.rounds, self.requested_rounds)
        self.store.runs.set_rounds(self.run_id, self.rounds)


@dataclass
class Tally:
    """How far a stage is, in items."""

    done: int
    total: int
    """Items known so far; it may grow while the stage is at work."""


Work = Generator[str, None, None] | Generator[TrainingStep, None, None]
"""A stage's items as they are stored: a note on each, or a training step."""


class StageOfRun(ABC):
    """One stage of a round, from the first item that is still owed."""

    name: ClassVar[Stage]
    tally: Tally

    def __init__(self, job: Job, this: Round | None) -> None:
        self.job = job
        self.this = this
        """The round; None for the base, which has no round."""

    @property
    def is_owed(self) -> bool:
        """Whether anything is left to do."""
        return self.tally.done < self.tally.total

    @abstractmethod
    def work(self) -> Work:
        """Do what is owed, one item at a time; each is stored before it is yielded."""

    def events_after(self) -> Iterator[Event]:
        """Events to report after the stage has ended; none by default."""
        return iter(())


class PauseAsked(Exception):  # noqa: N818  it is a request, not an error
    """A pause was requested while the engine waits for servers, or for a training that gives no sign of life."""


def end_wait_for_a_pause(workspace: Workspace) -> None:
    """Raise PauseAsked if a pause is requested. What waits for a long time without any item calls this in between."""
    if workspace.is_asked("pause"):
        raise PauseAsked


def perform(
    kind: Callable[Concatenate[Job, P], S], job: Job, *arguments: P.args, **named: P.kwargs
) -> Generator[Event, None, S]:
    """Do what a stage owes, if anything, and yield its events. Returns the stage.

    A pause that ends a wait ends the stage's work with it; another stage then does what is still owed. The cost of an
    interrupted stage is stored too.
    """
    stage = yield from _build(kind, job, *arguments, **named)
    if not stage.is_owed:
        return stage
    number = stage.this.number if stage.this else 0
    yield StageStarted(number, stage.name, stage.tally.done, stage.tally.total)
    began, before, paused, finished = time.monotonic(), usage_of(job), 0.0, False
    try:
        while not finished:
            try:
                for event in _work(stage, before.tokens):
                    yield event
                    if job.workspace.is_asked("pause"):
                        paused += yield from _pause(job.workspace, job.training_pid)
                finished = True
            except PauseAsked:
                paused += yield from _pause(job.workspace)
                stage = yield from _build(kind, job, *arguments, **named)
    finally:
        after, seconds = usage_of(job), time.monotonic() - began - paused
        cost = StageCost(
            stage.name,
            seconds,
            after.seconds - before.seconds,
            after.tokens - before.tokens,
            after.prompt_tokens - before.prompt_tokens,
            finished,
            after.pauses - before.pauses,
            after.lost_servers - before.lost_servers,
        )
        job.store.runs.add_stage_cost(job.run_id, number, cost)
        if job.sampler:
            job.store.machine.set_effective(job.run_id, _effective(job, job.sampler))
    yield StageFinished(number, stage.name, seconds, cost.tokens, stage.tally.done)
    yield from stage.events_after()
    return stage


def _effective(job: Job, sampler: Sampler) -> dict[str, int | float | str]:
    """What the automatic settings of sampling came to, by `section.key`."""
    how = job.how_trained_model_is_sampled
    return {**sampler.effective, **({"sampling.merge_adapters": how} if how else {})}


def _build(
    kind: Callable[Concatenate[Job, P], S], job: Job, *arguments: P.args, **named: P.kwargs
) -> Generator[Event, None, S]:
    """A stage, which may load the sampler to see what is owed."""
    return (yield from pausable(lambda: kind(job, *arguments, **named), job.workspace))


def pausable(act: Callable[[], T], workspace: Workspace) -> Generator[Event, None, T]:
    """Do something that may wait for servers, and do it again after a pause that ended the wait."""
    while True:
        try:
            return act()
        except PauseAsked:
            yield from _pause(workspace)


def _work(stage: StageOfRun, tokens_before: int) -> Iterator[Event]:
    """Do what the stage owes, with an event for each item."""
    with closing(stage.work()) as work:
        for item in work:
            stage.tally.done += 1
            if isinstance(item, TrainingStep):
                yield TrainingStepped(item)
            else:
                tokens = usage_of(stage.job).tokens - tokens_before
                yield StageProgressed(stage.name, stage.tally.done, stage.tally.total, tokens, item)


def _pause(workspace: Workspace, training_pid: int | None = None) -> Generator[Event, None, float]:
    """Wait until the request to pause is withdrawn, or to stop is made. Returns the seconds waited."""
    yield RunPaused()
    began = time.monotonic()
    with suspended(training_pid):
        while workspace.is_asked("pause"):
            time.sleep(PAUSE_SECONDS)
    seconds = time.monotonic() - began
    yield RunResumed(seconds)
    return seconds


def _items_under_way(used: SamplerUsage, finished: int) -> int:
    """Items that are being drawn; an item that ranks options has a sample for each of them."""
    samples = used.started - used.ended
    return round(samples * finished / used.ended) if used.ended else samples


def told_in_thoughts(job: Job, number: int, stage: Stage) -> Iterator[Event]:
    """An event if replies of a stage never left their thoughts. `number` is that of the round; 0 for the base."""
    for found in job.store.fetch_in_thoughts(job.run_id, number):
        if found.stage == stage:
            yield ThoughtsUnfinished(number, stage, found.count, found.replies, found.words)


def sampler_of(job: Job, model_id: int, expected_tokens: int = 0) -> Sampler:
    """The loaded sampler of this model: the base, with the adapter on it or, if that pays, a copy with it merged.

    `expected_tokens`: how many tokens the stage is going to draw.
    """
    adapter = None if model_id == job.base_id else job.store.runs.fetch_model(model_id)
    copy = None
    if adapter and job.copies_work:
        copy = merged_copy(job.config.sampling, job.base, adapter, job.workspace.cache, expected_tokens)
    path = copy or job.base.path
    if job.sampler and job.sampled != path:
        release_sampler(job)
    if not job.sampler:
        try:
            job.sampler, job.sampled = job.open_sampler(path), path
        except (ModelError, OutOfMemoryError) as error:
            if copy is None:
                raise
            job.copies_work = False
            tell_unusable(error)
            return sampler_of(job, model_id)
    job.sampler.use_adapter(adapter.path if adapter and not copy else None)
    if adapter:
        job.how_trained_model_is_sampled = MERGED if copy else ON_THE_BASE
    return job.sampler


def tokens_ahead(job: Job, samples: int, max_tokens: int) -> int:
    """About how many tokens so many samples will take: as long as those so far, or a third of the limit."""
    used = usage_of(job)
    mean = used.tokens / used.ended if used.ended >= SAMPLES_THAT_TELL else max_tokens / 3
    return round(samples * mean)


def release_sampler(job: Job) -> None:
    """Free the sampler's memory, and keep its usage figures."""
    if job.sampler:
        job.past_usage = usage_of(job)
        job.sampler.close()
        job.sampler = None


def end_sampling(job: Job) -> None:
    """Free the sampler and delete merged copies. For a run that has ended; one that was stopped uses them again."""
    release_sampler(job)
    discard_copies(job.workspace.cache)


def usage_of(job: Job) -> SamplerUsage:
    """What has been sampled in this process so far."""
    return job.past_usage + job.sampler.usage if job.sampler else job.past_usage
