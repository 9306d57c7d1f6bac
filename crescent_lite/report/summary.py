"""What happened in a run, in plain sentences, none of which claims more than its number does.

Reads the store. Example: headline(run, standing, scored) -> "Round 1 improved on the base in 2 of 2 measurements."
"""

from __future__ import annotations

from collections.abc import Sequence

from crescent_lite.evaluation import in_words
from crescent_lite.report.alarms import fired_in_words
from crescent_lite.report.scores import Scored, in_a_line
from crescent_lite.report.tables import kept_in_words
from crescent_lite.rounds import Standing
from crescent_lite.store import Run, Store

MOST_LINES = 12
"""Measurements that get a line of their own."""
ROLES = {
    "final": "; measured only at the end, so it played no part in choosing the round",
    "score": "",
    "general": "; a benchmark of other abilities",
    "canary": "; used for alarms only",
    "agreement": "; own questions, compared with the base's votes",
}
"""What is said of a benchmark's role; the benchmarks' lines are in this order."""


def headline(run: Run, standing: Standing, scored: Sequence[Scored]) -> str:
    """The result of the run in one sentence."""
    if run.state != "finished" and not scored_of(scored, standing.kept, "flexible"):
        return "The run is not finished, and there is no result yet."
    unfinished = "" if run.state == "finished" else " This is the result so far; the run is not finished."
    if standing.kept is None and not any(one.verdict for one in scored):
        what = "Only the base was measured" if scored else "Nothing was measured"
        return f"{what}: no round trained anything.{unfinished}"
    if standing.kept is None:
        whom, number = "The adapter", 1
    else:
        whom, number = f"Round {standing.kept}", standing.kept
    of_kept = scored_of(scored, number, "flexible")
    if not of_kept:
        return f"{whom} was not measured against the base.{unfinished}"
    return f"{_outcome(whom, of_kept)}.{unfinished}"


def _outcome(whom: str, of_kept: Sequence[Scored]) -> str:
    """The result of a round, by the benchmarks that played no part in choosing it, or by others if there are none."""
    roles = {one.evaluation.role for one in of_kept}
    role = next(role for role in ("final", "score", "canary", "general") if role in roles)
    better, worse, count = _counts([one for one in of_kept if one.evaluation.role == role])

    def of_all(number: int) -> str:
        return f"in {number} of {count} measurements" if count > 1 else "in its one measurement"

    if better and worse:
        words = f"{whom} improved on the base {of_all(better)}, and got worse in {worse}"
    elif better:
        words = f"{whom} improved on the base {of_all(better)}"
    elif worse:
        words = f"{whom} got worse than the base {of_all(worse)}, and improved in none"
    else:
        words = f"No difference between {whom[0].lower()}{whom[1:]} and the base was shown in {count} measurement"
        words += "s" if count > 1 else ""
    if role != "general" and "general" in roles:
        better, worse, count = _counts([one for one in of_kept if one.evaluation.role == "general"])
        measurements = f"{count} measurement{'s' if count > 1 else ''}"
        words += f"; on other abilities, it got worse {of_all(worse)}" if worse else ""
        words += "" if worse else f"; on other abilities, no loss was shown in {measurements}"
    return words


def _counts(scored: Sequence[Scored]) -> tuple[int, int, int]:
    """How many comparisons improved, how many got worse, and how many there are."""
    said = [in_words(one.verdict) for one in scored if one.verdict]
    return (
        sum(words.startswith("improved") for words in said),
        sum(words.startswith("got worse") for words in said),
        len(said),
    )


def summary(store: Store, run: Run, standing: Standing, scored: Sequence[Scored]) -> list[str]:
    """The summary: what was done, what it brought, which round is kept, how the run ended, and a word of caution."""
    lines = [_done(store, run)]
    lines += [f"{found.words}." for found in store.fetch_in_thoughts(run.run_id)]
    lines += _measured(standing, scored)
    if kept := kept_in_words(standing):
        chosen = len(standing.adapters) > 1 and standing.chosen is None
        bias = (
            " No gold answer took part in this choice."
            if standing.by_agreement
            else " The benchmarks that chose it are a development set: the best of several rounds looks slightly "
            "better on them than it is, as the choice favours a lucky round."
        )
        lines.append(kept + (bias if chosen else ""))
    elif run.state == "finished" and store.runs.fetch_rounds(run.run_id):
        lines.append("No round is kept: none trained an adapter.")
    lines.append(_ended(store, run))
    if fired := fired_in_words(store, run):
        lines.append(fired)
    lines.append(
        "A label is the answer that enough of the model's own votes agreed on; nobody checked that it is right. Only "
        "the benchmarks above were measured: in everything else, the model may have become better or worse."
    )
    return lines


