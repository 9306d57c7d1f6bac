"""The method, one round after another: the model asks questions, votes on the answers, and learns from the labels.

    Ask        a bait prompt makes the model write questions; unusable ones and near-duplicates are rejected
    Vote       the model answers each question several times; if its answers agree enough, they give a label
    Train      the base is fine-tuned on examples: a bare question with one of the solutions that led to its label
    Evaluate   the trained model answers the same benchmarks as the base, asked in the same words

Each stage asks the store what is still owed, does one item at a time and stores it, so the same call resumes a run
that died anywhere. Yields events; prints nothing. Example: for event in run(job): print(event)
Source: Crescent, arXiv 2502.13441.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from functools import partial

from crescent_lite import evaluation
from crescent_lite.events import AlarmFired, Event, RoundAdded, RoundFinished, RoundStarted, RunFinished
from crescent_lite.records import ModelFile, Role
from crescent_lite.rounds import why_no_more
from crescent_lite.stages.ask import AskStage
from crescent_lite.stages.evaluate import EvaluateStage
from crescent_lite.stages.frame import Job, end_sampling, perform, release_sampler
from crescent_lite.stages.outcome import round_outcome
from crescent_lite.stages.second_opinions import SecondOpinionStage
from crescent_lite.stages.train import TrainStage
from crescent_lite.stages.vote import VoteStage
from crescent_lite.store import Round

EVERY_ROUND: tuple[Role, ...] = ("score", "general", "canary")
BY_VOTES: tuple[Role, ...] = ("agreement",)
"""Measured once round 1 has voted: its labels are what the replies are compared with."""
AT_THE_END: tuple[Role, ...] = ("final",)
ALL_ROLES = EVERY_ROUND + AT_THE_END


def run(job: Job) -> Generator[Event, None, None]:
    """Do what the run still owes: evaluate the base, play the rounds, and evaluate the benchmarks kept for last."""
    try:
        yield RoundStarted(0)
        yield from evaluate(job, job.base_id, None, EVERY_ROUND)
        another = True
        while another:
            reason = yield from play_rounds(job)
            yield from evaluate_at_the_end(job)
            another = yield from add_requested_round(job)
        end_sampling(job)
        yield RunFinished(job.run_id, reason)
    finally:
        release_sampler(job)


def play_rounds(job: Job) -> Generator[Event, None, str | None]:
    """Play the rounds that are owed. Returns why the run has fewer rounds than planned, or None."""
    number = 0
    while number < job.rounds:
        number += 1
        this = job.store.runs.insert_round(job.run_id, number, model_before(job, number))
        if not this.finished_at:
            yield from play_round(job, this)
        yield from add_requested_round(job)
        if job.requested_rounds <= number < job.rounds and (reason := why_to_end(job, number)):
            return reason
    return None


def play_round(job: Job, this: Round) -> Iterator[Event]:
    """Play one round of the method. A distillation neither asks nor votes: it learns from its teacher's labels."""
    yield RoundStarted(this.number)
    if job.teacher_id is None:
        yield from perform(AskStage, job, this)
        yield from perform(VoteStage, job, this)
    if this.number == 1:
        yield from evaluate(job, job.base_id, None, BY_VOTES)
    yield from perform(TrainStage, job, this)
    adapter_id = job.store.runs.fetch_round(this.run_id, this.number).adapter_id
    if adapter_id:
        yield from evaluate(job, adapter_id, this, EVERY_ROUND + BY_VOTES)
    yield from check_alarms(job, this)
    outcome = round_outcome(job, this)
    job.store.runs.finish_round(this.round_id, outcome)
    yield RoundFinished(this.number, outcome)


def model_before(job: Job, number: int) -> int:
    """Id of the model that asks and votes in round `number`: the adapter of the latest earlier round that has one.

    After a rollback, rounds later than the chosen one do not count. Without any adapter, it is the base.
    """
    standing = job.store.fetch_standing(job.run_id)
    last = number - 1 if standing.chosen is None else min(number - 1, standing.chosen)
    earlier = [adapter_id for trained, adapter_id in standing.adapters.items() if trained <= last]
    return earlier[-1] if earlier else job.base_id


def evaluate(job: Job, model_id: int, this: Round | None, roles: Collection[Role]) -> Iterator[Event]:
    """Evaluate one model on the benchmarks with these roles, then ask math-verify for its opinion on the replies."""
    evaluated = yield from perform(EvaluateStage, job, model_id, this, roles)
    yield from perform(SecondOpinionStage, job, this, evaluated.evaluation_ids.values())


def evaluate_at_the_end(job: Job) -> Iterator[Event]:
    """Evaluate the base and the kept round on the benchmarks that played no part in choosing that round."""
    if any(benchmark.role in AT_THE_END for benchmark in job.benchmarks):
        yield from evaluate(job, job.base_id, None, AT_THE_END)
        kept = job.store.fetch_standing(job.run_id).kept
        this = job.store.runs.fetch_round(job.run_id, kept) if kept else None
        if this and this.adapter_id:
            yield from evaluate(job, this.adapter_id, this, AT_THE_END)


def measure(job: Job, adapter: ModelFile | None, roles: Collection[Role] = ALL_ROLES) -> Generator[Event, None, None]:
    """Do a run that only evaluates: the base, and an adapter on it if one is given."""
    try:
        yield from evaluate(job, job.base_id, None, roles)
        if adapter:
            adapter_id = job.store.runs.insert_model(adapter, parent_id=job.base_id)
            this = job.store.runs.insert_round(job.run_id, 1, job.base_id)
            yield from evaluate(job, adapter_id, this, roles)
            job.store.runs.finish_round(this.round_id, "measured")
        end_sampling(job)
        yield RunFinished(job.run_id)
    finally:
        release_sampler(job)


def add_requested_round(job: Job) -> Generator[Event, None, bool]:
    """Take a request for one more round. Returns whether there was one; the round is played even after an alarm."""
    if not job.workspace.take("round"):
        return False
    job.add_requested_round()
    yield RoundAdded(job.rounds)
    return True


def check_alarms(job: Job, this: Round) -> Iterator[Event]:
    """Measure the round against the base and the first round that voted, and report each alarm that fires."""
    measures, fetch_facts = job.store.measures, partial(job.store.measures.fetch_facts, job.run_id)
    base, now = (evaluation.measure_round(fetch_facts(number)) for number in (0, this.number))
    voted = (facts for facts in map(fetch_facts, range(1, this.number)) if facts.shares)
    first = next(map(evaluation.measure_round, voted), now)
    alarms = evaluation.judge_round(base, first, now, job.config.alarms)
    measures.replace_measures_and_alarms(job.run_id, 0, base.measures, [])
    measures.replace_measures_and_alarms(job.run_id, this.number, now.measures, alarms)
    yield from (AlarmFired(this.number, alarm.name, alarm.words) for alarm in alarms if alarm.fired)


def why_to_end(job: Job, number: int) -> str | None:
    """Return why the run should end after this round: an alarm, or no better score for some rounds. None to go on."""
    alarms = job.store.measures.fetch_alarms(job.run_id).get(number, [])
    fired = [f"{alarm.name.replace('_', ' ')} ({alarm.words})" for alarm in alarms if alarm.fired]
    if fired and job.config.alarms.stop:
        return f"alarm in round {number}: {'; '.join(fired)}"
    return why_no_more(job.store.fetch_standing(job.run_id).scores, number, job.config.run.patience)
