"""What goes wrong in self-training without labels, looked for after every round. Pure.

Each alarm compares a round with the first one of its kind: its scores with the base's, its questions and votes with
those of round 1, which the base wrote. Thresholds are in the config, with their source. Falls of a score count
when a one-sided exact McNemar test says so, too: a few items more or less are no alarm. Example:
    [alarm.name for alarm in judge(base, round_1, round_2, AlarmsConfig()) if alarm.fired] -> ["one_answer"]
"""

from __future__ import annotations

from collections.abc import Mapping

from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation.drift import commonest_excess, flexible, strict
from crescent_lite.evidence import Alarm, Evidence, RoundFacts

FEW = 20
"""With fewer labels, texts or items than that nothing is said of a share."""


def judge(base: Evidence, first: Evidence, now: Evidence, settings: AlarmsConfig) -> list[Alarm]:
    """Every alarm of the round `now`. `first` is the first round in which the model was asked and voted."""
    return [
        _false_consensus(base, first, now, settings),
        _one_answer(base, now, settings),
        _few_answers(first, now, settings),
        _sameness(first, now, settings),
        _length(first, now, settings),
        _broken_replies(base, now, settings),
        _format(base, now, settings),
        _narrowing(base, now, settings),
        _forgetting(base, now, settings),
        _contamination(now, settings),
    ]


