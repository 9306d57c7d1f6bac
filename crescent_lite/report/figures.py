"""The figures of a run: what is to be drawn is counted here, and what is left out gets the reason.

Reads the store; `plots` and `flow` draw. Of many rounds some are drawn: the first, the kept, the last, and others
evenly between. Example: shown_rounds([1, ..., 40], kept=7, most=6) -> [1, 7, 9, 17, 28, 40]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
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
MOST_ROUNDS = 6
MOST_SCORES = 60
"""Rounds on one axis."""
MOST_POINTS = 400
"""Of a curve; more are averaged in groups."""
SHARE_BINS = 8


def shown_rounds(numbers: Sequence[int], kept: int | None, most: int = MOST_ROUNDS) -> list[int]:
    """At most so many of the rounds, in order."""
    if len(numbers) <= most:
        return list(numbers)
    chosen = {numbers[0], numbers[-1]} | ({kept} & set(numbers) if kept is not None else set())
    for index in range(1, most):
        if len(chosen) < most:
            chosen.add(numbers[index * (len(numbers) - 1) // most])
    return sorted(chosen)


def scores_figure(scored: Sequence[Scored], kept: int | None) -> Figure:
    """Right answers after each round."""
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
        "Share of right answers of the base and after each round. Bars are 95% intervals (Wilson): models whose bars "
        "overlap may be alike, which the table of scores tests item by item. The dashed line is the base."
    )
    return _figure(
        "scores", "Right answers after each round", words + _left_out(len(panels), MOST_PANELS, "panels"),
        "no evaluation is finished" if not panels else "",
        lambda: plots.draw_scores(panels[:MOST_PANELS], kept),
    )  # fmt: skip


def shares_figure(store: Store, run: Run, rounds: Sequence[Round], kept: int | None) -> Figure:
    """How sure the votes of each round were."""
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
        "Each question is answered several times; its share is how many of these votes agree on the leading answer. "
        "Questions to the right are those on which the model agrees with itself."
    )
    return _figure(
        "shares", "How sure the votes were", words + _left_out(len(rounds), MOST_ROUNDS, "rounds"),
        _no_votes(run) if not panels else "", lambda: plots.draw_shares(panels, floor),
    )  # fmt: skip


def calibration_figure(store: Store, run: Run, kept: int | None) -> Figure:
    """Where the right answers are known: how often the leading one is right."""
    rows = [e for e in store.evaluations.fetch_evaluations(run.run_id) if e.samples > 1]
    wanted = [e for e in rows if e.round_number in (0, kept)]
    panels = [panel for e in wanted if (panel := _calibration(store, e))]
    words = (
        "Each item of a benchmark was answered several times, as votes are. A point says how often the leading "
        "answer was right where it had that share; below the dashed line the model is surer than it is right. "
        "Where the answers are known this tells how far a majority can be trusted as a label."
    )
    return _figure(
        "calibration", "Is a majority right?", words + _left_out(len(panels), MOST_PANELS, "panels"),
        "no benchmark was answered several times (`samples` of a benchmark sets that)" if not panels else "",
        lambda: plots.draw_calibration(panels[:MOST_PANELS]),
    )  # fmt: skip


def loss_figure(store: Store, rounds: Sequence[Round], kept: int | None) -> Figure:
    """The trainings."""
    curves = []
    for this in _some(rounds, kept):
        if curve := store.trainings.fetch_curve(this.round_id):
            before = store.trainings.fetch_latest(this.round_id).held_out_before
            looks = [(0, before), *((step, loss) for step, _, loss in curve)]
            held_out = tuple((step, loss) for step, loss in looks if loss is not None)
            steps, losses = thinned([(step, loss) for step, loss, _ in curve])
            curves.append(plots.Curve(f"round {this.number} ({len(curve):,} steps)", steps, losses, held_out))
    words = (
        "How badly the model predicts the solutions it learns from, step by step; it should fall. Held-out examples "
        "are not learnt from: when their loss rises, or is never lower than before the first step, the model only "
        "learns the others by heart."
    )
    return _figure(
        "loss", "Loss of the trainings", words + _left_out(len(rounds), MOST_ROUNDS, "rounds"),
        "nothing was trained" if not curves else "", lambda: plots.draw_losses(curves),
    )  # fmt: skip


def alarms_figure(store: Store, run: Run) -> Figure:
    """Every alarm after every round."""
    found = store.measures.fetch_alarms(run.run_id)
    found = {number: alarms for number, alarms in found.items() if alarms}
    names = list(dict.fromkeys(alarm.name for alarms in found.values() for alarm in alarms))
    standing = {(a.name, number): standing_of(a) for number, alarms in found.items() for a in alarms}
    return _figure(
        "alarms", "Alarms after each round", "Ten things that go wrong when a model teaches itself are looked for.",
        "no round has been judged" if not names else "",
        lambda: plots.draw_alarms(names, sorted(found), standing),
    )  # fmt: skip


def lengths_figure(store: Store, run: Run) -> Figure:
    """How long replies are, round after round."""
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
        "A model that teaches itself may come to write ever more, or ever less. Votes of a round are by the model of "
        "the round before, replies to the benchmarks by the round's own."
    )
    return _figure(
        "lengths", "Length of the replies", words, "no round has been measured" if not panels else "",
        lambda: plots.draw_lengths(panels),
    )  # fmt: skip


def flow_figures(store: Store, run: Run, rounds: Sequence[Round], kept: int | None) -> list[Figure]:
    """What became of the texts, a figure for each round."""
    if run.teacher_id:
        return [_figure("flow", "What became of the texts", "", "this run asked nothing and voted on nothing itself")]
    if not rounds:
        return [_figure("flow", "What became of the texts", "", "no round has begun")]
    figures = []
    texts = " A question that is asked again in other words counts as another text."
    if store.questions.count_external(run.run_id):
        texts = " The texts are the user's own questions; the model asked none."
    for this in _some(rounds, kept):
        title, steps = f"Round {this.number}: what became of the texts", flow_steps(store, this)
        words = f"{this.outcome[0].upper()}{this.outcome[1:]}." if this.outcome else "The round is unfinished."
        words += texts
        figures.append(
            _figure(
                f"flow-{this.number}", title, words, "" if steps[0].count else "the round has asked nothing",
                partial(flow.draw_flow, f"flow-{this.number}", title, steps),
            )
        )  # fmt: skip
    if omitted := _left_out(len(rounds), MOST_ROUNDS, "rounds"):
        figures.append(_figure("flow", "The other rounds", "", omitted.strip(" .") + "; all are in the tables"))
    return figures


def thinned(points: Sequence[tuple[int, float]]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """At most MOST_POINTS of a curve: neighbours are averaged."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return tuple(group[-1][0] for group in groups), tuple(fmean(loss for _, loss in group) for group in groups)


