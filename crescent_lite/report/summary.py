"""What happened in a run, in plain sentences, none of which claims more than its number does.

Only the primary number decides what the headline says. Reads the store. Example:
    headline(run, standing, scored, primary, {}) -> "Round 1 improved on the base: from 36.0% to 46.0% (svamp, ...)."
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crescent_lite.evaluation import in_words, word_of
from crescent_lite.evaluation.verdict import SampledVerdict
from crescent_lite.report.alarms import fired_in_words
from crescent_lite.report.primary import Primary, primary_number
from crescent_lite.report.scores import Scored, in_a_line
from crescent_lite.report.tables import kept_in_words
from crescent_lite.round_facts import LabelTruth
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


def headline(
    run: Run,
    standing: Standing,
    scored: Sequence[Scored],
    primary: Primary | None,
    sampled: Mapping[int, SampledVerdict],
    truth: LabelTruth | None = None,
) -> str:
    """The result of the run in a few sentences, by its primary number and the samples of the same items.

    A gain is never told without what is known of the labels that it was learnt from.
    """
    number = 1 if standing.kept is None else standing.kept
    is_measured = primary is not None and number in primary.verdicts
    if run.state != "finished" and not is_measured:
        return "The run is not finished, and there is no result yet."
    unfinished = "" if run.state == "finished" else " This is the result so far; the run is not finished."
    if standing.kept is None and not any(one.verdict for one in scored):
        what = "Only the base was measured" if scored else "Nothing was measured"
        return f"{what}: no round trained anything.{unfinished}"
    whom = "The adapter" if standing.kept is None else f"Round {standing.kept}"
    if primary is None or not is_measured:
        return f"{whom} was not measured against the base.{unfinished}"
    said = f"{_outcome(whom, primary, number)}{_other_abilities(primary, scored_of(scored, number, 'flexible'))}."
    if number in sampled:
        said += f" Of several samples of each item: {sampled[number].in_words()}."
    if primary.word(number) in ("improved", "shorter") and standing.kept is not None:
        said += f" Of what it learnt: {truth.words}." if truth else " Nobody checked the labels that it learnt from."
    return f"{said}{unfinished}"


def _outcome(whom: str, primary: Primary, number: int) -> str:
    """The verdict on a round by the primary number."""
    begins = {
        "improved": f"{whom} improved on the base",
        "got worse": f"{whom} got worse than the base",
        "shorter": f"{whom} is shorter, not shown to be better than the base: fewer of its replies are cut off",
        "no difference shown": f"No difference between {whom[0].lower()}{whom[1:]} and the base was shown",
        None: "",
    }
    return f"{begins[primary.word(number)]}: {primary.in_a_line(number)}"


def _other_abilities(primary: Primary, of_round: Sequence[Scored]) -> str:
    """Whether the benchmarks of other abilities got worse; empty without any, or if they are the primary number."""
    verdicts = [one.verdict for one in of_round if one.evaluation.role == "general" and one.verdict]
    if not verdicts or primary.role == "general":
        return ""
    worse, count = sum(word_of(verdict) == "got worse" for verdict in verdicts), len(verdicts)
    measurements = f"{count} measurement{'s' if count > 1 else ''}"
    if worse:
        return f". On other abilities, it got worse in {worse} of {measurements}"
    return f". On other abilities, no loss was shown in {measurements}"


def summary(store: Store, run: Run, standing: Standing, scored: Sequence[Scored]) -> list[str]:
    """The summary: what was done, what it brought, which round is kept, how the run ended, and a word of caution."""
    lines = [_done(store, run)]
    lines += [f"{found.words}." for found in store.fetch_in_thoughts(run.run_id)]
    lines += _measured(standing, scored)
    if kept := kept_in_words(standing, primary_number(store, run)):
        lines.append(kept + _development_set(standing, scored))
    elif run.state == "finished" and store.runs.fetch_rounds(run.run_id):
        lines.append("No round is kept: none trained an adapter.")
    lines.append(_ended(store, run))
    if fired := fired_in_words(store, run):
        lines.append(fired)
    truth = store.fetch_label_truth(run.teacher_id or run.run_id)
    checked = "nobody checked that it is right"
    if truth:
        checked = truth.words if truth.given or truth.unreadable else f"computing the results gives {truth.words}"
    lines.append(
        f"A label is the answer that enough of the model's own votes agreed on; {checked}. Only "
        "the benchmarks above were measured: in everything else, the model may have become better or worse."
    )
    return lines


def _development_set(standing: Standing, scored: Sequence[Scored]) -> str:
    """That the benchmarks which chose the round are no test of it; empty unless several rounds were compared."""
    measured = [number for number in standing.adapters if number in standing.scores]
    if len(measured) < 2 or standing.chosen is not None:
        return ""
    if standing.by_agreement:
        return " No gold answer took part in this choice."
    roles = {one.evaluation.role for one in scored}
    role = "score" if "score" in roles else "canary"
    names = list(dict.fromkeys(one.evaluation.benchmark for one in scored if one.evaluation.role == role))
    named = " and ".join(names)
    said = (
        f" It was chosen among {len(measured)} rounds by {named}, which makes {named} a development set: the chosen "
        "round looks slightly better there than it is."
    )
    return said + ("" if "final" in roles else " A benchmark with the role 'final' would be an independent test.")


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