def _false_consensus(base: Evidence, first: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """The votes agree more, and the model is right less often."""
    before, after = first.measures.get("mean_share"), now.measures.get("mean_share")
    role = "canary" if now.facts.role("canary") else "score"
    fall, p_value = fallen(base.facts.role(role), now.facts.role(role))
    if before is None or after is None or first.facts.number == now.facts.number or not now.facts.role(role):
        return Alarm("false_consensus", False, "needs the votes of two rounds and a benchmark")
    words = f"mean share {before:.2f} to {after:.2f}, {role} {-100 * fall:+.1f} points (p={p_value:.3f})"
    fired = after - before >= settings.share_rise and fall > 0 and p_value < settings.significance
    return Alarm("false_consensus", fired, words)


def _one_answer(base: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """One answer to ever so many questions: of the labels, or of a benchmark beyond what is right there."""
    seen = {}
    if len(now.facts.labels) >= FEW:
        seen["of the labels"] = now.measures["commonest_label"]
    old = {each.title: commonest_excess(each) for each in base.facts.evaluations if each.samples == 1 and each.right}
    for each in now.facts.evaluations:
        if each.samples == 1 and each.title in old and len(each.right) >= FEW:
            seen[f"of {each.title} more than it should be, and than the base has it"] = (
                commonest_excess(each) - old[each.title]
            )
    if not seen:
        return Alarm("one_answer", False, f"needs {FEW} labels")
    where, share = max(seen.items(), key=lambda item: item[1])
    return Alarm("one_answer", share >= settings.one_answer, f"the commonest answer: {share:.0%} {where}")


def _few_answers(first: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """Different questions come to ever fewer different answers."""
    if first.facts.number == now.facts.number or min(len(first.facts.labels), len(now.facts.labels)) < FEW:
        return Alarm("few_answers", False, f"needs two rounds with {FEW} labels")
    # More labels have more of the same answers; the larger round is cut to the size of the smaller one.
    size = min(len(first.facts.labels), len(now.facts.labels))
    before, after = (len(set(each.facts.labels[:size])) / size for each in (first, now))
    words = f"different answers among {size} labels: {before:.0%} to {after:.0%}"
    return Alarm("few_answers", after < settings.diversity_kept * before, words)


def _sameness(first: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """The questions grow alike, or hardly any text is new any more."""
    before, after = first.measures, now.measures
    if (
        first.facts.number == now.facts.number
        or min(sum(first.facts.reasons.values()), sum(now.facts.reasons.values())) < FEW
    ):
        return Alarm("sameness", False, f"needs two rounds with {FEW} texts")
    near = [each.get("similarity", 0.0) for each in (before, after)]
    kept = [each["acceptance"] for each in (before, after)]
    words = f"nearest neighbours {near[0]:.0f} to {near[1]:.0f} of 100 alike; kept {kept[0]:.0%} to {kept[1]:.0%}"
    fired = near[1] - near[0] >= settings.similarity_rise or kept[1] < settings.diversity_kept * kept[0]
    return Alarm("sameness", fired, words)


def _length(first: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """Solutions grow or shrink."""
    if first.facts.number == now.facts.number or min(first.facts.votes.count, now.facts.votes.count) < FEW:
        return Alarm("length", False, f"needs two rounds with {FEW} votes")
    lengths = [[each.measures[f"votes_tokens_p{p}"] for p in (50, 90)] for each in (first, now)]
    ratios = [after / max(before, 1) for before, after in zip(*lengths, strict=True)]
    words = f"median {lengths[0][0]:.0f} to {lengths[1][0]:.0f} tokens, of ten the longest but one "
    words += f"{lengths[0][1]:.0f} to {lengths[1][1]:.0f}"
    fired = any(not 1 / settings.length_factor < ratio < settings.length_factor for ratio in ratios)
    return Alarm("length", fired, words)


def _broken_replies(base: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """Replies are cut off, or hold no answer, more often than the base's."""
    before, after = base.measures, now.measures
    if min(base.facts.evaluated.count, now.facts.evaluated.count) < FEW:
        return Alarm("broken_replies", False, f"needs {FEW} evaluated items")
    pairs = [(name, before[f"evaluated_{name}"], after[f"evaluated_{name}"]) for name in ("ended", "parsed")]
    words = ", ".join(f"{name} {b:.0%} to {a:.0%}" for name, b, a in pairs)
    return Alarm("broken_replies", any(b - a >= settings.broken_rise for _, b, a in pairs), words)


def _format(base: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """Right answers in places that do not say that they are the answer."""
    old = {(each.title, each.samples): flexible(each) - strict(each) for each in base.facts.evaluations if each.right}
    rises = {
        each.title: flexible(each) - strict(each) - old[each.title, each.samples]
        for each in now.facts.evaluations
        if (each.title, each.samples) in old and len(each.right) >= FEW
    }
    if not rises:
        return Alarm("format", False, f"needs {FEW} evaluated items")
    title, rise = max(rises.items(), key=lambda item: item[1])
    words = f"flexible less strict score: {100 * rise:+.1f} points on {title}"
    return Alarm("format", rise >= settings.gap_rise, words)


def _narrowing(base: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """More often right at once, and less often right at all."""
    before, after = base.measures, now.measures
    if "pass_at_k" not in before or "pass_at_k" not in after:
        return Alarm("narrowing", False, "needs a benchmark with samples")
    fall, p_value = fallen(_any_right(base.facts), _any_right(now.facts))
    words = f"pass@1 {before['pass_at_1']:.1%} to {after['pass_at_1']:.1%}, "
    words += f"pass@k {before['pass_at_k']:.1%} to {after['pass_at_k']:.1%} (p={p_value:.3f})"
    fired = after["pass_at_1"] > before["pass_at_1"] and fall > 0 and p_value < settings.significance
    return Alarm("narrowing", fired, words)


def _forgetting(base: Evidence, now: Evidence, settings: AlarmsConfig) -> Alarm:
    """Other abilities go."""
    if not now.facts.role("general"):
        return Alarm("forgetting", False, "needs a benchmark with the role 'general'")
    fall, p_value = fallen(base.facts.role("general"), now.facts.role("general"))
    words = f"general suite {-100 * fall:+.1f} points (p={p_value:.3f})"
    return Alarm("forgetting", fall >= settings.general_fall and p_value < settings.significance, words)


def _contamination(now: Evidence, settings: AlarmsConfig) -> Alarm:
    """The model writes down what it is measured with."""
    texts = sum(now.facts.reasons.values())
    if texts < FEW:
        return Alarm("contamination", False, f"needs {FEW} texts")
    counts = now.facts.contaminated or {"any benchmark": 0}
    name, count = max(counts.items(), key=lambda item: item[1])
    words = f"{count} of {texts} texts repeat an item of {name}; they are not learnt from"
    return Alarm("contamination", count / texts >= settings.contaminated, words)


def fallen(before: Mapping[str, bool], after: Mapping[str, bool]) -> tuple[float, float]:
    """How much a score fell on the same items (-1 to 1), and the one-sided exact McNemar p-value of a fall."""
    shared = before.keys() & after.keys()
    gained = sum(after[item] and not before[item] for item in shared)
    lost = sum(before[item] and not after[item] for item in shared)
    if not gained + lost:
        return 0.0, 1.0
    from scipy.stats import binom  # takes a second to import: only where it is used

    return (lost - gained) / len(shared), float(binom.sf(lost - 1, gained + lost, 0.5))


def _any_right(facts: RoundFacts) -> dict[str, bool]:
    return {
        f"{each.title}/{item}": right > 0
        for each in facts.evaluations
        if each.samples > 1
        for item, (_, right) in each.right.items()
    }
