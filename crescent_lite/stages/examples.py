"""What a round is trained on: its own labels and some of earlier rounds, or a teacher's, as tokens of the model.

What is learnt of a label depends on the objective: its solution, several solutions, or pairs with losing solutions.
Reads the store; trains nothing. Example: examples = token_examples(job, labels_of(job, this), sampler)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.config import TrainConfig
from crescent_lite.prompts.sets import fill
from crescent_lite.questions.diversify import Known
from crescent_lite.records import Example, Label, TokenExample, Vote
from crescent_lite.sampling import Sampler
from crescent_lite.stages.agreement import set_aside
from crescent_lite.stages.frame import Job
from crescent_lite.stages.winners import Pair, distinct_winners, matched_in_length, pairs
from crescent_lite.store import Round, Store


def labels_of(job: Job, this: Round) -> list[Label]:
    """The labels a round is trained on, by question id: its own and some replayed ones, or a teacher's.

    Questions that are set aside to compare rounds by are left out.
    """
    aside = {int(item.item_id) for item in set_aside(job)}
    return [label for label in _all_labels(job, this) if label.question_id not in aside]


def _all_labels(job: Job, this: Round) -> list[Label]:
    if job.teacher_id:
        return teachers_labels(job, job.teacher_id)
    votes, replayed = job.store.votes, job.config.train.replay_share
    labels = votes.fetch_labels(round_id=this.round_id)
    earlier = votes.fetch_labels(run_id=this.run_id, before_round=this.number)
    wanted = round(len(labels) * replayed / (1 - replayed))
    chance = random.Random(f"replayed in round {this.number} {job.config.run.seed}")
    return _by_question(labels + chance.sample(earlier, min(wanted, len(earlier))))


def teachers_labels(job: Job, teacher_id: int) -> list[Label]:
    """The teacher's labels, without those that repeat an item of this run's benchmarks."""
    known = Known((), job.config.diversify, job.benchmarks)
    labels = all_of_teacher(job, teacher_id)
    repeated = {text for text in {label.question for label in labels} if known.benchmark_item(text)}
    return [label for label in labels if label.question not in repeated]


def all_of_teacher(job: Job, teacher_id: int) -> list[Label]:
    """Every label of the teacher's run. The controls that learn from a run have only those of its first round, and
    'unvoted' has each of the round's votes as a label."""
    votes = job.store.votes
    if job.control == "unvoted":
        return votes.fetch_unvoted_samples(teacher_id, 1)
    if job.control == "coin":
        return votes.fetch_labels(round_id=job.store.runs.fetch_round(teacher_id, 1).round_id)
    return votes.fetch_labels(run_id=teacher_id)


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
    if job.control == "coin" and job.teacher_id:
        return _pairs_by_lot(job, job.teacher_id, labels)
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
    most = job.config.train.pairs_per_question
    return [
        Chosen(label, pair.winner.vote_id, pair.winner.text, pair.weight, pair.loser)
        for label, pair in pairs_of_labels(job.store, [(label, most) for label in labels])
    ]


def pairs_of_labels(store: Store, labels: Sequence[tuple[Label, int]]) -> list[tuple[Label, Pair]]:
    """The pairs of labels, matched in length, each with its label; by label, in the order in which they were chosen.

    `labels`: each label with the most pairs that it may give.
    """
    found = [
        (label, pair)
        for label, most in labels
        if label.answer_key is not None
        for pair in pairs(store.votes.fetch_votes(label.question_id), label.answer_key, most)
    ]
    kept = {id(pair) for pair in matched_in_length([pair for _, pair in found])}
    return [(label, pair) for label, pair in found if id(pair) in kept]


def _pairs_by_lot(job: Job, run_id: int, labels: Sequence[Label]) -> list[Chosen]:
    """The pairs that round 1 of the run was trained on, each with its sides swapped with a probability of 1/2."""
    label_of = {label.question_id: label for label in labels}
    chance = random.Random(f"sides {job.config.run.seed}")
    found = []
    for pair in job.store.trainings.fetch_pairs_of_round(job.store.runs.fetch_round(run_id, 1).round_id):
        sides = [pair.winner_id, pair.loser_id]
        chance.shuffle(sides)
        if label := label_of.get(pair.question_id):
            drawn = {vote.vote_id: vote for vote in job.store.votes.fetch_votes(pair.question_id)}
            first, second = (drawn[vote_id] for vote_id in sides)
            found.append(Chosen(label, first.vote_id, first.text, pair.weight, second))
    return found


def examples_needed(settings: TrainConfig) -> int:
    """How many examples a round needs to train."""
    return settings.min_pairs if settings.objective == "preference" else settings.min_examples


def token_examples(job: Job, labels: Sequence[Label], sampler: Sampler) -> list[Example]:
    """What is learnt of the labels, as tokens; without those above `train.max_example_tokens`, and at most
    `train.max_examples`.

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
    return _at_most(job, examples)


def _at_most(job: Job, examples: list[Example]) -> list[Example]:
    """At most `train.max_examples` of the examples, drawn at random and left in their order.

    The control 'unvoted' takes further samples of a question only when one of each question is not enough.
    """
    most = job.config.train.max_examples
    if not most or len(examples) <= most:
        return examples
    places = list(range(len(examples)))
    random.Random(f"examples {job.config.run.seed}").shuffle(places)
    if job.control == "unvoted":
        seen, turn = Counter[int](), []
        for example in examples:
            turn.append(seen[example.label.question_id])
            seen[example.label.question_id] += 1
        places.sort(key=turn.__getitem__)  # stable, so the order within a turn stays random
    return [examples[place] for place in sorted(places[:most])]


def _by_question(labels: list[Label]) -> list[Label]:
    return sorted(labels, key=lambda label: label.question_id)
