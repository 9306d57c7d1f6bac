"""What a round is trained on: its own labels and some of earlier rounds, or a teacher's, as tokens of the model.

What is learnt of a label depends on the objective: its solution, several solutions, or pairs with losing solutions.
Reads the store; trains nothing. Example: examples = token_examples(job, labels_of(job, this), sampler)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.config import TrainConfig
from crescent_lite.prompts.sets import fill
from crescent_lite.questions.diversify import Known
from crescent_lite.records import Example, Label, TokenExample, Vote
from crescent_lite.sampling import Sampler
from crescent_lite.stages.frame import Job
from crescent_lite.stages.winners import Pair, distinct_winners, matched_in_length, pairs
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


@dataclass(frozen=True)
class Chosen:
    """A solution of a label to learn, perhaps with one that lost to it."""

    label: Label
    vote_id: int
    """The vote that is learnt."""
    solution: str
    """Its text. Untrusted."""
    weight: float = 1.0
    """Weight of the example's loss, above 0."""
    loser: Vote | None = None
    """A vote for another answer; None without a loser."""


def chosen_solutions(job: Job, labels: Sequence[Label]) -> list[Chosen]:
    """What is learnt of each label, by `train.objective`: its solution, several of them, or pairs with losers."""
    settings, votes = job.config.train, job.store.votes
    if settings.objective == "preference":
        return _pairs(job, labels)
    if settings.solutions_per_label == 1:
        return [Chosen(label, label.vote_id, label.solution) for label in labels]
    found = []
    for label in labels:
        winners = distinct_winners(votes.fetch_votes(label.question_id), label, settings.solutions_per_label)
        weight = (label.share or 1.0) / max(len(winners), 1)
        found += [Chosen(label, vote.vote_id, vote.text, weight) for vote in winners]
    return found


def _pairs(job: Job, labels: Sequence[Label]) -> list[Chosen]:
    """The pairs of all labels, matched in length, by question and in the order in which they were chosen."""
    label_of: dict[int, Label] = {}
    found: list[Pair] = []
    for label in labels:
        if label.answer_key is not None:
            drawn = job.store.votes.fetch_votes(label.question_id)
            of_question = pairs(drawn, label.answer_key, job.config.train.pairs_per_question)
            label_of |= {pair.winner.vote_id: label for pair in of_question}
            found += of_question
    return [
        Chosen(label_of[pair.winner.vote_id], pair.winner.vote_id, pair.winner.text, pair.weight, pair.loser)
        for pair in matched_in_length(found)
    ]


def examples_needed(settings: TrainConfig) -> int:
    """How many examples a round needs to train."""
    return settings.min_pairs if settings.objective == "preference" else settings.min_examples


def token_examples(job: Job, labels: Sequence[Label], sampler: Sampler) -> list[Example]:
    """What is learnt of the labels, as tokens; without those above `train.max_example_tokens`.

    A solution has the tokens that it was drawn with. If they are not known, or belong to a teacher with another
    vocabulary, its text is tokenized.
    """
    chosen = chosen_solutions(job, labels)
    prompt = job.prompts.for_evaluation(job.config.train.prompt).text
    used = [each.vote_id for each in chosen] + [each.loser.vote_id for each in chosen if each.loser]
    drawn = job.store.votes.fetch_token_ids(used)
    is_own = not job.teacher_id or job.store.runs.fetch_run(job.teacher_id).base_id == job.base_id

    def encoded(label: Label, vote_id: int, solution: str) -> tuple[tuple[int, ...], int]:
        # The space that a teacher's vocabulary puts before a reply is none of the student's.
        text = solution if is_own else solution.strip()
        ids, length = sampler.encode_example(fill(prompt, question=label.question), text, drawn.get(vote_id))
        return tuple(ids), length

    examples = []
    for each in chosen:
        ids, prompt_length = encoded(each.label, each.vote_id, each.solution)
        rejected = encoded(each.label, each.loser.vote_id, each.loser.text)[0] if each.loser else ()
        if max(len(ids), len(rejected)) <= job.config.train.max_example_tokens:
            tokens = TokenExample(each.label.question_id, ids, prompt_length, rejected, each.weight)
            examples.append(Example(each.label, each.vote_id, tokens, each.loser.vote_id if each.loser else None))
    return examples


def _by_question(labels: list[Label]) -> list[Label]:
    return sorted(labels, key=lambda label: label.question_id)
