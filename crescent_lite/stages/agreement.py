"""Questions of round 1 that are set aside: how often a model's greedy reply agrees with the base's votes on them.

With `run.choose_by = "agreement"` this chooses the best round without any gold answer. The questions are drawn by the
run's seed and trained on in no round; the label that the base's votes gave them stands for the right answer, so a
fixed answer or another format cannot raise the figure, but a wrong majority goes unnoticed. Reads the store. Example:
    agreement_benchmark(job).items[0].answer_key -> "n:12"
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence

from crescent_lite.errors import NotFoundError
from crescent_lite.records import AGREEMENT, Benchmark, BenchmarkItem
from crescent_lite.stages.frame import Job
from crescent_lite.store import Run, Store

SHARE = 0.1
"""Fraction of the labels of round 1 that are set aside (guess)."""
FEWEST = 30
"""Fewest questions that are set aside: with 30, a difference of 25 points can be seen (guess)."""
LABELS_NEEDED = 60
"""With fewer labels in round 1 nothing is set aside, and benchmarks choose the round (guess)."""


def set_aside(job: Job) -> list[BenchmarkItem]:
    """The questions that are not trained on, by question id, each with its label. The votes of round 1 are complete.

    Empty unless `run.choose_by` is 'agreement' and there are enough labels, and for a distillation.
    """
    asked_by = job.run_id if job.teacher_id is None else job.teacher_id if job.control else None
    if job.config.run.choose_by != "agreement" or asked_by is None:
        return []
    labelled = job.store.votes.fetch_labelled_items(asked_by, 1)
    if len(labelled) < LABELS_NEEDED:
        return []
    count = max(FEWEST, round(SHARE * len(labelled)))
    drawn = random.Random(f"set aside {job.config.run.seed}").sample(labelled, count)
    return sorted(drawn, key=lambda item: int(item.item_id))


def agreement_benchmark(job: Job) -> Benchmark | None:
    """The questions that are set aside as a benchmark; None if there are none."""
    items = set_aside(job)
    if not items:
        return None
    source = f"labels of run {job.run_id if job.teacher_id is None else job.teacher_id}, round 1"
    return Benchmark(AGREEMENT, source, _digest(items), tuple(items), role="agreement")


def trained_questions(store: Store, run: Run, number: int) -> Benchmark:
    """The questions that a round was trained on, as a benchmark whose answers are the labels.

    Raises NotFoundError if none of them has a label.
    """
    items = store.trainings.fetch_trained_items(store.runs.fetch_round(run.run_id, number).round_id)
    if not items:
        raise NotFoundError(f"run {run.run_id}: round {number} was trained on no label; there is nothing to recheck")
    source = f"what round {number} of run {run.run_id} was trained on"
    return Benchmark("training questions", source, _digest(items), tuple(items), role="agreement")


def _digest(items: Sequence[BenchmarkItem]) -> str:
    return hashlib.sha256(json.dumps([(item.question, item.answer_key) for item in items]).encode()).hexdigest()
