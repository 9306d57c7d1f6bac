"""The scores of a run's rounds compared with the base: with intervals, in tables and in words.

Reads the store. Only `evaluation.in_words` decides whether a round "improved". Example:
    [s.model for s in compare(store, run)] -> ["base", "round 1", "base", "round 1"]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from crescent_lite.evaluation import ComparisonResult, corrected, in_words, mcnemar
from crescent_lite.evaluation.sampled_scores import SampledScore, sampled_scores
from crescent_lite.intervals import wilson
from crescent_lite.records import Score, short_name
from crescent_lite.report.content import Table
from crescent_lite.report.gains import compared
from crescent_lite.store import Round, Run, Store
from crescent_lite.store.evaluations import SCORINGS, EvaluationRow


@dataclass(frozen=True)
class Scored:
    """The greedy score of one model on one benchmark, by one scoring."""

    evaluation: EvaluationRow
    scoring: str
    """One of SCORINGS."""
    model: str
    """'base', 'round 2', or the name of a round of another run."""
    own: bool
    """Whether the model is from this run."""
    score: Score
    verdict: ComparisonResult | None
    """The comparison with the base; None for the base itself."""


def compare(store: Store, run: Run, scorings: Iterable[str] = tuple(SCORINGS)) -> list[Scored]:
    """The score of each greedy evaluation of the run, with each round compared with the base on the same items.

    For a distillation, the rounds of the student's own runs follow, so that both can be compared.
    """
    own = [e for e in store.evaluations.fetch_evaluations(run.run_id) if e.samples == 1]
    named = [(_model(e), True, e) for e in own]
    for other in store.runs.fetch_siblings(run.run_id) if run.teacher_id else ():
        of_other = store.evaluations.fetch_evaluations(other)
        named += [
            (_other_round(store, other, e.round_number), False, e)
            for e in of_other
            if e.round_number and e.samples == 1
        ]
    bases = {(e.benchmark, e.prompt): e for e in own if e.round_number == 0}
    found: list[Scored] = []
    for scoring in scorings:
        right = {e.evaluation_id: store.evaluations.fetch_right(e.evaluation_id, scoring) for _, _, e in named}
        for key, base in bases.items():
            if not right[base.evaluation_id]:  # math-verify does not judge choices
                continue
            same = [one for one in named if (one[2].benchmark, one[2].prompt) == key and right[one[2].evaluation_id]]
            later = [one for one in same if one[2].round_number]
            verdicts: list[ComparisonResult | None] = [None]
            verdicts += corrected([mcnemar(right[base.evaluation_id], right[e.evaluation_id]) for _, _, e in later])
            for (model, is_own, e), verdict in zip([("base", True, base), *later], verdicts, strict=True):
                score = wilson(sum(right[e.evaluation_id].values()), len(right[e.evaluation_id]))
                found.append(Scored(e, scoring, model, is_own, score, verdict))
    return found


def scores_table(store: Store, run: Run, scored: Iterable[Scored]) -> Table:
    """A table of every score with its interval; without rows if nothing was measured."""
    rows = tuple(_score_row(one) for one in scored)
    columns = ("benchmark", "prompt", "scoring", "model", "right", "score", "95% interval", "against the base", "p")
    note = (
        "Intervals: Wilson for a score, a paired bootstrap for a difference. p: exact McNemar test, two-sided, on "
        "the same items. Where several rounds are compared with one base, both are corrected for that (Holm)."
    )
    differing, judged = store.evaluations.fetch_disagreements(run.run_id)
    if judged:
        note += (
            f" math-verify gave a second opinion on {judged:,} replies, and disagrees with flexible on {differing:,}."
        )
    only_in_unit, right = store.evaluations.fetch_right_in_asked_unit(run.run_id)
    if only_in_unit:
        note += f" {only_in_unit:,} of {right:,} right answers are right only in the unit that the question asks for."
    return Table("Scores", columns, rows, note)


def agreement_table(store: Store, run: Run) -> Table:
    """A table of how far each round agrees with the base's votes; without rows if nothing was set aside."""
    rows = []
    for one in store.evaluations.fetch_agreements(run.run_id):
        score = wilson(one.agreed, one.items)
        rows.append(
            (
                f"round {one.round_number}" if one.round_number else "base",
                f"{one.agreed}/{one.items}",
                f"{score.fraction:.1%}",
                f"{score.low:.1%} to {score.high:.1%}",
                f"{one.cut_off:.1%}",
                f"{one.tokens:.0f}",
            )
        )
    columns = ("model", "agrees", "agreement", "95% interval", "cut off", "tokens a reply")
    note = (
        "Greedy replies to the run's own questions that are never trained on, compared with the label that the "
        "base's votes gave them. This chooses the round without any gold answer; where a label is wrong, it rewards "
        "a wrong answer, so it is no score."
    )
    return Table("Agreement with the base's votes", columns, tuple(rows), note)


