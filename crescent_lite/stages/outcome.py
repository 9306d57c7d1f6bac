"""What became of a round, in a few words. Reads the store; changes nothing.

Example: round_outcome(job, this) -> "trained on 37 examples, 4 held out"
"""

from __future__ import annotations

from crescent_lite.stages.examples import all_of_teacher, labels_of, teachers_labels
from crescent_lite.stages.frame import Job
from crescent_lite.store import Round


def round_outcome(job: Job, this: Round) -> str:
    """What the round trained on, or why it trained nothing."""
    labels, settings = len(labels_of(job, this)), job.config.train
    if not job.store.runs.fetch_round(this.run_id, this.number).adapter_id:
        if labels < settings.min_examples:
            found = job.store.fetch_in_thoughts(this.run_id, this.number)
            why = "".join(f"; {each.words}" for each in found if each.stage != "evaluate" and each.is_much)
            return f"not trained: {labels} labels, {settings.min_examples} needed{why}"
        return f"not trained: too few of the {labels} labels have at most {settings.max_example_tokens} tokens"
    training = job.store.trainings.fetch_latest(this.round_id)
    notes = [f"trained on {training.examples - training.held_out_examples} examples"]
    if training.held_out_examples:
        unlearnt = "" if training.generalises else " (their loss never fell below its value before training)"
        notes.append(f"{training.held_out_examples} held out{unlearnt}")
    if labels > training.examples:
        notes.append(f"{labels - training.examples} too long")
    if job.teacher_id:
        repeated = len(all_of_teacher(job, job.teacher_id)) - len(teachers_labels(job, job.teacher_id))
        notes += [f"{repeated} repeat a benchmark's item and were left out"] if repeated else []
    return ", ".join(notes) + (f"; ended early: {training.stopped}" if training.stopped else "")
