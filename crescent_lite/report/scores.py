"""The scores of a run's rounds compared with the base: with intervals, in tables and in words.

Reads the store. Only `evaluation.word_of` decides whether a round "improved". Example:
    [s.model for s in compare(store, run)] -> ["base", "round 1", "base", "round 1"]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from crescent_lite.evaluation import ComparisonResult, among_ended, corrected, in_words, mcnemar
from crescent_lite.evaluation.sampled_scores import SampledScore, sampled_scores
from crescent_lite.intervals import wilson
from crescent_lite.records import Score, short_name
from crescent_lite.report.content import Table
from crescent_lite.report.gains import compared
from crescent_lite.report.primary import Primary, cut_off_share, ended_of, primary_number
from crescent_lite.report.verdict_tables import VERDICT_COLUMNS, verdict_cells
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
    cut_off: float | None = None
    """Fraction of the replies that were cut off, 0-1; None where an option is chosen."""
    ended: Score | None = None
    """The score among the replies that ended; None where an option is chosen."""
    is_primary: bool = False
    """Whether this alone is the primary number of the run."""


@dataclass(frozen=True)
class _Pair:
    """A model and the base on one benchmark, by one scoring; the base itself is paired with nothing."""

    evaluation: EvaluationRow
    scoring: str
    model: str
    own: bool
    base_id: int
    """Id of the base's evaluation."""


def compare(store: Store, run: Run, scorings: Iterable[str] = tuple(SCORINGS)) -> list[Scored]:
    """The score of each greedy evaluation of the run, with each round compared with the base on the same items.

    All comparisons with all scorings are corrected as one family (Holm), except for the primary number, which is
    corrected for the number of rounds alone. For a distillation, the rounds of the student's own runs follow.
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
    right = {
        (e.evaluation_id, scoring): store.evaluations.fetch_right(e.evaluation_id, scoring)
        for _, _, e in named
        for scoring in SCORINGS
    }
    ended = {e.evaluation_id: ended_of(store, e) for _, _, e in named}
    pairs = [
        _Pair(e, scoring, model, is_own, base.evaluation_id)
        for scoring in SCORINGS
        for key, base in bases.items()
        if right[base.evaluation_id, scoring]  # math-verify does not judge choices
        for model, is_own, e in (("base", True, base), *(one for one in named if one[2].round_number))
        if (e.benchmark, e.prompt) == key and right[e.evaluation_id, scoring]
    ]
    primary = primary_number(store, run)
    secondary = [pair for pair in pairs if pair.evaluation.round_number and not _is_primary(pair, primary)]
    results = corrected(
        [mcnemar(right[p.base_id, p.scoring], right[p.evaluation.evaluation_id, p.scoring]) for p in secondary],
        [
            among_ended(
                right[p.base_id, p.scoring],
                right[p.evaluation.evaluation_id, p.scoring],
                ended[p.base_id],
                ended[p.evaluation.evaluation_id],
            )
            for p in secondary
        ],
        family="secondary comparisons",
    )
    verdicts = dict(zip(secondary, results, strict=True))
    wanted = set(scorings)
    return [
        _scored(p, right[p.evaluation.evaluation_id, p.scoring], ended[p.evaluation.evaluation_id], primary, verdicts)
        for p in pairs
        if p.scoring in wanted
    ]


def _is_primary(pair: _Pair, primary: Primary | None) -> bool:
    """Whether the pair is a round's primary number by itself: it is, if that is of one benchmark only."""
    e = pair.evaluation
    return bool(
        primary
        and pair.own
        and pair.scoring == primary.scoring
        and primary.measured == ((e.benchmark, e.prompt),)
        and (not e.round_number or e.round_number in primary.verdicts)
    )


def _scored(
    pair: _Pair,
    right: Mapping[str, bool],
    ended: Mapping[str, bool],
    primary: Primary | None,
    verdicts: Mapping[_Pair, ComparisonResult],
) -> Scored:
    e, is_primary = pair.evaluation, _is_primary(pair, primary)
    verdict = primary.verdicts.get(e.round_number) if primary and is_primary else verdicts.get(pair)
    of_ended = [is_right for item, is_right in right.items() if ended.get(item)]
    return Scored(
        e,
        pair.scoring,
        pair.model,
        pair.own,
        wilson(sum(right.values()), len(right)),
        verdict,
        cut_off_share(ended) if ended else None,
        wilson(sum(of_ended), len(of_ended)) if ended else None,
        is_primary,
    )


def scores_table(store: Store, run: Run, scored: Iterable[Scored]) -> Table:
    """A table of every score with its interval; without rows if nothing was measured."""
    rows = tuple(_score_row(one) for one in scored)
    measured = (
        "benchmark",
        "prompt",
        "scoring",
        "model",
        "right",
        "score",
        "95% interval",
        "cut off",
        "of the ended",
    )
    columns = (*measured, *VERDICT_COLUMNS)
    note = (
        "Intervals: Wilson for a score, a paired bootstrap for a difference. p: exact McNemar test, two-sided, on "
        "the same items. won, lost: items that only the round, or only the base, answers rightly. All comparisons "
        "but the primary number are one family, over benchmarks, prompts, scorings and rounds (Holm). cut "
        "off: replies that reached the length limit; of the ended: right answers among the others."
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
            *verdict_cells(gain.verdict),
        )
        for gain in compared(store, run.run_id)
    )
    columns = ("benchmark", "part of the method", "without", "with", "won", "lost", "difference", "p", "corrected p")
    note = (
        "Each row is one paired comparison on the same items. The two sides differ in one part of the method. A "
        "trained control is compared with the measured round that has as many examples, or else the nearest number, "
        "which is then given; if that is a round after the first, the labels of other rounds are a second "
        "difference. In a tied majority, the answer drawn first counts. p and intervals are corrected for the number "
        "of comparisons in this table (Holm)."
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
        "" if one.cut_off is None else f"{one.cut_off:.1%}",
        f"{one.ended.fraction:.1%}" if one.ended and one.ended.items else "",
    )
    return (*cells, *verdict_cells(one.verdict))
