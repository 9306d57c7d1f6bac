"""The data of the Rounds screen: one round of a run in detail, and all rounds compared. Read in the background.

Reads the store and computes with the functions of the report; knows no widget. Texts are as stored: untrusted.
Example: fetch_round(store, (run_id, 2)).alarms[0].name -> "false_consensus"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crescent_lite.evaluation import ComparisonResult
from crescent_lite.evaluation.verdict import SampledVerdict
from crescent_lite.report.flow import FlowStep
from crescent_lite.report.gains import Gain, compared
from crescent_lite.report.primary import Primary, primary_number, sampled_verdicts
from crescent_lite.report.scores import Scored, compare
from crescent_lite.report.yields import flow_steps
from crescent_lite.round_facts import Alarm, InThoughts, LabelTruth
from crescent_lite.rounds import Standing
from crescent_lite.store import Round, Store
from crescent_lite.store.evaluations import Agreement
from crescent_lite.store.trainings import LatestTraining, TrainingLook

Place = tuple[str, str, int]
"""Benchmark, prompt, round."""


@dataclass(frozen=True)
class Descent:
    """What kind of run a run is."""

    kind: str
    """'improvement' or 'evaluation'."""
    control: str | None = None
    """Name of the control experiment; None for an ordinary run."""
    control_of: int | None = None
    """The run that this is a control of; None for an ordinary run."""
    teacher_id: int | None = None
    """The run whose labels this run learns from; None for a run with its own labels."""


@dataclass(frozen=True)
class RoundDetail:
    """One round of a run, in values."""

    number: int
    """0 is the base."""
    this: Round | None
    """The stored round; None for the base, and for a round that has not started."""
    standing: Standing
    """The standing of all rounds of the run."""
    teacher_id: int | None
    """The run whose labels this run learns from; None for a run with its own labels."""
    primary: Primary | None = None
    """The primary number of the run; None before the base is measured."""
    own_questions: bool = False
    """Whether the run votes on the user's own questions."""
    alarms: tuple[Alarm, ...] = ()
    """The alarms checked for this round, fired or not."""
    fired: Mapping[int, int] = field(default_factory=dict)
    """The number of alarms that fired, by round."""
    lengths: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Percentiles of token counts, by round and name."""
    steps: tuple[FlowStep, ...] = ()
    """The steps from a raw text to an example, with what was lost at each."""
    shares: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    """The number of questions by (share of the leading answer, whether it became the label)."""
    in_thoughts: tuple[InThoughts, ...] = ()
    """The stages with replies that never left their thoughts."""
    least_share: float | None = None
    """The share that a label needs, 0-1; None if the policy has no such limit."""
    training: LatestTraining | None = None
    """None before the first training of the round."""
    truth: LabelTruth | None = None
    """How many labels are right; None where that cannot be computed."""
    agreement: Agreement | None = None
    """How far the model agrees with the base's votes; None if that was not measured."""
    curve: tuple[tuple[int, float, float | None], ...] = ()
    """(step, loss, held-out loss), in nats per token; None where the held-out loss was not computed."""
    looks: tuple[TrainingLook, ...] = ()
    """Greedy replies to held-out questions during the training."""


@dataclass(frozen=True)
class Comparisons:
    """Every round compared with the base, item by item, and where the gain comes from."""

    made_from: tuple[object, ...] = ()
    """The evaluations that were compared; the comparison is repeated only when they change."""
    verdicts: Mapping[Place, ComparisonResult] = field(default_factory=dict)
    """The result for each (benchmark, prompt, round)."""
    others: tuple[Scored, ...] = ()
    """Rounds of other runs, if this run learned from another one's labels."""
    shares: Mapping[Place, tuple[float, float]] = field(default_factory=dict)
    """The fraction of replies that were cut off, and of right ones among the others, 0-1; without places where an
    option is chosen."""
    primary: Primary | None = None
    """The primary number of the run; None before the base is measured."""
    sampled: Mapping[int, SampledVerdict] = field(default_factory=dict)
    """Whether each round is sharpened or better, where several samples were drawn."""
    gains: tuple[Gain, ...] = ()
    """One comparison for each part of the method that a control leaves out."""
    descent: Descent | None = None
    """What kind of run it is; None before it has been read."""


def fetch_round(store: Store, subject: tuple[int, int]) -> RoundDetail:
    """The round (run id, number); number 0 is the base."""
    run_id, number = subject
    run, standing = store.runs.fetch_run(run_id), store.fetch_standing(run_id)
    this = next((each for each in store.runs.fetch_rounds(run_id) if each.number == number), None)
    alarms, lengths = store.measures.fetch_alarms(run_id), store.measures.fetch_measures(run_id)
    facts = RoundDetail(
        number,
        this,
        standing,
        run.teacher_id,
        primary_number(store, run),
        run.has_own_questions,
        alarms=tuple(alarms.get(number, ())),
        fired={each: sum(alarm.fired for alarm in found) for each, found in alarms.items()},
        lengths=lengths,
        agreement=next(
            (one for one in store.evaluations.fetch_agreements(run_id) if one.round_number == number), None
        ),
        in_thoughts=store.fetch_in_thoughts(run_id, number),
        truth=store.fetch_label_truth(run_id, number) if number else None,
    )
    if this is None:
        return facts
    vote = run.config.get("vote", {})
    return replace(
        facts,
        steps=tuple(flow_steps(store, this)),
        shares=store.votes.count_shares(this.round_id),
        least_share=vote.get("min_share") if vote.get("policy") in ("majority", "band") else None,
        training=store.trainings.fetch_latest(this.round_id),
        curve=tuple(store.trainings.fetch_curve(this.round_id)),
        looks=tuple(store.trainings.fetch_looks(this.round_id)),
    )


def fetch_comparisons(store: Store, run_id: int, known: Comparisons) -> Comparisons:
    """All comparisons of a run; `known` itself if no evaluation has finished since."""
    run = store.runs.fetch_run(run_id)
    runs = [run_id, *(each.run_id for each in store.runs.fetch_controls(run_id).values())]
    runs += store.runs.fetch_siblings(run_id) if run.teacher_id else []
    ended = tuple(e.evaluation_id for each in runs for e in store.evaluations.fetch_evaluations(each))
    made_from = (run_id, ended, store.fetch_standing(run_id).kept)
    if made_from == known.made_from:
        return known
    scored = compare(store, run, ("flexible",))
    verdicts = {
        (one.evaluation.benchmark, one.evaluation.prompt, one.evaluation.round_number): one.verdict
        for one in scored
        if one.own and one.verdict
    }
    shares = {
        (one.evaluation.benchmark, one.evaluation.prompt, one.evaluation.round_number): (
            one.cut_off,
            one.ended.fraction,
        )
        for one in scored
        if one.own and one.cut_off is not None and one.ended
    }
    return Comparisons(
        made_from,
        verdicts,
        tuple(one for one in scored if not one.own),
        shares,
        primary_number(store, run),
        sampled_verdicts(store, run),
        tuple(compared(store, run_id)),
        Descent(run.kind, run.control, run.control_of, run.teacher_id),
    )
