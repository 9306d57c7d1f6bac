"""What a run prints on stderr while it is in progress."""

from __future__ import annotations

import io
import logging

from rich.console import Console

from crescent_lite.cli.progress import RunProgress
from crescent_lite.events import RunResumed, StageFinished, StageProgressed, StageStarted, tokens_left


class Clock:
    """A clock that shows what the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_is_estimated_without_the_wait_for_the_first_item() -> None:
    said, clock = io.StringIO(), Clock()
    progress = RunProgress(Console(file=said, width=100), clock=clock)
    progress.show(StageStarted(0, "evaluate", 100, 300))
    for clock.now, done in ((200.0, 101), (220.0, 111), (240.0, 121)):
        progress.show(StageProgressed("evaluate", done, 300, 1000, "an item"))
    progress.show(RunResumed(600.0))
    clock.now = 860.0
    progress.show(StageProgressed("evaluate", 131, 300, 1200, "an item"))
    progress.show(StageFinished(0, "evaluate", 60.0, 1200, 131))
    assert said.getvalue().splitlines() == [
        "  evaluating (base): 101/300  5 tok/s",
        "  evaluating (base): 111/300  5 tok/s  6:18 left",
        "  evaluating (base): 121/300  4 tok/s  5:58 left",
        "  resumed after 10:00",
        "  evaluating (base): 131/300  5 tok/s  5:38 left",
        "  evaluating (base): 131 in 1:00, 20 tok/s",
    ]


def test_the_time_left_counts_the_tokens_of_unfinished_items() -> None:
    """300 items of 100 tokens each in 50 slots, at 50 tokens a second, take 600 s."""
    said, clock = io.StringIO(), Clock()
    progress = RunProgress(Console(file=said, width=100), clock=clock)
    progress.show(StageStarted(0, "evaluate", 0, 300))
    clock.now = 60.0
    progress.show(StageProgressed("evaluate", 5, 300, 3000, "an item", under_way=50))
    clock.now = 300.0
    progress.show(StageProgressed("evaluate", 125, 300, 15_000, "an item", under_way=50))
    left = [line.split()[-2] for line in said.getvalue().splitlines()]
    assert left == ["9:00", "5:00"]


def test_items_under_way_count_half() -> None:
    assert tokens_left(tokens=3000, finished=0, under_way=60, owed=300) == 27_000  # 100 tokens each, so far 50
    assert tokens_left(tokens=3000, finished=30, under_way=0, owed=70) == 7000
    assert tokens_left(tokens=0, finished=0, under_way=0, owed=70) == 0


def test_what_the_sampler_warns_of_is_shown_at_once_and_only_during_the_run() -> None:
    said, sampler = io.StringIO(), logging.getLogger("crescent_lite.sampling.server_holds")
    with RunProgress(Console(file=said, width=100)):
        sampler.warning("%s: waiting until 12:00:00", "http://gpu1:8080")
    sampler.warning("after the run")
    assert said.getvalue() == "  http://gpu1:8080: waiting until 12:00:00\n"
