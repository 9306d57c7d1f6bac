"""The short report of a run in tables: the yield and time of each stage, the shares, scores and gains.

Reads the store; decides nothing. Example: build_report(store, run_id).tables[0].title -> "Base: time"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from crescent_lite.events import STAGES
from crescent_lite.report.alarms import fired_in_words
from crescent_lite.report.content import Report, Table
from crescent_lite.report.headroom import fetch_headroom, headroom_table
from crescent_lite.report.primary import Primary, primary_number
from crescent_lite.report.scores import agreement_table, compare, gains_table, samples_table, scores_table
from crescent_lite.report.verdict_tables import primary_table, sharpened_table
from crescent_lite.round_facts import measures_in_words
from crescent_lite.rounds import Standing
from crescent_lite.store import Round, Run, Store

SHARE_BINS = 8


def build_report(store: Store, run_id: int) -> Report:
    """The short report of a run, finished or not. Raises NotFoundError for an unknown run."""
    run = store.runs.fetch_run(run_id)
    base = store.runs.fetch_base(run)
    rounds = store.runs.fetch_rounds(run_id)
    state = run.state + (f" ({run.reason})" if run.reason else "")
    lines = [
        f"Base: {base.name}, sha256 {base.sha256[:16]}…",
        f"State: {state}. Started {run.started_at}" + (f", finished {run.finished_at}." if run.finished_at else "."),
    ]
    if run.control:
        lines.append(f"Control of run {run.control_of}: {run.control}.")
    elif run.teacher_id:
        teacher = store.runs.fetch_base(store.runs.fetch_run(run.teacher_id))
        lines.append(f"Distillation: it learns from the labels of run {run.teacher_id}, by {teacher.name}.")
    if kept := kept_in_words(store.fetch_standing(run_id), primary_number(store, run)):
        lines.append(kept)
    lines += [f"{found.words}." for found in store.fetch_in_thoughts(run_id)]
    if fired := fired_in_words(store, run):
        lines.append(fired)
    tables = [costs_table(store, run, 0)]
    for this in rounds:
        tables += [*yield_tables(store, run, this), costs_table(store, run, this.number)]
    tables += [primary_table(store, run), sharpened_table(store, run), scores_table(store, run, compare(store, run))]
    tables += [agreement_table(store, run), samples_table(store, run), gains_table(store, run)]
    tables.append(headroom_table(fetch_headroom(store, run_id=run_id)))
    return Report(f"Run {run_id}", tuple(lines), tuple(table for table in tables if table.rows))


def kept_in_words(standing: Standing, primary: Primary | None) -> str:
    """One sentence on which round is kept and why, and that it is not better than the base if that is not shown.

    Empty if no round is kept. `primary`: the primary number of the run; None if nothing was measured.
    """
    kept = standing.kept
    if kept is None:
        return ""
    several, chosen_by = len(standing.adapters) > 1, ""
    if standing.by_agreement and not standing.chosen and kept in standing.scores and 0 in standing.scores:
        agreement = f"{standing.scores[kept]:.1%}, base {standing.scores[0]:.1%}"
        chosen_by = f" Chosen by agreement with the base's votes ({agreement})."
    not_better = primary.not_better_in_words(kept) if primary else "it was not compared with the base"
    if not not_better:
        why = "chosen by hand" if standing.chosen else f"the {'best' if several else 'only'} trained round"
        assert primary is not None
        scores = f"{primary.scores[kept].fraction:.1%}, base {primary.scores[0].fraction:.1%}"
        return f"Kept: round {kept}, {why}; it is better than the base ({scores}).{chosen_by}"
    why = "because a round was trained"
    if standing.chosen:
        why = "because it was chosen by hand"
    elif several:
        why = "as the best of the trained rounds"
    return f"Round {kept} is kept {why}, but {not_better}.{chosen_by}"


def yield_tables(store: Store, run: Run, this: Round) -> list[Table]:
    """Two tables of a round: how many items each stage left, and how its votes agree. A distillation has only the
    first."""
    counts = store.fetch_round_counts(this.round_id)
    examples = ("examples", counts.examples, _losses(store, this))
    if run.teacher_id:
        labels = len(store.votes.fetch_labels(run_id=run.teacher_id))
        outcome = f"outcome: {this.outcome or 'unfinished'}"
        rows = ((f"labels of run {run.teacher_id}", str(labels), outcome), (*map(str, examples),))
        return [Table(f"Round {this.number}: yield", ("stage", "count", ""), rows)]
    steps = (
        ("texts and rewrites", counts.texts, f"outcome: {this.outcome or 'unfinished'}{_stopped(this)}"),
        ("kept questions", counts.kept, _reasons(counts.rejected)),
        ("votes", counts.votes, _saved(counts.saved_votes)),
        ("labels", counts.labels, _labels(store, this, counts.no_label)),
        examples,
    )
    yield_rows = tuple(
        (name, str(count), "" if name == "votes" else _percent(count, counts.texts), why)
        for name, count, why in steps
    )
    return [
        Table(f"Round {this.number}: yield", ("stage", "count", "of all texts", "notes"), yield_rows),
        Table(f"Round {this.number}: share of the leading answer", ("share", "questions", ""), _shares(store, this)),
    ]


def _labels(store: Store, this: Round, no_label: Mapping[str, int]) -> str:
    """How many labels are right, if that can be computed; and why the other questions have none."""
    truth = store.fetch_label_truth(this.run_id, this.number)
    return "; ".join(part for part in (truth.words if truth else "", _reasons(no_label)) if part)


def _stopped(this: Round) -> str:
    return f"; asking stopped early: {this.asking_stopped}" if this.asking_stopped else ""


def _saved(saved: Mapping[str, int]) -> str:
    """Planned votes that were not drawn, by the reason why their question got no more votes."""
    reasons = ", ".join(f"{spaced(reason)} {count:,}" for reason, count in saved.items())
    return f"{sum(saved.values()):,} planned votes not needed: {reasons}" if saved else ""


def costs_table(store: Store, run: Run, number: int) -> Table:
    """A table of the time of each stage. In the training stage, only the time of the optimiser counts as work."""
    costs = sorted(store.runs.fetch_stage_costs(run.run_id, number), key=lambda cost: STAGES.index(cost.stage))
    training = store.trainings.fetch_seconds(run.run_id, number)
    worked = [training if cost.stage == "train" else cost.sampling_seconds for cost in costs]
    rows = tuple(
        (
            cost.stage,
            f"{cost.seconds:.1f}",
            f"{work:.1f}",
            f"{cost.tokens:,}",
            f"{cost.tokens / cost.sampling_seconds:.0f}" if cost.sampling_seconds and cost.tokens else "",
        )
        for cost, work in zip(costs, worked, strict=True)
    )
    total = sum(cost.seconds for cost in costs)
    note = (
        f"Not spent decoding or training: {_percent(total - sum(worked), total)} of {total:.0f} s." if total else ""
    )
    if pauses := sum(cost.pauses for cost in costs):
        note += f" Samples that had to wait because the cache was full, and were finished later: {pauses:,}."
    if lost := sum(cost.lost_servers for cost in costs):
        note += f" Servers or workers lost while others continued: {lost}."
    columns = ("stage", "seconds", "spent decoding or training", "tokens drawn", "tokens/s")
    return Table(f"Round {number}: time" if number else "Base: time", columns, rows, note)


def _shares(store: Store, this: Round) -> tuple[tuple[str, ...], ...]:
    shares = store.votes.fetch_shares(this.round_id)
    bins = Counter(min(int(share * SHARE_BINS), SHARE_BINS - 1) for share in shares)
    widest = max(bins.values(), default=1)
    return tuple(
        (
            f"{index / SHARE_BINS:.3f} to {(index + 1) / SHARE_BINS:.3f}",
            str(bins[index]),
            "█" * round(24 * bins[index] / widest),
        )
        for index in range(SHARE_BINS)
    )


def _losses(store: Store, this: Round) -> str:
    training = store.trainings.fetch_latest(this.round_id)
    losses, looks, apart = training.losses, training.held_out, training.held_out_examples
    if not losses:
        return "no training"
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    before = "" if training.held_out_before is None else f"{training.held_out_before:.3f} before, then "
    held_out = f", on held-out examples {before}{looks[0]:.3f}, at best {min(looks):.3f}" if looks else ""
    not_learnt = f"{apart} of them held out; " if apart else ""
    measures = "".join(f"; {line}" for line in measures_in_words(training.measures))
    return f"{not_learnt}{len(losses)} steps, loss {first:.2f} to {last:.2f}{held_out}{measures}"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{spaced(reason)} {count}" for reason, count in counts.items())


def spaced(reason: str | None) -> str:
    """A reason with spaces, such as 'near duplicate'; 'not decided yet' for None."""
    return reason.replace("_", " ") if reason else "not decided yet"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else ""
