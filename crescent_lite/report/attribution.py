"""Which training labels are nearest to the items that a round lost: a hint at what it unlearnt, and from what.

Nearness is the likeness of two texts with masked numbers, or of their meanings where the run compares meanings
(`diversify.semantic`). It is no proof: whether lost items are nearer to the labels than those that stayed right is
tested. Reads the store. Example:
    attribute(store, run, 2).changes[0].nearest[0] -> NearLabel(question_id=17, likeness=71.4, ...)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np

from crescent_lite.errors import NotFoundError
from crescent_lite.evaluation.statistics import p_in_words
from crescent_lite.questions.duplicates import template
from crescent_lite.questions.semantic import load_encoder
from crescent_lite.records import BenchmarkItem, short_name
from crescent_lite.store import Run, Store
from crescent_lite.store.items import ItemReply

Fate = Literal["lost", "gained", "stayed right", "stayed wrong"]
Likeness = Callable[[Sequence[str], Sequence[str]], np.ndarray]
"""The likeness, 0-100, of each of some texts (rows) to each of others (columns)."""


@dataclass(frozen=True)
class NearLabel:
    """A training question near an item."""

    question_id: int
    question: str
    label: str
    """Its label as a typed key."""
    likeness: float
    """Likeness to the item, 0-100."""


@dataclass(frozen=True)
class AttributedItem:
    """An item that a round lost or gained, with the training questions nearest to it."""

    benchmark: str
    prompt: str
    item_id: str
    fate: Fate
    question: str
    gold: str
    answer_before: str | None
    answer_after: str | None
    nearest: tuple[NearLabel, ...]
    """The nearest first."""


@dataclass(frozen=True)
class Attribution:
    """The items that changed from the base to a round, with the training questions nearest to them."""

    run_id: int
    round: int
    by_meaning: bool
    """Whether meanings were compared instead of spellings."""
    labels: int
    """Questions that the round was trained on."""
    changes: tuple[AttributedItem, ...]
    """Lost items first, those nearest to a label first."""
    mean_likeness: dict[str, float]
    """Mean likeness of the nearest label, by fate."""
    p_value: float | None
    """Two-sided Mann-Whitney test of the nearest likeness of lost items against those that stayed right; None if
    there are none of either."""

    def as_dict(self) -> dict[str, Any]:
        """The attribution as plain values."""
        return asdict(self)

    def in_words(self) -> str:
        """Whether nearness to the labels tells lost items from those that stayed right."""
        what = "in meaning" if self.by_meaning else "in wording"
        means = ", ".join(f"{fate} {mean:.0f}" for fate, mean in self.mean_likeness.items())
        test = (
            "lost items cannot be compared with those that stayed right"
            if self.p_value is None
            else f"lost against stayed right: Mann-Whitney {p_in_words(self.p_value)}"
        )
        return f"Mean likeness {what} of the nearest of {self.labels:,} labels, 0-100: {means}; {test}."


def attribute(store: Store, run: Run, number: int, most: int = 3) -> Attribution:
    """Attribute the changes from the base to a round to its `most` nearest training questions.

    Raises NotFoundError if the round was trained on no label or not measured, or what loading an encoder raises.
    """
    labels = store.trainings.fetch_trained_items(store.runs.fetch_round(run.run_id, number).round_id)
    pairs = _pairs(store, run.run_id, number)
    if not labels or not pairs:
        what = "was trained on no label" if not labels else "was not measured on what the base was measured on"
        raise NotFoundError(f"run {run.run_id}: round {number} {what}; there is nothing to attribute")
    semantic = str(run.config.get("diversify", {}).get("semantic") or "")
    offline = bool(run.config.get("model", {}).get("offline"))
    compare = _by_meaning(semantic, offline) if semantic else _by_wording
    texts = list(dict.fromkeys(before.question for _, _, before, _ in pairs))
    found = compare(texts, [label.question for label in labels])
    rows = dict(zip(texts, found, strict=True))
    nearest = {fate: list[float]() for fate in ("lost", "gained", "stayed right", "stayed wrong")}
    changes = []
    for benchmark, prompt, before, after in pairs:
        fate, row = _fate(before, after), rows[before.question]
        nearest[fate].append(float(row.max()))
        if fate in ("lost", "gained"):
            near = tuple(_near(labels[at], float(row[at])) for at in np.argsort(-row, kind="stable")[:most])
            changes.append(
                AttributedItem(
                    benchmark, short_name(prompt), before.item_id, fate, before.question, before.gold,
                    before.answer, after.answer, near,
                )
            )  # fmt: skip
    changes.sort(key=lambda change: (change.fate != "lost", -change.nearest[0].likeness))
    return Attribution(
        run.run_id,
        number,
        bool(semantic),
        len(labels),
        tuple(changes),
        {fate: round(fmean(values), 1) for fate, values in nearest.items() if values},
        _tested(nearest["lost"], nearest["stayed right"]),
    )


def _pairs(store: Store, run_id: int, number: int) -> list[tuple[str, str, ItemReply, ItemReply]]:
    """(benchmark, prompt, reply of the base, reply of the round) of each item that both answered."""
    bases = {(each.benchmark, each.prompt): each for each in store.items.fetch_measured(run_id, 0)}
    found = []
    for each in store.items.fetch_measured(run_id, number):
        base = bases.get((each.benchmark, each.prompt))
        replies = {reply.key: reply for reply in store.items.fetch_first(base.evaluation_id)} if base else {}
        found += [
            (each.benchmark, each.prompt, replies[reply.key], reply)
            for reply in store.items.fetch_first(each.evaluation_id)
            if reply.key in replies
        ]
    return found


def _fate(before: ItemReply, after: ItemReply) -> Fate:
    if before.right:
        return "stayed right" if after.right else "lost"
    return "gained" if after.right else "stayed wrong"


def _near(label: BenchmarkItem, likeness: float) -> NearLabel:
    return NearLabel(int(label.item_id), label.question, label.answer_key, round(likeness, 1))


def _by_wording(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    from rapidfuzz import fuzz, process

    return np.asarray(
        process.cdist(list(map(template, texts)), list(map(template, others)), scorer=fuzz.token_sort_ratio)
    )


def _by_meaning(source: str, offline: bool) -> Likeness:
    encoder = load_encoder(source, offline=offline)

    def compare(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
        rows, columns = (np.asarray(encoder.encode(list(each)), dtype=np.float32) for each in (texts, others))
        lengths = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=1))
        return np.asarray(100 * (rows @ columns.T) / np.where(lengths > 0, lengths, 1))

    return compare


def _tested(lost: Sequence[float], stayed: Sequence[float]) -> float | None:
    if not lost or not stayed:
        return None
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(lost, stayed).pvalue)