def samples_table(store: Store, run: Run) -> Table:
    """A table of pass@1, pass@k and maj@k; without rows if no item was answered several times."""
    rows = []
    measured = store.evaluations.fetch_evaluations(run.run_id)
    if lower := store.runs.fetch_controls(run.run_id).get("temperatures"):
        measured += store.evaluations.fetch_evaluations(lower.run_id)
    order = ("benchmark", "prompt", "samples", "round_number", "temperature")
    for e in sorted(measured, key=attrgetter(*order)):
        if e.samples > 1:
            drawn = store.evaluations.fetch_samples(e.evaluation_id)
            scores = sampled_scores(drawn.values())
            asked = (e.benchmark, short_name(e.prompt), _model(e), f"{e.temperature:g}", str(len(drawn)))
            rows += [(*asked, name, _with_interval(score)) for name, score in scores.items()]
    columns = ("benchmark", "prompt", "model", "temperature", "items", "measure", "score and 95% interval")
    note = (
        "pass@1: right at the first try. pass@k: right at least once in k tries. maj@k: the commonest of k answers "
        "is right; in a tie, the answer drawn first counts. Means over choices of k of the samples; intervals: a "
        "bootstrap of the items. Where a round's pass@1 is no higher than the base's at a lower temperature, the "
        "training only sharpened the model."
    )
    return Table("Several answers to each item", columns, tuple(rows), note)


def _with_interval(score: SampledScore) -> str:
    return f"{score.value:.1%} ({score.low:.1%} to {score.high:.1%})"


def gains_table(store: Store, run: Run) -> Table:
    """A table of the run compared with its controls; without rows if it has none."""
    rows = tuple(
        (
            gain.benchmark,
            gain.about,
            gain.before,
            gain.after,
            _difference(gain.verdict),
            f"{gain.verdict.p_corrected:.2g}",
        )
        for gain in compared(store, run.run_id)
    )
    columns = ("benchmark", "part of the method", "without", "with", "difference", "p")
    note = (
        "Each row is one paired comparison on the same items. The two sides differ in one part of the method. A "
        "trained control is compared with the measured round that has as many examples, or else the nearest number, "
        "which is then given; if that is a round after the first, the labels of other rounds are a second "
        "difference. In a tied majority, the answer drawn first counts. p and intervals are corrected for the number "
        "of comparisons on the benchmark (Holm)."
    )
    if trained_on := _trained_on(store, run):
        note += f" Trained on: {trained_on}."
    return Table("Where the gain comes from", columns, rows, note)


def _trained_on(store: Store, run: Run) -> str:
    """What each round and each trained control learnt: 'round 1: 61 pairs in 12 steps, coin: ...'."""
    rounds = [(f"round {this.number}", this) for this in store.runs.fetch_rounds(run.run_id)]
    for name, control in store.runs.fetch_controls(run.run_id).items():
        rounds += [(name, this) for this in store.runs.fetch_rounds(control.run_id)]
    return ", ".join(f"{name}: {_learnt(store, this)}" for name, this in rounds if this.adapter_id)


def _learnt(store: Store, this: Round) -> str:
    training = store.trainings.fetch_latest(this.round_id)
    what = "pairs" if store.trainings.fetch_pairs_of_round(this.round_id) else "examples"
    return f"{training.examples:,} {what} in {len(training.losses):,} steps"


def in_a_line(one: Scored, base: Scored) -> str:
    """A comparison with the base in words: 'sums, prompt solve: from 53.3% to 90.0% of 60 items right; improved
    (n=60, p<0.001)'."""
    assert one.verdict is not None
    where = f"{one.evaluation.benchmark}, prompt {short_name(one.evaluation.prompt)}"
    scores = f"from {base.score.fraction:.1%} to {one.score.fraction:.1%} of {one.score.items:,} items right"
    return f"{where}: {scores}; {in_words(one.verdict)}"


def _model(e: EvaluationRow) -> str:
    return f"round {e.round_number}" if e.round_number else "base"


def _other_round(store: Store, run_id: int, number: int) -> str:
    teacher_id = store.runs.fetch_run(run_id).teacher_id
    taught = f"taught by run {teacher_id}" if teacher_id else "taught by itself"
    examples = store.trainings.count_examples(store.runs.fetch_round(run_id, number).round_id)
    return f"run {run_id}, round {number}: {taught}, {examples} examples"


def _score_row(one: Scored) -> tuple[str, ...]:
    e, score = one.evaluation, one.score
    cells = (
        e.benchmark,
        e.prompt,
        one.scoring,
        one.model,
        f"{score.right}/{score.items}",
        f"{score.fraction:.1%}",
        f"{score.low:.1%} to {score.high:.1%}",
    )
    if one.verdict is None:
        return (*cells, "", "")
    return (*cells, _difference(one.verdict), f"{one.verdict.p_corrected:.2g}")


def _difference(verdict: ComparisonResult) -> str:
    return f"{verdict.comparison.difference:+.1%} ({verdict.low:+.1%} to {verdict.high:+.1%}), {in_words(verdict)}"
