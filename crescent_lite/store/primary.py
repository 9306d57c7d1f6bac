"""Which evaluations make up a run's primary number, and the score by which its best round is chosen.

The primary number is the fraction of right greedy replies to all items of the benchmarks with the role 'score' (the
canaries if a run has none, else whatever it measured), with one prompt and one scoring that the settings name before
the run. `report.primary` says what it shows; `Store.fetch_standing` keeps the round in which it is highest. Example:
    primary_scores(store.evaluations, run) -> {0: 0.397, 1: 0.41}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crescent_lite.records import Role, short_name
from crescent_lite.store.evaluations import EvaluationRow, Evaluations
from crescent_lite.store.runs import Run

PRIMARY_ROLES: tuple[Role, ...] = ("score", "canary", "final", "general")
"""The benchmarks of the first of these roles that a run has are those of its primary number."""
CHOOSING_ROLES: tuple[Role, ...] = ("score", "canary")
"""Roles whose primary number chooses the best round: the others are not measured for every round, or not for that."""


def primary_scoring(run: Run) -> str:
    """The scoring of a run's primary number."""
    return str(run.config.get("evaluate", {}).get("primary_scoring", "flexible"))


def primary_evaluations(
    evaluations: Evaluations, run: Run, *, sampled: bool = False
) -> dict[int, list[EvaluationRow]]:
    """For the base and each round that was measured on all benchmarks of the primary number, those evaluations.

    `sampled`: the evaluations with several samples of each item instead of the greedy ones.
    """
    rows = [e for e in evaluations.fetch_evaluations(run.run_id) if (e.samples > 1) == sampled]
    roles = [role for role in PRIMARY_ROLES if any(e.role == role and not e.round_number for e in rows)]
    if not roles:
        return {}
    of_base: dict[str, list[EvaluationRow]] = {}
    for e in rows:
        if e.role == roles[0] and not e.round_number:
            of_base.setdefault(e.benchmark, []).append(e)
    evaluate = run.config.get("evaluate", {})
    keys = {(e.benchmark, e.prompt) for e in (_with_primary_prompt(found, evaluate) for found in of_base.values())}
    by_round: dict[int, list[EvaluationRow]] = {}
    for e in rows:
        if (e.benchmark, e.prompt) in keys and e.benchmark not in {
            f.benchmark for f in by_round.get(e.round_number, ())
        }:
            by_round.setdefault(e.round_number, []).append(e)
    return {number: found for number, found in by_round.items() if len(found) == len(keys)}


def primary_scores(evaluations: Evaluations, run: Run) -> dict[int, float]:
    """The primary number of the base and of each round that has one, 0-1; empty where it chooses no round."""
    chosen = primary_evaluations(evaluations, run)
    if not any(e.role in CHOOSING_ROLES for e in chosen.get(0, ())):
        return {}
    scores = {}
    for number, rows in sorted(chosen.items()):
        counts = [evaluations.count_right(e.evaluation_id, primary_scoring(run)) for e in rows]
        items = sum(count for _, count in counts)
        if items:
            scores[number] = sum(right for right, _ in counts) / items
    return scores


def _with_primary_prompt(rows: Sequence[EvaluationRow], evaluate: Mapping[str, Any]) -> EvaluationRow:
    """The evaluation with the primary prompt; a benchmark that is not asked with it counts with its own first one."""
    settings = evaluate.get("benchmarks", {}).get(rows[0].benchmark, {})
    wanted = [evaluate.get("primary_prompt"), *evaluate.get("prompts", ()), *settings.get("prompts", ())]
    names = [short_name(e.prompt) for e in rows]
    return next((rows[names.index(name)] for name in wanted if name in names), rows[0])
