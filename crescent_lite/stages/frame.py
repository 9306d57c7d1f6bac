"""What a run works with, and the frame around each of its stages: events, cost, and the sampler's life.

Knows no stage. The sampler is loaded when a stage first needs it, its adapter is swapped without reloading the base,
and it is freed for the training. Example: yield from staged(job, this, "vote", Tally(done=0, total=800), work())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from crescent_lite.config import Config
from crescent_lite.events import (
    Event,
    RunPaused,
    RunResumed,
    Stage,
    StageFinished,
    StageProgressed,
    StageStarted,
    TrainingStepped,
)
from crescent_lite.prompts.sets import PromptSet
from crescent_lite.questions.own import QuestionFile
from crescent_lite.questions.semantic import Encoder
from crescent_lite.records import Benchmark, ModelFile, TrainingStep
from crescent_lite.sampling import Sampler, SamplerUsage
from crescent_lite.store import Round, StageCost, Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.interruption import suspended

PAUSE_SECONDS = 0.2
"""Between two looks whether a pause is over."""


@dataclass
class Job:
    """What a run works with."""

    run_id: int
    rounds: int
    config: Config
    prompts: PromptSet
    benchmarks: tuple[Benchmark, ...]
    base: ModelFile
    base_id: int
    store: Store
    workspace: Workspace
    open_sampler: Callable[[], Sampler]
    """Loads the base. Called again after each training, which needs the memory."""
    semantic_encoder: Encoder | None
    """Of questions, to mark those of the same meaning, where that is asked for."""
    teacher_id: int | None = None
    """The run whose labels are learnt from; None asks and votes itself."""
    unvoted: bool = False
    """Learn from one sample of each question of the teacher's first round, in place of its labels."""
    own_questions: QuestionFile | None = None
    """Voted on in place of what the model would ask."""
    insisted: int = 0
    """The last round that somebody asked for: it is played whatever speaks against it."""
    training_pid: int | None = field(default=None, init=False)
    """The process that trained last."""
    sampler: Sampler | None = field(default=None, init=False)
    past_usage: SamplerUsage = field(default_factory=SamplerUsage, init=False)
    """Of samplers already closed."""

    def trains_in(self, pid: int) -> None:
        """Note the process that trains; a pause holds it too."""
        self.training_pid = pid

    def insist_on_another_round(self) -> None:
        """One more than there are is played, whatever speaks against it."""
        self.insisted = len(self.store.runs.fetch_rounds(self.run_id)) + 1
        self.rounds = max(self.rounds, self.insisted)
        self.store.runs.set_rounds(self.run_id, self.rounds)


@dataclass
class Tally:
    """How far a stage is."""

    done: int
    total: int


Work = Generator[str, None, None] | Generator[TrainingStep, None, None]
"""A stage's items as they are stored: a note on each, or a training step."""


def staged(job: Job, this: Round | None, stage: Stage, tally: Tally, work: Work) -> Iterator[Event]:
    """Turn a stage's items into events, and store what it cost, also when it is cut short. No round: the base."""
    number = this.number if this else 0
    yield StageStarted(number, stage, tally.done, tally.total)
    began, before, finished, paused = time.monotonic(), usage_of(job), False, 0.0
    try:
        with closing(work):
            for item in work:
                tally.done += 1
                if isinstance(item, TrainingStep):
                    yield TrainingStepped(item)
                else:
                    tokens = usage_of(job).tokens - before.tokens
                    yield StageProgressed(stage, tally.done, tally.total, tokens, item)
                if job.workspace.is_asked("pause"):
                    yield RunPaused()
                    paused += (held := hold_still(job))
                    yield RunResumed(held)
        finished = True
    finally:
        after, seconds = usage_of(job), time.monotonic() - began - paused
        cost = StageCost(
            stage,
            seconds,
            after.seconds - before.seconds,
            after.tokens - before.tokens,
            after.prompt_tokens - before.prompt_tokens,
            finished,
            after.pauses - before.pauses,
            after.lost_servers - before.lost_servers,
        )
        job.store.runs.add_stage_cost(job.run_id, number, cost)
    yield StageFinished(number, stage, seconds, cost.tokens, tally.done)


def hold_still(job: Job) -> float:
    """Wait until nobody asks for a pause any more; how long that was, in seconds. A stop ends it too."""
    began = time.monotonic()
    with suspended(job.training_pid):
        while job.workspace.is_asked("pause"):
            time.sleep(PAUSE_SECONDS)
    return time.monotonic() - began


def sampler_of(job: Job, model_id: int) -> Sampler:
    """The loaded sampler with the model's adapter on it."""
    job.sampler = job.sampler or job.open_sampler()
    job.sampler.use_adapter(None if model_id == job.base_id else job.store.runs.fetch_model(model_id).path)
    return job.sampler


def release_sampler(job: Job) -> None:
    """Free the model's memory, and keep its figures."""
    if job.sampler:
        job.past_usage = usage_of(job)
        job.sampler.close()
        job.sampler = None


def usage_of(job: Job) -> SamplerUsage:
    """What has been sampled in this process so far."""
    return job.past_usage + job.sampler.usage if job.sampler else job.past_usage
