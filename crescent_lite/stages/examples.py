"""What a round is trained on: its own labels and some of earlier rounds, or a teacher's, as tokens of the model.

Reads the store; trains nothing. Example: examples = token_examples(job, labels_of(job, this), sampler)
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from crescent_lite.questions.diversify import Known
from crescent_lite.records import Example, Label, TokenExample
from crescent_lite.sampling import Sampler
from crescent_lite.stages.frame import Job
from crescent_lite.store import Round


def labels_of(job: Job, this: Round) -> list[Label]:
    """The labels a round is trained on, by question id: its own and some replayed ones, or a teacher's."""
    votes, settings, seed = job.store.votes, job.config.train, job.config.run.seed
    if job.teacher_id:
        labels = teachers_labels(job, job.teacher_id)
    else:
        labels = votes.fetch_labels(round_id=this.round_id)
        earlier = votes.fetch_labels(run_id=this.run_id, before_round=this.number)
        wanted = round(len(labels) * settings.replay_share / (1 - settings.replay_share))
        chance = random.Random(f"replayed in round {this.number} {seed}")
        labels = _by_question(labels + chance.sample(earlier, min(wanted, len(earlier))))
    if settings.max_examples and len(labels) > settings.max_examples:
        labels = _by_question(random.Random(f"examples {seed}").sample(labels, settings.max_examples))
    return labels


def teachers_labels(job: Job, teacher_id: int) -> list[Label]:
    """The teacher's labels, without those that repeat an item of this run's benchmarks."""
    known = Known((), job.config.diversify, job.benchmarks)
    return [label for label in all_of_teacher(job, teacher_id) if not known.benchmark_item(label.question)]


def all_of_teacher(job: Job, teacher_id: int) -> list[Label]:
    """Every label of the teacher's run; for the control 'unvoted', one sample of each question of round 1."""
    if job.unvoted:
        return job.store.votes.fetch_single_samples(teacher_id, 1)
    return job.store.votes.fetch_labels(run_id=teacher_id)


def token_examples(job: Job, labels: Sequence[Label], sampler: Sampler) -> list[Example]:
    """The labels as (bare question, solution) in tokens; those above `train.max_example_tokens` are left out.

    A solution has the tokens that it was drawn with. If they are not known, or belong to a teacher with another
    vocabulary, its text is tokenized.
    """
    examples = []
    drawn = job.store.votes.fetch_token_ids([label.vote_id for label in labels])
    is_own = not job.teacher_id or job.store.runs.fetch_run(job.teacher_id).base_id == job.base_id
    for label in labels:
        # The space that a teacher's vocabulary puts before a reply is none of the student's.
        solution = label.solution if is_own else label.solution.strip()
        input_ids, prompt_length = sampler.encode_example(label.question, solution, drawn.get(label.vote_id))
        if len(input_ids) <= job.config.train.max_example_tokens:
            examples.append(Example(label, TokenExample(label.question_id, tuple(input_ids), prompt_length)))
    return examples


def _by_question(labels: list[Label]) -> list[Label]:
    return sorted(labels, key=lambda label: label.question_id)
