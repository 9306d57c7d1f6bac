"""What a run spent on improving itself, which its controls spend too. Reads the store.

Example: spent_by(store, run, config).samples -> 5
"""

from __future__ import annotations

from crescent_lite.config import Config
from crescent_lite.evaluation.controls import Spent, equal_samples, has_a_value
from crescent_lite.store import Run, Store


def spent_by(store: Store, run: Run, config: Config, samples: int | None = None) -> Spent:
    """What round 1 used, and `samples`; if None, as many as its own tokens would allow."""
    first = next((each for each in store.runs.fetch_rounds(run.run_id) if each.number == 1), None)
    counts = store.fetch_round_counts(first.round_id if first else 0)  # all 0 for a round that does not exist
    if samples is None:
        kept = store.fetch_standing(run.run_id).kept or 1
        costs = [cost for number in range(1, kept + 1) for cost in store.runs.fetch_stage_costs(run.run_id, number)]
        drawn = sum(cost.tokens for cost in costs if cost.stage in ("ask", "vote"))
        items = sum(each.items for each in config.evaluate.benchmarks.values() if has_a_value(each))
        samples = equal_samples(drawn, items * store.evaluations.fetch_mean_solution(run.run_id))
    training = store.trainings.fetch_finished(first.round_id) if first else None
    chosen = training.details if training else {}
    epochs, batch_size = float(chosen.get("epochs", 0)), int(chosen.get("batch_size", 0))
    return Spent(counts.texts, counts.examples, samples, epochs, batch_size)
