"""How often a trained model answers its training questions as they are labelled, before and after the training.

A model that learnt its examples agrees with most labels; that says nothing of whether the labels are right. A label
that it still contradicts was not learnt, or is doubtful. Reads the store. Example:
    fetch_recheck(store, run_id).in_words() -> "of 37 training questions, 20 then 35 answered as labelled (...)"
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from crescent_lite.evaluation import ComparisonResult, corrected, mcnemar
from crescent_lite.evaluation.statistics import churn_in_words, p_values_in_words
from crescent_lite.intervals import wilson
from crescent_lite.store import Store
from crescent_lite.store.evaluations import Agreement


@dataclass(frozen=True)
class Recheck:
    """The agreement with the labels of the training questions."""

    source: str
    """What was asked: 'what round 1 of run 3 was trained on'."""
    base: Agreement
    trained: Agreement
    verdict: ComparisonResult
    """The paired comparison of the two."""
    note: str = (
        "Greedy replies to the bare questions. A label is the majority of the votes and may be wrong: agreement "
        "shows what was learnt, not what is right. The replies are in the view v_items."
    )
    """What is to be known about the numbers."""

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A row of a table for each model."""
        return tuple(
            (
                name,
                f"{one.agreed}/{one.items}",
                f"{score.fraction:.1%}",
                f"{score.low:.1%} to {score.high:.1%}",
                f"{one.cut_off:.1%}",
                f"{one.tokens:.0f}",
            )
            for name, one in (("base", self.base), ("trained", self.trained))
            for score in (wilson(one.agreed, one.items),)
        )

    def in_words(self) -> str:
        """One sentence with the numbers behind it."""
        numbers = f"{churn_in_words(self.verdict.comparison)}, {p_values_in_words(self.verdict)}"
        return (
            f"Of {self.base.items:,} training questions, the base answers {self.base.agreed:,} as labelled and the "
            f"trained model {self.trained.agreed:,} ({numbers})."
        )

    def as_dict(self) -> dict[str, Any]:
        """The recheck as plain values."""
        comparison = self.verdict.comparison
        return {
            "source": self.source,
            "base": {**asdict(self.base), "share": self.base.agreed / self.base.items},
            "trained": {**asdict(self.trained), "share": self.trained.agreed / self.trained.items},
            "gained": comparison.gained,
            "lost": comparison.lost,
            "p": comparison.p_value,
        }


def fetch_recheck(store: Store, run_id: int) -> Recheck:
    """The result of the evaluation that `run_recheck` made."""
    base, trained = store.evaluations.fetch_agreements(run_id)
    right = [
        {
            reply.item_id: reply.right
            for each in store.items.fetch_measured(run_id, number, own=True)
            for reply in store.items.fetch_first(each.evaluation_id)
        }
        for number in (0, trained.round_number)
    ]
    (verdict,) = corrected([mcnemar(*right)])
    return Recheck(store.runs.fetch_run(run_id).note or "", base, trained, verdict)
