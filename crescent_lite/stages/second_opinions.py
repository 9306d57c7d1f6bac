"""The stage 'second_opinion': math-verify judges the evaluated replies, beside our own scores.

A stage of its own, because it takes time, can be paused, and needs no model. A reply that math-verify cannot judge in
time has no opinion (NULL), and is tried again when the run is resumed or another run uses the evaluation.
Example: yield from perform(SecondOpinionStage, job, this, evaluation_ids)
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import ClassVar

from crescent_lite.evaluation import second_opinions
from crescent_lite.events import Stage
from crescent_lite.stages.frame import Job, StageOfRun, Tally
from crescent_lite.store import Round

WORDS = {True: "right", False: "wrong", None: "no opinion"}


class SecondOpinionStage(StageOfRun):
    """The replies of these evaluations that have no opinion yet."""

    name: ClassVar[Stage] = "second_opinion"

    def __init__(self, job: Job, this: Round | None, evaluation_ids: Iterable[int]) -> None:
        super().__init__(job, this)
        fetch_unjudged = job.store.evaluations.fetch_without_opinion
        self._replies = [reply for evaluation_id in evaluation_ids for reply in fetch_unjudged(evaluation_id)]
        self.tally = Tally(0, len(self._replies))

    def work(self) -> Generator[str, None, None]:
        """Judge one reply after another; yields each opinion in a word."""
        with closing(second_opinions((reply.reply, reply.gold) for reply in self._replies)) as opinions:
            for reply, opinion in zip(self._replies, opinions, strict=True):
                if opinion is not None:
                    self.job.store.evaluations.set_opinion(reply, opinion)
                yield WORDS[opinion]
