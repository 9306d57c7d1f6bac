"""Asks a model the items of benchmarks and scores each reply as it arrives, in any order.

All benchmarks and prompts share one queue, so the sampler's slots stay full until the end. Owns the requests; knows
no model, no file and no database. Example:
    for owed, completion, item_score in evaluate(sampler, [OwedItem(measurement, item, (0,))], seed=1): ...
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crescent_lite.evaluation.choices import RANKED_AFTER, choose, score_choice, stem_and_options
from crescent_lite.evaluation.scoring import score
from crescent_lite.prompts.sets import fill
from crescent_lite.records import BenchmarkItem, Completion, ItemScore, Measurement, Request
from crescent_lite.sampling.protocol import Sampler


@dataclass(frozen=True)
class OwedItem:
    """An item of a measurement with samples that are still to be drawn."""

    measurement: Measurement
    item: BenchmarkItem
    sample_indexes: tuple[int, ...]
    """Indexes of the samples to draw; ignored where options are ranked."""

    def request(self, seed: int) -> Request:
        """Build the sampler's request. Its key, and so its seeds, depend only on the measurement and the item."""
        key, generation = f"{self.measurement.title}/{self.item.item_id}", self.measurement.generation
        if self.measurement.ranks:
            stem, options = stem_and_options(self.item)
            return Request(
                key,
                stem,
                generation,
                tuple(range(len(options))),
                assistant_prefix=RANKED_AFTER,
                forced=tuple(f" {option}" for option in options.values()),
                seed=seed,
            )
        user = fill(self.measurement.prompt.text, question=self.item.question)
        return Request(key, user, generation, self.sample_indexes, seed=seed)


def evaluate(
    sampler: Sampler, queue: Iterable[OwedItem], *, seed: int
) -> Iterator[tuple[OwedItem, Completion, ItemScore]]:
    """Yield each finished completion with its score. Items with the longest possible replies are requested first."""
    owed_by_key: dict[str, OwedItem] = {}
    requests = []
    for owed in sorted(queue, key=lambda owed: -owed.measurement.generation.max_tokens):
        request = owed.request(seed)
        owed_by_key[request.key] = owed
        requests.append(request)
    ranked: defaultdict[str, list[Completion]] = defaultdict(list)
    for completion in sampler.sample(requests):
        owed = owed_by_key[completion.key]
        if owed.measurement.ranks:
            options = ranked[completion.key]
            options.append(completion)
            if len(options) == len(stem_and_options(owed.item)[1]):
                yield owed, *choose(ranked.pop(completion.key), owed.item)
            continue
        yield owed, completion, score_item(completion, owed.item)


def score_item(completion: Completion, item: BenchmarkItem) -> ItemScore:
    """Score one reply against the item's gold answer."""
    finished = completion.finish_reason == "stop"
    if item.answer_key.startswith("choice:"):
        return score_choice(completion.text, item, finished=finished)
    return score(completion.text, item.answer_key, finished=finished, question=item.question, gold=item.answer)
