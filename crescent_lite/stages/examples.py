"""What a round learns from: its own labels and some of earlier rounds, or a teacher's, in the tokens of its model.

Reads the store; trains nothing. Example: votes_of, examples = token_examples(job, this)
"""

from __future__ import annotations

import random

from crescent_lite.questions import diversify
from crescent_lite.records import TokenExample
from crescent_lite.stages.frame import Job, sampler_of
from crescent_lite.store import Round


def labels_of(job: Job, this: Round) -> list[tuple[int, str, int, str]]:
    """(question id, question, vote id, solution): the round's own labels and some of earlier ones, or a teacher's."""
    votes, settings, seed = job.store.votes, job.config.train, job.config.run.seed
    if job.teacher_id:
        labels = teachers_labels(job, job.teacher_id)
    else:
        labels = votes.fetch_labels(round_id=this.round_id)
        earlier = votes.fetch_labels(run_id=this.run_id, before_round=this.number)
        wanted = round(len(labels) * settings.replay_share / (1 - settings.replay_share))
        chance = random.Random(f"replayed in round {this.number} {seed}")
        labels = sorted(labels + chance.sample(earlier, min(wanted, len(earlier))))
    if settings.max_examples and len(labels) > settings.max_examples:
        labels = sorted(random.Random(f"examples {seed}").sample(labels, settings.max_examples))
    return labels


def teachers_labels(job: Job, teacher_id: int) -> list[tuple[int, str, int, str]]:
    """Those of the teacher's run that repeat no item of this run's benchmarks, which need not be the teacher's."""
    known = diversify.Known((), job.config.diversify, job.benchmarks)
    return [label for label in taught_by(job, teacher_id) if not known.benchmark_item(label[1])]


def taught_by(job: Job, teacher_id: int) -> list[tuple[int, str, int, str]]:
    """Everything that the teacher's run has to learn from."""
    if job.unvoted:
        return job.store.votes.fetch_single_samples(teacher_id, 1)
    return job.store.votes.fetch_labels(run_id=teacher_id)


def token_examples(job: Job, this: Round) -> tuple[dict[int, int], list[TokenExample]]:
    """The labels as (bare question, kept solution) in tokens, and the vote each came from; too long ones left out."""
    sampler = sampler_of(job, this.model_id)
    votes_of: dict[int, int] = {}
    examples = []
    for question_id, question, vote_id, solution in labels_of(job, this):
        input_ids, prompt_length = sampler.encode_example(question, solution.strip())
        if len(input_ids) <= job.config.train.max_example_tokens:
            votes_of[question_id] = vote_id
            examples.append(TokenExample(question_id, tuple(input_ids), prompt_length))
    return votes_of, examples
