"""The stage 'evaluate': the same benchmarks, asked in the same words, for the base and for each round's adapter.

Owns the queue of items that a model still has to answer. Replies that an earlier run stored for the same model and
settings are reused. Scoring belongs to `evaluation`.
Example: yield from perform(EvaluateStage, job, job.base_id, None, ALL_ROLES)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator
from typing import ClassVar

from crescent_lite.evaluation import OwedItem, evaluate, measurements
from crescent_lite.events import Event, Stage
from crescent_lite.records import Role
from crescent_lite.stages.agreement import agreement_benchmark
from crescent_lite.stages.empty_texts import EmptyTexts
from crescent_lite.stages.frame import Job, StageOfRun, Tally, sampler_of, tokens_ahead, told_in_thoughts
from crescent_lite.store import Round


class EvaluateStage(StageOfRun):
    """One model on the benchmarks with these roles, all in one queue."""

    name: ClassVar[Stage] = "evaluate"

    def __init__(self, job: Job, model_id: int, this: Round | None, roles: Collection[Role]) -> None:
        super().__init__(job, this)
        self._model_id = model_id
        self._queue: list[OwedItem] = []
        self.evaluation_ids: dict[str, int] = {}
        """Ids of the evaluations, by the title of the measurement."""
        self._owed = Counter[str]()
        """Samples still to be drawn, by title."""
        total = 0
        evaluations = job.store.evaluations
        own = agreement_benchmark(job) if "agreement" in roles else None
        for benchmark in (each for each in (*job.benchmarks, *([own] if own else ())) if each.role in roles):
            benchmark_id = evaluations.insert_benchmark(benchmark)
            for measurement in measurements(benchmark, job.config, job.prompts):
                job.store.runs.insert_prompt(measurement.prompt)
                title, number = measurement.title, this.number if this else 0
                self.evaluation_ids[title] = evaluations.insert_evaluation(
                    job.run_id, number, model_id, benchmark_id, measurement, job.config.run.seed
                )
                owed = evaluations.fetch_owed_items(self.evaluation_ids[title])
                self._queue += [OwedItem(measurement, item, missing) for item, missing in owed]
                self._owed[title] = sum(len(missing) for _, missing in owed)
                total += len(benchmark.items) * measurement.samples
                if not owed:
                    evaluations.finish_evaluation(self.evaluation_ids[title])
        self.tally = Tally(total - self._owed.total(), total)

    def events_after(self) -> Iterator[Event]:
        """How many replies never left their thoughts, if any."""
        return told_in_thoughts(self.job, self.this.number if self.this else 0, self.name)

    def work(self) -> Generator[str, None, None]:
        """Answer and score each owed item; yields the title of the item's measurement."""
        evaluations, seed = self.job.store.evaluations, self.job.config.run.seed
        empty = EmptyTexts("evaluate", "check the model's chat template")
        ahead = tokens_ahead(self.job, self._owed.total(), self.job.config.evaluate.max_tokens)
        sampler = sampler_of(self.job, self._model_id, ahead)
        for owed, completion, score in evaluate(sampler, self._queue, seed=seed):
            title = owed.measurement.title
            evaluations.insert_item(self.evaluation_ids[title], owed.item.item_id, completion, score)
            self._owed[title] -= 1
            if not self._owed[title]:
                evaluations.finish_evaluation(self.evaluation_ids[title])
            if not owed.measurement.ranks:  # a ranked choice draws no text
                empty.note(completion.text)
            yield title
