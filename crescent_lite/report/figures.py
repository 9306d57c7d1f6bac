"""The figures of a run: this module counts what is drawn, and says why a figure is left out.

Reads the store; `plots` and `flow` draw. If there are many rounds, only some are drawn: the first, the kept, the
last, and others spread evenly between them. Example:
    shown_rounds([1, ..., 40], kept=7, most=6) -> [1, 7, 9, 17, 28, 40]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean

from crescent_lite.evaluation.sampled_scores import majority_right
from crescent_lite.intervals import wilson
from crescent_lite.records import SampledReply, short_name
from crescent_lite.report import flow, plots
from crescent_lite.report.alarms import standing_of
from crescent_lite.report.content import Figure
from crescent_lite.report.scores import Scored
from crescent_lite.report.yields import flow_steps
from crescent_lite.store import Round, Run, Store
from crescent_lite.store.evaluations import EvaluationRow

MOST_PANELS = 9
"""Most panels of one figure."""
MOST_ROUNDS = 6
"""Most rounds that get a panel or a figure of their own."""
MOST_SCORES = 60
"""Most rounds on one axis."""
MOST_POINTS = 400
"""Most points of a curve; if there are more, neighbours are averaged."""
SHARE_BINS = 8
"""Bins of a histogram of shares, from 0 to 1."""


def shown_rounds(numbers: Sequence[int], kept: int | None, most: int = MOST_ROUNDS) -> list[int]:
    """At most `most` of the rounds, in order: the first, the last, the kept one, and others evenly between."""
    if len(numbers) <= most:
        return list(numbers)
    chosen = {numbers[0], numbers[-1]} | ({kept} & set(numbers) if kept is not None else set())
    for index in range(1, most):
        if len(chosen) < most:
            chosen.add(numbers[index * (len(numbers) - 1) // most])
    return sorted(chosen)


def scores_figure(scored: Sequence[Scored], kept: int | None) -> Figure:
    """The figure of right answers after each round."""
    own: dict[tuple[str, str], dict[int, dict[str, Scored]]] = {}
    for one in scored:
        if one.own:
            of_key = own.setdefault((one.evaluation.benchmark, one.evaluation.prompt), {})
            of_key.setdefault(one.evaluation.round_number, {})[one.scoring] = one
    panels = []
    for (benchmark, prompt), rounds in own.items():
        numbers = shown_rounds(sorted(rounds), kept, MOST_SCORES)
        flexible, strict = (tuple(rounds[n][s].score for n in numbers) for s in ("flexible", "strict"))
        panels.append(plots.ScorePanel(f"{benchmark}, {short_name(prompt)}", tuple(numbers), flexible, strict))
    words = (
        "Fraction of right answers of the base and after each round. Bars are 95% intervals (Wilson): models whose "
        "bars overlap may be equally good; the table of scores tests that item by item. The dashed line is the base."
    )
    return _figure(
        "scores", "Right answers after each round", words + _left_out(len(panels), MOST_PANELS, "panels"),
        "no evaluation is finished" if not panels else "",
        lambda: plots.draw_scores(panels[:MOST_PANELS], kept),
    )  # fmt: skip


def shares_figure(store: Store, run: Run, rounds: Sequence[Round], kept: int | None) -> Figure:
    """The figure of how many questions had how large a share of the leading answer, round by round."""
    panels = []
    for this in _some(rounds, kept):
        bins = {True: Counter[int](), False: Counter[int]()}
        for (share, is_label), count in store.votes.count_shares(this.round_id).items():
            bins[is_label][min(int(share * SHARE_BINS), SHARE_BINS - 1)] += count
        labelled, rest = (tuple(bins[side][index] for index in range(SHARE_BINS)) for side in (True, False))
        if sum(labelled) + sum(rest):
            panels.append(plots.SharePanel(f"round {this.number}", labelled, rest))
    policy = run.config.get("vote", {}).get("policy")
    floor = run.config.get("vote", {}).get("min_share") if policy in ("majority", "band") else None
    words = (
        "Each question is answered several times; its share is the fraction of these votes that agree on the leading "
        "answer. The further to the right a question is, the more the model agrees with itself."
    )
    return _figure(
        "shares", "How sure the votes were", words + _left_out(len(rounds), MOST_ROUNDS, "rounds"),
        _no_votes(run) if not panels else "", lambda: plots.draw_shares(panels, floor),
    )  # fmt: skip


def calibration_figure(store: Store, run: Run, rounds: Sequence[Round], kept: int | None) -> Figure:
    """The figure of how often the majority is right, by its share, where the right answer is known.

    That is on benchmarks that were sampled, and on the model's own questions that are calculations.
    """
    rows = [e for e in store.evaluations.fetch_evaluations(run.run_id) if e.samples > 1]
    wanted = [e for e in rows if e.round_number in (0, kept)]
    panels = [panel for this in _some(rounds, kept) if (panel := _calibrated_votes(store, this))]
    panels += [panel for e in wanted if (panel := _calibration(store, e))]
    words = (
        "Each item was answered several times, in the way that votes are drawn. A point shows how often "
        "the leading answer was right when it had that share; below the dashed line it is right less often than its "
        "share suggests. In a tie, the answer drawn first counts as the leading one. As the right answers are known "
        "here, the figure shows how far a majority can be trusted as a label."
    )
    return _figure(
        "calibration", "Is a majority right?", words + _left_out(len(panels), MOST_PANELS, "panels"),
        "no question has a result that can be computed, and no benchmark was answered several times (`samples` of a "
        "benchmark sets that)" if not panels else "",
        lambda: plots.draw_calibration(panels[:MOST_PANELS]),
    )  # fmt: skip


def loss_figure(store: Store, rounds: Sequence[Round], kept: int | None) -> Figure:
    """The figure of the training loss, round by round."""
    curves = []
    for this in _some(rounds, kept):
        if curve := store.trainings.fetch_curve(this.round_id):
            before = store.trainings.fetch_latest(this.round_id).held_out_before
            looks = [(0, before), *((step, loss) for step, _, loss in curve)]
            held_out = tuple((step, loss) for step, loss in looks if loss is not None)
            steps, losses = thinned([(step, loss) for step, loss, _ in curve])
            curves.append(plots.Curve(f"round {this.number} ({len(curve):,} steps)", steps, losses, held_out))
    words = (
        "The loss says how badly the model predicts the solutions that it is trained on, step by step; it should "
        "fall. Held-out examples are not trained on: if their loss rises, or never falls below its value before "
        "the first step, the model only memorises the other examples."
    )
    return _figure(
        "loss", "Training loss", words + _left_out(len(rounds), MOST_ROUNDS, "rounds"),
        "nothing was trained" if not curves else "", lambda: plots.draw_losses(curves),
    )  # fmt: skip


def looks_figure(store: Store, rounds: Sequence[Round], kept: int | None) -> Figure:
    """The figure of the greedy replies to held-out questions during each training."""
    panels = []
    for this in _some(rounds, kept):
        if looks := store.trainings.fetch_looks(this.round_id):
            agreement = tuple(wilson(round(look.agreement * look.replies), look.replies) for look in looks)
            steps, cut_off = tuple(look.step for look in looks), tuple(look.cut_off for look in looks)
            panels.append(plots.LooksPanel(f"round {this.number}", steps, agreement, cut_off))
    words = (
        "During a training the model replies greedily to own questions that are not trained on. How often it agrees "
        "with the votes that were cast before is a score without any right answers: settings may be compared by it. "
        "A wrong majority goes unnoticed."
    )
    return _figure(
        "looks", "Replies during the training", words + _left_out(len(rounds), MOST_ROUNDS, "rounds"),
        "no replies were drawn (`train.look_replies`, with 50 labels or more)" if not panels else "",
        lambda: plots.draw_looks(panels),
    )  # fmt: skip


def alarms_figure(store: Store, run: Run) -> Figure:
    """The figure of every alarm after every round."""
    found = store.measures.fetch_alarms(run.run_id)
    found = {number: alarms for number, alarms in found.items() if alarms}
    names = list(dict.fromkeys(alarm.name for alarms in found.values() for alarm in alarms))
    standing = {(a.name, number): standing_of(a) for number, alarms in found.items() for a in alarms}
    return _figure(
        "alarms", "Alarms after each round", "Each alarm looks for one thing that can go wrong when a model teaches "
        "itself.",
        "no round has been judged" if not names else "",
        lambda: plots.draw_alarms(names, sorted(found), standing),
    )  # fmt: skip


def lengths_figure(store: Store, run: Run) -> Figure:
    """The figure of the length of replies, round by round."""
    measures = store.measures.fetch_measures(run.run_id)
    panels = []
    for name, title in (("votes", "votes"), ("evaluated", "replies to the benchmarks")):
        rows = [
            (number, *(found[f"{name}_tokens_p{percent}"] for percent in (10, 50, 90)))
            for number, found in sorted(measures.items())
            if f"{name}_tokens_p50" in found
        ]
        if rows:
            numbers, *lengths = zip(*rows, strict=True)
            panels.append(plots.LengthPanel(title, numbers, *lengths))
    words = (
        "A model that teaches itself may write more and more, or less and less. The votes of a round are drawn from "
        "the model of the round before, the replies to benchmarks from the round's own model."
    )
    return _figure(
        "lengths", "Length of the replies", words, "no round has been measured" if not panels else "",
        lambda: plots.draw_lengths(panels),
    )  # fmt: skip


def flow_figures(store: Store, run: Run, rounds: Sequence[Round], kept: int | None) -> list[Figure]:
    """A figure for each round of how many texts went on from each step to the next."""
    if run.teacher_id:
        missing = "this run asked no questions itself, but used the labels of another run"
        return [_figure("flow", "What became of the texts", "", missing)]
    if not rounds:
        return [_figure("flow", "What became of the texts", "", "no round has begun")]
    figures = []
    texts = " A rewritten question counts as another text."
    if store.questions.count_external(run.run_id):
        texts = f" The texts are questions from {run.questions_from}; the model asked none."
    for this in _some(rounds, kept):
        title, steps = f"Round {this.number}: what became of the texts", flow_steps(store, this)
        words = f"{this.outcome[0].upper()}{this.outcome[1:]}." if this.outcome else "The round is unfinished."
        words += texts
        figures.append(
            _figure(
                f"flow-{this.number}", title, words, "" if steps[0].count else "the round has asked no questions yet",
                partial(flow.draw_flow, f"flow-{this.number}", title, steps),
            )
        )  # fmt: skip
    if omitted := _left_out(len(rounds), MOST_ROUNDS, "rounds"):
        figures.append(_figure("flow", "The other rounds", "", omitted.strip(" .") + "; all are in the tables"))
    return figures


def thinned(points: Sequence[tuple[int, float]]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The (step, loss) points of a curve as two tuples, at most MOST_POINTS long: neighbours are averaged."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return tuple(group[-1][0] for group in groups), tuple(fmean(loss for _, loss in group) for group in groups)


def _calibrated_votes(store: Store, this: Round) -> plots.CalibrationPanel | None:
    """The votes on a round's own questions whose right answer is known; None without such questions."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for each in store.fetch_truths(this.run_id, this.number):
        if each.truth is not None:
            place = min(int(each.share * SHARE_BINS), SHARE_BINS - 1)
            bins.setdefault(place, []).append((each.share, each.is_right))
    return _panel(f"own questions, round {this.number}", bins)


