"""A round in tables: the yield of each stage, the shares, the scores before and after. On a terminal and as Markdown.

Reads the store; decides nothing. Numbers come with their interval, and words follow numbers.
Example: report = build_report(store, run_id); report.as_markdown()
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescent_lite.errors import StorageError
from crescent_lite.evaluation import Verdict, corrected, in_words, mcnemar, wilson
from crescent_lite.events import STAGES
from crescent_lite.rounds import Standing
from crescent_lite.store import Round, Run, Store
from crescent_lite.store.evaluations import SCORINGS, EvaluationRow

SHARE_BINS = 8


@dataclass(frozen=True)
class Table:
    """A titled table of texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """A sentence under it."""


@dataclass(frozen=True)
class Report:
    """Everything that is said of a run at its end."""

    title: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values: each table's rows as objects."""
        return {
            "title": self.title,
            "lines": list(self.lines),
            "tables": [
                {"title": t.title, "rows": [dict(zip(t.columns, row, strict=True)) for row in t.rows], "note": t.note}
                for t in self.tables
            ],
        }

    def as_markdown(self) -> str:
        """The report as a Markdown document."""
        parts = [f"# {self.title}", *self.lines]
        for table in self.tables:
            rule = "|".join("---" for _ in table.columns)
            rows = [f"| {' | '.join(map(_cell, row))} |" for row in (table.columns, *table.rows)]
            parts.append(f"## {table.title}\n\n{rows[0]}\n|{rule}|\n" + "\n".join(rows[1:]))
            if table.note:
                parts.append(table.note)
        return "\n\n".join(parts) + "\n"


def build_report(store: Store, run_id: int) -> Report:
    """The report of a run, finished or not."""
    run = store.runs.fetch_run(run_id)
    base = store.runs.fetch_model(run.base_id)
    rounds = store.runs.fetch_rounds(run_id)
    state = run.state + (f" ({run.reason})" if run.reason else "")
    lines = [
        f"Base: {base.name}, sha256 {base.sha256[:16]}…",
        f"State: {state}. Started {run.started_at}" + (f", finished {run.finished_at}." if run.finished_at else "."),
    ]
    if run.teacher_id:
        teacher = store.runs.fetch_model(store.runs.fetch_run(run.teacher_id).base_id)
        lines.append(f"A distillation: it learnt from the labels of run {run.teacher_id}, by {teacher.name}.")
    if kept := _kept(store.fetch_standing(run_id)):
        lines.append(kept)
    tables = [_costs(store, run, 0), *(table for this in rounds for table in _round_tables(store, run, this))]
    tables += _scores(store, run)
    return Report(f"Run {run_id}", tuple(lines), tuple(table for table in tables if table.rows))


def _kept(standing: Standing) -> str:
    """Which round is the run's, and why."""
    kept, scores = standing.kept, standing.scores
    if kept is None:
        return ""
    best = "the best of those trained" if len(standing.adapters) > 1 else "the only one trained"
    said = f"Kept: round {kept}, {'chosen by hand' if standing.chosen else best}"
    if kept in scores and 0 in scores:
        said += f"; mean flexible score {scores[kept]:.1%}, the base's {scores[0]:.1%}"
    return f"{said}."


def write_markdown(report: Report, folder: Path, run_id: int) -> Path:
    """Save the report in the workspace's exports. Raises StorageError."""
    path = folder / f"run-{run_id}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(report.as_markdown(), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def _round_tables(store: Store, run: Run, this: Round) -> list[Table]:
    examples = ("examples", store.trainings.count_examples(this.round_id), _losses(store, this))
    if run.teacher_id:
        labels = len(store.votes.fetch_labels(run_id=run.teacher_id))
        outcome = f"outcome: {this.outcome or 'unfinished'}"
        rows = ((f"labels of run {run.teacher_id}", str(labels), outcome), (*map(str, examples),))
        return [Table(f"Round {this.number}: yield", ("stage", "count", ""), rows), _costs(store, run, this.number)]
    verdicts = store.questions.count_verdicts(this.round_id)
    decisions = store.votes.count_decisions(this.round_id)
    asked = sum(verdicts.values())
    kept = sum(n for (verdict, _), n in verdicts.items() if verdict == "kept")
    labels = sum(n for (decision, _), n in decisions.items() if decision == "labelled")
    steps = (
        ("texts and rewrites", asked, f"outcome: {this.outcome or 'unfinished'}{_stopped(this)}"),
        ("kept questions", kept, _reasons(verdicts, "rejected")),
        ("votes", store.votes.count(this.round_id), _saved(store, this)),
        ("labels", labels, _reasons(decisions, "rejected")),
        examples,
    )
    yield_rows = tuple(
        (name, str(count), "" if name == "votes" else _percent(count, asked), why) for name, count, why in steps
    )
    return [
        Table(f"Round {this.number}: yield", ("stage", "count", "of all texts", "why the rest is not"), yield_rows),
        Table(f"Round {this.number}: share of the leading answer", ("share", "questions", ""), _shares(store, this)),
        _costs(store, run, this.number),
    ]


