"""Where a run's gain comes from: its rounds compared with its controls on the same items.

Each comparison differs in one part of the method, so that the gain splits into the prompt, the votes and the
diversity of the questions. A control that trains is compared with the measured round that has as many examples.
Where a control votes, `sampled_scores.majority` says which answer counts. Example:
    compared(store, run_id)[0].about -> "the prompt"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crescent_lite.evaluation import ComparisonResult, corrected, mcnemar
from crescent_lite.evaluation.sampled_scores import majority_right
from crescent_lite.records import Role, short_name
from crescent_lite.store import Store
from crescent_lite.store.evaluations import EvaluationRow

TRAINED_PARTS = (("unvoted", "the votes"), ("coin", "which side of a pair won"), ("undiversified", "the diversity"))
"""Each control that trains, with the part of the method that it leaves out."""
PARTED: tuple[Role, ...] = ("score", "final")
"""Roles of the benchmarks on which gains are compared."""
FAMILY = "comparisons with controls"
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
    """All comparisons that the run and its controls allow, corrected for their number over all benchmarks.

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
    sides = _Sides(
        answers,
        others,
        kept=store.fetch_standing(run_id).kept,
        examples=examples_by_round(store, run_id),
        examples_of={name: examples_by_round(store, run.run_id).get(1, 0) for name, run in controls.items()},
    )
    gains = [
        gain
        for benchmark in dict.fromkeys(e.benchmark for e in answers)
        for gain in _of_benchmark(store, benchmark, sides)
    ]
    verdicts = corrected([gain.verdict.comparison for gain in gains], family=FAMILY)
    return [replace(gain, verdict=verdict) for gain, verdict in zip(gains, verdicts, strict=True)]


def examples_by_round(store: Store, run_id: int) -> dict[int, int]:
    """How many examples each round of a run with an adapter was trained on, by round."""
    trained = [this for this in store.runs.fetch_rounds(run_id) if this.adapter_id]
    return {this.number: store.trainings.count_examples(this.round_id) for this in trained}


@dataclass(frozen=True)
class _Sides:
    """What a run and its controls measured."""

    answers: Sequence[EvaluationRow]
    """The run's own evaluations."""
    others: Mapping[str, Sequence[EvaluationRow]]
    """Those of each control."""
    kept: int | None
    """The round that the run keeps."""
    examples: Mapping[int, int]
    """Examples of each trained round."""
    examples_of: Mapping[str, int]
    """Examples of each control; 0 for one that trained nothing."""

    def alike(self, control: str, measured: Sequence[int]) -> int | None:
        """The round among the measured ones whose number of examples is nearest to the control's."""
        wanted = self.examples_of.get(control, 0)
        trained = [number for number in measured if number in self.examples]
        return min(trained, key=lambda number: (abs(self.examples[number] - wanted), number), default=None)

    def counts(self, control: str, number: int) -> tuple[str, str]:
        """What to say of the examples of a control and a round; empty if they have as many."""
        if self.examples_of.get(control) == self.examples[number]:
            return "", ""
        return f", {self.examples_of.get(control, 0)} examples", f", {self.examples[number]} examples"


def _of_benchmark(store: Store, benchmark: str, sides: _Sides) -> list[Gain]:
    answers, others, kept = sides.answers, sides.others, sides.kept

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
        measured = [number for number in sides.examples if greedy(answers, number, prompt)]
        for name, about in TRAINED_PARTS:
            if like := sides.alike(name, measured):
                before, after = (f", {prompt}{words}" for words in sides.counts(name, like))
                of_control = greedy(others.get(name, ()), 1, prompt)
                found.append(
                    (about, name + before, of_control, f"round {like}{after}", greedy(answers, like, prompt))
                )
    pairs = [
        (about, before, after, mcnemar(old, new))
        for about, before, old, after, new in found
        if old is not None and new is not None
    ]
    verdicts = corrected([comparison for *_, comparison in pairs], family=FAMILY)
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