def _calibration(store: Store, e: EvaluationRow) -> plots.CalibrationPanel | None:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for samples in store.evaluations.fetch_samples(e.evaluation_id).values():
        share = leading_share(samples)
        place = round(share * e.samples) if e.samples <= SHARE_BINS else min(int(share * SHARE_BINS), SHARE_BINS - 1)
        bins.setdefault(place, []).append((share, majority_right(samples)))
    model = f"round {e.round_number}" if e.round_number else "base"
    return _panel(f"{e.benchmark}, {model}, {e.samples} samples", bins)


def _panel(title: str, bins: Mapping[int, Sequence[tuple[float, bool]]]) -> plots.CalibrationPanel | None:
    """The panel of (share of the leader, whether it is right) pairs in bins; None without any."""
    if not bins:
        return None
    ordered = [bins[place] for place in sorted(bins)]
    return plots.CalibrationPanel(
        title,
        tuple(fmean(share for share, _ in each) for each in ordered),
        tuple(wilson(sum(right for _, right in each), len(each)) for each in ordered),
    )


def leading_share(samples: Sequence[SampledReply]) -> float:
    """Fraction of all samples that agree on the commonest answer, 0-1; 0 if no sample has an answer."""
    counts = Counter(sample.answer_key for sample in samples if sample.answer_key is not None)
    return max(counts.values(), default=0) / len(samples)


def _some(rounds: Sequence[Round], kept: int | None) -> list[Round]:
    shown = shown_rounds([this.number for this in rounds], kept)
    return [this for this in rounds if this.number in shown]


def _figure(name: str, title: str, words: str, missing: str, draw: Callable[[], str] = str) -> Figure:
    """The figure as `draw` makes it, or left out with the reason `missing`."""
    if missing:
        return Figure(name, title, f"Left out: {missing}.")
    return Figure(name, title, words, draw())


def _left_out(there: int, most: int, of_what: str) -> str:
    return f" {most} of {there} {of_what} are shown." if there > most else ""


def _no_votes(run: Run) -> str:
    return "this run drew no votes itself" if run.teacher_id else "the votes of no question are complete yet"
