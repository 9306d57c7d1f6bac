"""Where a run's gain comes from: its rounds compared with its controls on the same items.

Each comparison differs in one part of the method, so that the gain splits into the prompt, the votes and the
diversity of the questions. Where a control votes, `sampled_scores.majority` says which answer counts. Example:
    compared(store, run_id)[0].about -> "the prompt"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crescent_lite.evaluation import ComparisonResult, corrected, mcnemar
from crescent_lite.evaluation.sampled_scores import majority_right
from crescent_lite.records import Role, short_name
from crescent_lite.store import Store
from crescent_lite.store.evaluations import EvaluationRow

PARTED: tuple[Role, ...] = ("score", "final")
"""Roles of the benchmarks on which gains are compared."""
Right = Mapping[str, bool]
"""Whether each item was answered right, by item id."""


@dataclass(frozen=True)
class Gain:
    """One comparison on one benchmark."""

    benchmark: str
    about: str
    """The part of the method that the two sides differ in."""
    before: str
    """The side without that part: the model and how it was asked."""
    after: str
    """The side with that part: the model and how it was asked."""
    verdict: ComparisonResult


def compared(store: Store, run_id: int) -> list[Gain]:
    """All comparisons that the run and its controls allow, corrected for their number on each benchmark.

    Empty for a run without controls.
    """
    controls = store.runs.fetch_controls(run_id)
    if not controls:
        return []
    answers = [e for e in store.evaluations.fetch_evaluations(run_id) if e.kind == "answers" and e.role in PARTED]
    others = {
        name: [e for e in store.evaluations.fetch_evaluations(run.run_id) if e.kind == "answers"]
        for name, run in controls.items()
    }
    kept = store.fetch_standing(run_id).kept
    return [
        gain
        for benchmark in dict.fromkeys(e.benchmark for e in answers)
        for gain in _of_benchmark(store, benchmark, answers, others, kept)
    ]


def _of_benchmark(
    store: Store,
    benchmark: str,
    answers: Sequence[EvaluationRow],
    others: Mapping[str, Sequence[EvaluationRow]],
    kept: int | None,
) -> list[Gain]:
    def greedy(rows: Sequence[EvaluationRow], number: int | None, prompt: str) -> Right | None:
        for e in rows:
            if (e.benchmark, e.round_number, short_name(e.prompt), e.samples) == (benchmark, number, prompt, 1):
                return store.evaluations.fetch_right(e.evaluation_id, "flexible")
        return None

    solved = greedy(others.get("step-by-step", ()), 0, "solve")
    found: list[tuple[str, str, Right | None, str, Right | None]] = []
    prompts = {short_name(e.prompt) for e in answers if e.benchmark == benchmark and e.samples == 1}
    for prompt in sorted(prompts, key=lambda prompt: (prompt == "solve", prompt)):
        base, best = greedy(answers, 0, prompt), greedy(answers, kept, prompt)
        now = f"round {kept}, {prompt}"
        if prompt != "solve":
            found.append(("the prompt", f"base, {prompt}", base, "base, solve", solved))
        found.append(("everything", f"base, {prompt}", base, now, best))
        if prompt != "solve":
            found.append(("all but the prompt", "base, solve", solved, now, best))
        for name, samples, right in _majorities(store, benchmark, others.get("majority", ())):
            found.append(("training instead of voting", f"base, {name}, majority of {samples}", right, now, best))
        first = greedy(answers, 1, prompt)
        like, that = (f"round 1, {prompt}", first) if first else (now, best)
        for name, about in (("unvoted", "the votes"), ("undiversified", "the diversity")):
            found.append((about, f"{name}, {prompt}", greedy(others.get(name, ()), 1, prompt), like, that))
    pairs = [
        (about, before, after, mcnemar(old, new))
        for about, before, old, after, new in found
        if old is not None and new is not None
    ]
    verdicts = corrected([comparison for *_, comparison in pairs])
    return [
        Gain(benchmark, about, before, after, verdict)
        for (about, before, after, _), verdict in zip(pairs, verdicts, strict=True)
    ]


def _majorities(store: Store, benchmark: str, rows: Sequence[EvaluationRow]) -> list[tuple[str, int, Right]]:
    return [
        (
            short_name(e.prompt),
            e.samples,
            {item: majority_right(drawn) for item, drawn in store.evaluations.fetch_samples(e.evaluation_id).items()},
        )
        for e in rows
        if e.benchmark == benchmark and e.samples > 1
    ]
