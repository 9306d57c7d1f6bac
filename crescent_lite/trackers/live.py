"""Sends the curves and scores of a run to a tracker while it is in progress (`run.log_to`).

A tracker that fails is left alone from then on, with one warning: the run goes on. Example:
    with followed(store, 1, "tensorboard", Path("data/logs")) as note:
        for event in events: note(event)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crescent_lite.config.names import TrackerName
from crescent_lite.events import Event, RoundFinished, RoundStarted, StageFinished, TrainingStepped
from crescent_lite.redaction import redacted
from crescent_lite.store import Store
from crescent_lite.trackers.points import Point, points, round_values
from crescent_lite.trackers.targets import Tracker, open_tracker

_log = logging.getLogger(__name__)


@contextmanager
def followed(store: Store, run_id: int, name: TrackerName | None, logs: Path) -> Iterator[Callable[[Event], None]]:
    """Yield a function that sends what each event brings; it does nothing without a tracker's name."""
    if name is None:
        yield lambda _event: None
        return
    follower = _Follower(store, run_id, name)
    follower.attempt(lambda: follower.open(logs))
    try:
        yield lambda event: follower.attempt(lambda: follower.note(event))
    finally:
        follower.attempt(follower.close)


class _Follower:
    def __init__(self, store: Store, run_id: int, name: TrackerName) -> None:
        self._store, self._run_id, self._name = store, run_id, name
        self._tracker: Tracker | None = None
        self._before = 0
        """Optimiser steps of the rounds before this one."""
        self._latest = 0
        """The latest step that was sent."""
        self._round = 0
        self._failed = False

    def attempt(self, what: Callable[[], None]) -> None:
        """Do something with the tracker unless it has failed before; warn once if it fails now."""
        if self._failed:
            return
        try:
            what()
        except Exception as error:  # noqa: BLE001  whatever a tracker's library raises, the run goes on
            self._failed = True
            reason = redacted(str(error)).partition("\n")[0] or type(error).__name__
            _log.warning("run.log_to: %s gets no more values: %s", self._name, reason)

    def open(self, logs: Path) -> None:
        """Open the tracker, and send what a resumed run has already."""
        run = self._store.runs.fetch_run(self._run_id)
        self._tracker = open_tracker(self._name, f"run-{self._run_id}", logs, run.config)
        for point in points(self._store, self._run_id):
            self._send(point)

    def note(self, event: Event) -> None:
        """Send what an event brings: a step's loss at once, and the scores of a round when it has them."""
        match event:
            case RoundStarted():
                self._round = event.number
                self._before = self._latest - self._steps_of(event.number)
            case TrainingStepped():
                step, values = event.step, {"train/loss": event.step.loss, "train/round": float(self._round)}
                if step.held_out_loss is not None:
                    values["train/held_out_loss"] = step.held_out_loss
                values |= {
                    "train/learning_rate": step.learning_rate,
                    "train/tokens_per_second": step.tokens_per_second,
                }
                self._send(Point(self._before + step.step, values))
            case RoundFinished() | StageFinished(stage="evaluate" | "second_opinion"):
                number = event.number if isinstance(event, RoundFinished) else event.round
                if values := round_values(self._store, self._run_id, number):
                    self._send(Point(self._latest, {"round": float(number), **values}))

    def close(self) -> None:
        """Send what is still waiting."""
        if self._tracker:
            self._tracker.close()

    def _steps_of(self, number: int) -> int:
        """Steps of a round that a resumed run has sent already."""
        rounds = self._store.runs.fetch_rounds(self._run_id)
        found = next((each for each in rounds if each.number == number), None)
        return len(self._store.trainings.fetch_curve(found.round_id)) if found else 0

    def _send(self, point: Point) -> None:
        if self._tracker and point.step >= self._latest:
            self._latest = point.step
            self._tracker.log(point.step, point.values)
