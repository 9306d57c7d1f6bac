"""What the Rounds screen is told of a run: one round in values, and all rounds compared. Read in the background.

Asks the store and what the report is made with; decides nothing and knows no widget. Texts are as stored: untrusted.
Example: fetch_round(store, (run_id, 2)).alarms[0].name -> "false_consensus"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crescent_lite.evaluation import ComparisonResult
from crescent_lite.report.flow import FlowStep
from crescent_lite.report.gains import Gain, compared
from crescent_lite.report.scores import Scored, compare
from crescent_lite.report.yields import flow_steps
from crescent_lite.round_facts import Alarm
from crescent_lite.rounds import Standing
from crescent_lite.store import Round, Store
from crescent_lite.store.trainings import LatestTraining

Place = tuple[str, str, int]
"""Benchmark, prompt, round."""


@dataclass(frozen=True)
class RoundDetail:
    """One round of a run."""

    number: int
    """0 is the base."""
    this: Round | None
    """None is the base, or a round that has not begun."""
    standing: Standing
    """Of all rounds."""
    teacher_id: int | None
    """The run whose labels are learnt from."""
    own_questions: bool = False
    """Whether the user's own are voted on."""
    alarms: tuple[Alarm, ...] = ()
    fired: Mapping[int, int] = field(default_factory=dict)
    """By round: alarms that fired."""
    lengths: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """By round: its measures."""
    steps: tuple[FlowStep, ...] = ()
    """From a text to an example."""
    shares: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    """Questions by the share of their leading answer and whether that became the label."""
    least_share: float | None = None
    """The share that a label needs, where the policy is one of shares."""
    training: LatestTraining | None = None
    curve: tuple[tuple[int, float, float | None], ...] = ()
    """(step, loss, held-out loss where it was looked at)."""


@dataclass(frozen=True)
class Comparisons:
    """Every round beside the base, item by item; and what the gain is made of."""

    made_from: tuple[object, ...] = ()
    """The evaluations it was made from: the same ones give the same."""
    verdicts: Mapping[Place, ComparisonResult] = field(default_factory=dict)
    others: tuple[Scored, ...] = ()
    """Rounds of other runs, where this one learnt from another."""
    gains: tuple[Gain, ...] = ()


def fetch_round(store: Store, subject: tuple[int, int]) -> RoundDetail:
    """A round (run id, number) as it is."""
    run_id, number = subject
    run, standing = store.runs.fetch_run(run_id), store.fetch_standing(run_id)
    this = next((each for each in store.runs.fetch_rounds(run_id) if each.number == number), None)
    alarms, lengths = store.measures.fetch_alarms(run_id), store.measures.fetch_measures(run_id)
    facts = RoundDetail(
        number,
        this,
        standing,
        run.teacher_id,
        run.has_own_questions,
        alarms=tuple(alarms.get(number, ())),
        fired={each: sum(alarm.fired for alarm in found) for each, found in alarms.items()},
        lengths=lengths,
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
    )


def fetch_comparisons(store: Store, run_id: int, known: Comparisons) -> Comparisons:
    """All comparisons of a run; `known` as it is, where no evaluation has ended since."""
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
    others = tuple(one for one in scored if not one.own)
    return Comparisons(made_from, verdicts, others, tuple(compared(store, run_id)))
