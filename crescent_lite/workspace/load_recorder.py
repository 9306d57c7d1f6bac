"""Samples the machine's load while a run is at work, in a separate thread, for the engine to store.

The engine tells the recorder each event, and takes the samples when it has an event to store anyway, because the
database's connection belongs to its thread. Example:
    with LoadRecorder() as recorder:
        recorder.note(event); store.machine.insert_samples(run_id, recorder.take())
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType

from crescent_lite.events import Event, RoundStarted, StageFinished, StageProgressed, StageStarted, TrainingStepped
from crescent_lite.records import MachineSample
from crescent_lite.store.database import now
from crescent_lite.workspace.machine_load import LoadMeter

SECONDS = 10.0
"""Time between two samples of a run that has few (guess: a point every ten seconds for the first five hours)."""
FIRST_SECONDS = 2.0
"""Time before the first sample."""


@dataclass(frozen=True)
class _Work:
    """What the run was doing at the latest event."""

    round: int = 0
    stage: str | None = None
    tokens: float = 0.0
    """Tokens of the stage so far; counted from the stage's own speed while it trains."""
    at: float = 0.0
    """When `tokens` was counted, by the monotonic clock."""


class LoadRecorder:
    """Takes a sample every SECONDS times `stride` until it is left."""

    def __init__(self, seconds: float = SECONDS, first_seconds: float = FIRST_SECONDS) -> None:
        self.stride = 1
        """How many times rarer the samples are than at first; see `store.machine`."""
        self._seconds, self._first_seconds = seconds, first_seconds
        self._work = _Work(at=time.monotonic())
        self._samples: deque[MachineSample] = deque()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="load", daemon=True)

    def __enter__(self) -> LoadRecorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def note(self, event: Event) -> None:
        """Take an event of the run into account."""
        before, at = self._work, time.monotonic()
        match event:
            case RoundStarted():
                self._work = _Work(event.number, None, 0.0, at)
            case StageStarted():
                self._work = _Work(event.round, event.stage, 0.0, at)
            case StageProgressed():
                self._work = _Work(before.round, event.stage, event.tokens, at)
            case TrainingStepped():
                trained = event.step.tokens_per_second * (at - before.at)
                self._work = _Work(before.round, "train", before.tokens + trained, at)
            case StageFinished():
                self._work = _Work(before.round, None, 0.0, at)

    def take(self) -> list[MachineSample]:
        """The samples since the last call, which belong to the caller from now on."""
        return [self._samples.popleft() for _ in range(len(self._samples))]

    def _watch(self) -> None:
        meter, before, seconds = LoadMeter(), self._work, self._first_seconds
        while not self._ended.wait(seconds):
            load, work = meter.measure(), self._work
            gpu = load.gpu
            self._samples.append(
                MachineSample(
                    now(),
                    work.round,
                    work.stage,
                    round(load.cpu, 4),
                    load.memory_used,
                    gpu.busy if gpu else None,
                    gpu.used if gpu else None,
                    _speed(before, work),
                )
            )
            before, seconds = work, self._seconds * self.stride


def _speed(before: _Work, work: _Work) -> float | None:
    """Tokens per second between two counts; None if nothing was counted, or the stage is another one."""
    is_same = (before.round, before.stage) == (work.round, work.stage)
    since = before if is_same else _Work(at=before.at)
    seconds, tokens = work.at - since.at, work.tokens - since.tokens
    return round(tokens / seconds, 2) if seconds > 0 and tokens > 0 else None