def _stopped(this: Round) -> str:
    return f"; asking was stopped: {this.asking_stopped}" if this.asking_stopped else ""


def _saved(store: Store, this: Round) -> str:
    """The votes that were not needed, by the reason why their questions got no more."""
    saved = store.votes.fetch_saved(this.round_id)
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in saved.items())
    return f"{sum(saved.values()):,} planned ones not needed: {reasons}" if saved else ""


def _costs(store: Store, run: Run, number: int) -> Table:
    """Where the time went. Of the training stage only the optimiser's own time counts as work."""
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
    note = f"Neither decoding nor training: {_percent(total - sum(worked), total)} of {total:.0f} s." if total else ""
    if pauses := sum(cost.pauses for cost in costs):
        note += f" The cache was full: {pauses:,} times a sample had to wait, and was finished later."
    if lost := sum(cost.lost_servers for cost in costs):
        note += f" Lost on the way, and done without: {lost} server(s)."
    columns = ("stage", "seconds", "of them decoding or training", "tokens drawn", "tokens/s")
    return Table(f"Round {number}: time" if number else "Base: time", columns, rows, note)


def _scores(store: Store, run: Run) -> list[Table]:
    """Each evaluation with its interval, and each round against the base on the same items.

    A distilled student stands beside what it became in runs of its own.
    """
    own = store.evaluations.fetch_evaluations(run.run_id)
    bases = {(e.benchmark, e.prompt): e for e in own if e.round_number == 0}
    named = [(f"round {e.round_number}" if e.round_number else "base", e) for e in own]
    for other in store.runs.fetch_siblings(run.run_id) if run.teacher_id else ():
        of_other = store.evaluations.fetch_evaluations(other)
        named += [(_other_round(store, other, e.round_number), e) for e in of_other if e.round_number]
    rows: list[tuple[str, ...]] = []
    for scoring in SCORINGS:
        right = {e.evaluation_id: store.evaluations.fetch_right(e.evaluation_id, scoring) for _, e in named}
        for key, base in bases.items():
            same = [(name, e) for name, e in named if (e.benchmark, e.prompt) == key and right[e.evaluation_id]]
            if not right[base.evaluation_id]:  # nobody has a second opinion on choices
                continue
            later = [(name, e) for name, e in same if e.round_number]
            verdicts = corrected([mcnemar(right[base.evaluation_id], right[e.evaluation_id]) for _, e in later])
            rows.append(_score_row(base, scoring, "base", right[base.evaluation_id], None))
            rows += [
                _score_row(e, scoring, name, right[e.evaluation_id], verdict)
                for (name, e), verdict in zip(later, verdicts, strict=True)
            ]
    if not rows:
        return []
    columns = ("benchmark", "prompt", "scoring", "model", "right", "score", "95% interval", "against the base", "p")
    note = (
        "Intervals: Wilson; of a difference, a paired bootstrap. p: exact McNemar, two-sided, on the same items. "
        "Where several rounds stand against one base, both are corrected for that (Holm)."
    )
    differing, judged = store.evaluations.fetch_disagreements(run.run_id)
    if judged:
        note += f" math-verify, a second opinion on {judged:,} replies, judges {differing:,} differently (flexible)."
    return [Table("Scores", columns, tuple(rows), note)]


def _other_round(store: Store, run_id: int, number: int) -> str:
    teacher_id = store.runs.fetch_run(run_id).teacher_id
    taught = f"taught by run {teacher_id}" if teacher_id else "taught by itself"
    examples = store.trainings.count_examples(store.runs.fetch_round(run_id, number).round_id)
    return f"run {run_id}, round {number}: {taught}, {examples} examples"


def _score_row(
    this: EvaluationRow, scoring: str, model: str, right: dict[str, bool], verdict: Verdict | None
) -> tuple[str, ...]:
    score = wilson(sum(right.values()), len(right))
    cells = (
        this.benchmark,
        this.prompt,
        scoring,
        model,
        f"{score.right}/{score.items}",
        f"{score.fraction:.1%}",
        f"{score.low:.1%} to {score.high:.1%}",
    )
    if verdict is None:
        return (*cells, "", "")
    difference = f"{verdict.comparison.difference:+.1%} ({verdict.low:+.1%} to {verdict.high:+.1%})"
    return (*cells, f"{difference}, {in_words(verdict)}", f"{verdict.p_corrected:.2g}")


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
    held_out = f", of the held-out examples {looks[0]:.2f}, at best {min(looks):.2f}" if looks else ""
    not_learnt = f"{apart} of them held out; " if apart else ""
    return f"{not_learnt}{len(losses)} steps, loss {first:.2f} to {last:.2f}{held_out}"


def _reasons(counts: dict[tuple[str | None, str | None], int] | dict[tuple[str, str], int], which: str) -> str:
    return ", ".join(f"{reason} {count}" for (kind, reason), count in counts.items() if kind == which)


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