def scored_of(scored: Sequence[Scored], number: int | None, scoring: str) -> list[Scored]:
    """The run's own scores of a round, by one scoring, that were compared with the base."""
    return [
        one
        for one in scored
        if one.own and one.verdict and one.evaluation.round_number == number and one.scoring == scoring
    ]


def _done(store: Store, run: Run) -> str:
    base = store.runs.fetch_base(run).name
    rounds = store.runs.fetch_rounds(run.run_id)
    counts = [store.fetch_round_counts(this.round_id) for this in rounds]
    examples = sum(each.examples for each in counts)
    if run.control:
        return f"Control '{run.control}' of run {run.control_of}: {base} without one part of the method."
    if run.teacher_id:
        teacher = store.runs.fetch_base(store.runs.fetch_run(run.teacher_id)).name
        if not examples:
            return f"{base} has not been trained yet on the labels that {teacher} made in run {run.teacher_id}."
        return f"{base} was fine-tuned on {examples:,} examples that {teacher} labelled in run {run.teacher_id}."
    texts = sum(each.texts for each in counts)
    if not texts:
        return f"{base} was measured; it was not asked for questions."
    kept, labels = sum(each.kept for each in counts), sum(each.labels for each in counts)
    votes = sum(each.votes for each in counts)
    voted = (
        f"It answered them {votes:,} times in total; for {labels:,} of them, enough answers agreed to give a label."
    )
    voted = voted if votes else "None of them has a vote yet."
    many = "one round" if len(rounds) == 1 else f"{len(rounds)} rounds"
    learnt = f"It was fine-tuned on {examples:,} examples" if examples else "It was not fine-tuned"
    repeats = " (those replayed from earlier rounds count again)" if examples and len(rounds) > 1 else ""
    begins = f"In {many}, {base} wrote {texts:,} texts when asked for maths questions; {kept:,} were usable and new."
    if store.questions.count_external(run.run_id):
        given = f"{texts:,} questions from {run.questions_from}"
        begins = f"In {many}, {base} was given {given} and wrote none; {kept:,} were new."
    return f"{begins} {voted} {learnt}{repeats}."


def _measured(standing: Standing, scored: Sequence[Scored]) -> list[str]:
    number = standing.kept if standing.kept is not None else 1
    bases = {(o.evaluation.benchmark, o.evaluation.prompt, o.scoring): o for o in scored if o.verdict is None}
    lines = []
    order = list(ROLES)
    for one in sorted(scored_of(scored, number, "flexible"), key=lambda one: order.index(one.evaluation.role)):
        key = one.evaluation.benchmark, one.evaluation.prompt
        line = in_a_line(one, bases[(*key, "flexible")]) + ROLES[one.evaluation.role]
        for strict in scored_of(scored, number, "strict"):
            if (strict.evaluation.benchmark, strict.evaluation.prompt) == key and strict.verdict:
                before = bases[(*key, "strict")].score.fraction
                scores = f"from {before:.1%} to {strict.score.fraction:.1%}"
                line += f". In marked places only: {scores}; {in_words(strict.verdict)}"
        lines.append(f"{line}.")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"{len(lines) - MOST_LINES} more measurements are in the table of scores."]
    whom = "The adapter" if standing.kept is None else f"Round {number}"
    return [f"{whom} compared with the base: {line}" for line in lines[:1]] + lines[1:]


def _ended(store: Store, run: Run) -> str:
    rounds = store.runs.fetch_rounds(run.run_id)
    done = sum(this.finished_at is not None for this in rounds)
    if run.state == "finished" and not rounds:
        return "The run only measured, without training, and ended as planned."
    if run.state == "finished":
        if run.reason:
            return f"The run ended after {done} of {run.rounds} planned rounds: {run.reason}."
        return f"The run ended as planned, after {done} round{'' if done == 1 else 's'}."
    if run.state == "running":
        return f"The run is still in progress, or was killed; {done} of {run.rounds} rounds are done."
    ended = "was stopped" if run.state == "stopped" else "failed"
    why = f": {run.reason}" if run.reason else ""
    return f"The run {ended} with {done} of {run.rounds} rounds done{why}."
