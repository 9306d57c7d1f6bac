"""What became of a round, in a few words. Reads the store; changes nothing.

Example: round_outcome(job, this) -> "trained on 37 examples, 4 held out"
"""

from __future__ import annotations

from crescent_lite.stages.agreement import LABELS_NEEDED, set_aside
from crescent_lite.stages.examples import (
    all_of_teacher,
    chosen_solutions,
    examples_needed,
    labels_of,
    teachers_labels,
)
from crescent_lite.stages.frame import Job
from crescent_lite.stages.winners import LEAST_LEAD
from crescent_lite.store import Round

FEW_PAIRS = 700
"""Pairs below which no gain was found; 1,800 brought one (arXiv 2411.04109, on another data set)."""


def round_outcome(job: Job, this: Round) -> str:
    """What the round trained on, or why it trained nothing."""
    labels, settings = labels_of(job, this), job.config.train
    solutions, needed = chosen_solutions(job, labels), examples_needed(settings)
    chosen = len(solutions)
    learns_pairs = settings.objective == "preference"
    what = "pairs" if learns_pairs else "examples" if settings.solutions_per_label > 1 else "labels"
    if not job.store.runs.fetch_round(this.run_id, this.number).adapter_id:
        if chosen < needed:
            source = f" of {len(labels)} labels" if learns_pairs else ""
            found = job.store.fetch_in_thoughts(this.run_id, this.number)
            why = "".join(f"; {each.words}" for each in found if each.stage != "evaluate" and each.is_much)
            if learns_pairs and (without := len(labels) - len({each.label.question_id for each in solutions})):
                why += f"; no pair from {without} of them: the votes agree, or lead by fewer than {LEAST_LEAD}"
            return f"not trained: {chosen} {what}{source}, {needed} needed{why or _few_kept(job, this)}"
        return f"not trained: too few of the {chosen} {what} have at most {settings.max_example_tokens} tokens"
    training = job.store.trainings.fetch_latest(this.round_id)
    notes = [f"trained on {training.examples - training.held_out_examples} {'pairs' if learns_pairs else 'examples'}"]
    if training.held_out_examples:
        unlearnt = "" if training.generalises else " (their loss never fell below its value before training)"
        notes.append(f"{training.held_out_examples} held out{unlearnt}")
    if chosen > training.examples:
        limited = settings.max_examples and training.examples == settings.max_examples
        notes.append(f"{chosen - training.examples} {'left out (train.max_examples)' if limited else 'too long'}")
    if learns_pairs and training.examples < FEW_PAIRS:
        notes.append(f"fewer than {FEW_PAIRS} pairs, with which the method's authors found no gain")
    notes += _comparison_of_rounds(job, this)
    if job.teacher_id:
        every, used = all_of_teacher(job, job.teacher_id), teachers_labels(job, job.teacher_id)
        repeated = len({label.question_id for label in every}) - len({label.question_id for label in used})
        notes += [f"{repeated} repeat a benchmark's item and were left out"] if repeated else []
    return ", ".join(notes) + (f"; ended early: {training.stopped}" if training.stopped else "")


def _few_kept(job: Job, this: Round) -> str:
    """Why there is little to vote on, if most of the texts were rejected: '; 2 of 16 texts were kept, ...'."""
    counts = job.store.fetch_round_counts(this.round_id)
    if job.teacher_id or 2 * counts.kept >= counts.texts:
        return ""
    reason, rejected = max(counts.rejected.items(), key=lambda item: item[1])
    return f"; {counts.kept} of {counts.texts} texts were kept, {rejected} are {reason.replace('_', ' ')}"


def _comparison_of_rounds(job: Job, this: Round) -> list[str]:
    """What is said in round 1 of how rounds are compared with `run.choose_by = "agreement"`."""
    if job.config.run.choose_by != "agreement" or job.teacher_id or this.number > 1:
        return []
    if aside := len(set_aside(job)):
        return [f"{aside} questions set aside to choose the round by"]
    return [f"fewer than {LABELS_NEEDED} labels, so benchmarks choose the round"]
