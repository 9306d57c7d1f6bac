"""A model on a benchmark: every item asked once, scored as its answer arrives, in whatever order it arrives.

Owns the prompt around the question; knows no model, no file and no database. Example:
    for item, completion, item_score in evaluate(sampler, items, template=None, generation=g, seed=1): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crescent_lite.evaluation.scoring import score
from crescent_lite.patience import Patience
from crescent_lite.prompt_set import fill
from crescent_lite.records import BenchmarkItem, Completion, Generation, ItemScore, Request
from crescent_lite.sampling.protocol import Sampler

SILENT_ITEMS = 100
"""Empty replies in a row after which a model counts as mute (guess)."""


def evaluate(
    sampler: Sampler,
    items: Iterable[BenchmarkItem],
    *,
    template: str | None,
    generation: Generation,
    seed: int,
) -> Iterator[tuple[BenchmarkItem, Completion, ItemScore]]:
    """One completion and its score for each item, as it finishes.

    `template` is a prompt text with `{question}` in it; None asks the bare question. Item ids are unique.
    """
    asked: dict[str, BenchmarkItem] = {}
    patience = Patience("evaluate", SILENT_ITEMS, "the model answers nothing; check its chat template")

    def requests() -> Iterator[Request]:
        for item in items:
            asked[item.item_id] = item
            user = item.question if template is None else fill(template, question=item.question)
            yield Request(key=item.item_id, user=user, generation=generation, seed=seed)

    for completion in sampler.sample(requests()):
        item = asked.pop(completion.key)
        finished = completion.finish_reason == "stop"
        yield item, completion, score(completion.text, item.answer_key, finished=finished)
        patience.note(bool(completion.text.strip()))