def _calibration(store: Store, e: EvaluationRow) -> plots.CalibrationPanel | None:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for samples in store.evaluations.fetch_samples(e.evaluation_id).values():
        share = leading_share(samples)
        place = round(share * e.samples) if e.samples <= SHARE_BINS else min(int(share * SHARE_BINS), SHARE_BINS - 1)
        bins.setdefault(place, []).append((share, majority_right(samples)))
    if not bins:
        return None
    ordered = [bins[place] for place in sorted(bins)]
    model = f"round {e.round_number}" if e.round_number else "base"
    return plots.CalibrationPanel(
        f"{e.benchmark}, {model}, {e.samples} samples",
        tuple(fmean(share for share, _ in each) for each in ordered),
        tuple(wilson(sum(right for _, right in each), len(each)) for each in ordered),
    )


def leading_share(samples: Sequence[SampledReply]) -> float:
    """How many of the samples agree on the commonest answer, 0-1; 0 where none has one."""
    counts = Counter(sample.answer_key for sample in samples if sample.answer_key is not None)
    return max(counts.values(), default=0) / len(samples)


def _some(rounds: Sequence[Round], kept: int | None) -> list[Round]:
    shown = shown_rounds([this.number for this in rounds], kept)
    return [this for this in rounds if this.number in shown]


def _figure(name: str, title: str, words: str, missing: str, draw: Callable[[], str] = str) -> Figure:
    """Drawn, or left out for the reason `missing`."""
    if missing:
        return Figure(name, title, f"Left out: {missing}.")
    return Figure(name, title, words, draw())


def _left_out(there: int, most: int, of_what: str) -> str:
    return f" {most} of {there} {of_what} are shown." if there > most else ""


def _no_votes(run: Run) -> str:
    return "this run voted on nothing itself" if run.teacher_id else "no question has all its votes"
