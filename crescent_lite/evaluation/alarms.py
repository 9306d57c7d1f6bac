"""Checks after every round for the known failures of self-training without labels. Pure.

An alarm compares a round's benchmark replies with the base's, item by item. It compares the round's questions and
votes, which the model of the round before wrote, with those of the first round, which the base wrote. A difference
fires an alarm if it is large enough to matter (by the settings) and more than chance. Scores are tested by a
one-sided exact test on the items that changed (McNemar's; with several prompts a sign test over items, because
replies to the same item are not independent), shares by a one-sided exact binomial test. Knows neither the store nor
a model. Example, after a round whose labels are nearly all the same:
    [alarm.name for alarm in judge_round(base, round_1, round_2, AlarmsConfig()) if alarm.fired] -> ["one_answer"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation.drift import commonest_excess, distinct_share, similarity
from crescent_lite.questions.duplicates import wording
from crescent_lite.round_facts import Alarm, BenchmarkCounts, MeasuredRound, RoundFacts

FEW = 20
"""Fewest labels, texts, votes or items that a check is based on."""
SHORT_TOKENS = 16
"""A length that changes by this many tokens or fewer fires no alarm: "5" and "2 + 3 = 5" are equally good (guess)."""


def judge_round(base: MeasuredRound, first: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> list[Alarm]:
    """Return the result of every check on the round `now`. `first`: the first round with questions and votes."""
    return [
        _false_consensus(base, first, now, settings),
        _one_answer(base.facts, now.facts, settings),
        _few_answers(first.facts, now.facts, settings),
        _sameness(first.facts, now.facts, settings),
        _length(first, now, settings),
        _broken_replies(base.facts, now.facts, settings),
        _format(base.facts, now.facts, settings),
        _narrowing(base, now, settings),
        _forgetting(base.facts, now.facts, settings),
        _contamination(now.facts, settings),
    ]


def _false_consensus(base: MeasuredRound, first: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> Alarm:
    """The votes agree more often, but the model is right less often."""
    before, after = first.measures.get("mean_share"), now.measures.get("mean_share")
    # Canaries alone detected 2 of 6 such runs; with the scored items, 8 of 10 were detected (benchmarks/alarms.py).
    old, new = ({**each.facts.right("score"), **each.facts.right("canary")} for each in (base, now))
    if before is None or after is None or first.facts.number == now.facts.number or not new:
        return Alarm("false_consensus", False, "needs the votes of two rounds and a benchmark")
    fall, p_value = decline(old, new)
    words = f"mean share {before:.2f} to {after:.2f}, right answers {points(-fall, p_value)}"
    fired = after - before >= settings.share_rise and fall > 0 and p_value < settings.significance
    return Alarm("false_consensus", fired, words)


def _one_answer(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """One answer dominates the labels, or is given to far more items of a benchmark than it is right for."""
    seen = []
    if labels := len(now.labels):
        count = max(map(now.labels.count, set(now.labels)))
        significant = labels >= FEW and upper_tail(settings.one_answer, count, labels) < settings.significance
        seen.append((significant, count / labels, f"of {labels} labels"))
    for old, new in greedy_pairs(base, now):
        excess = commonest_excess(new) - commonest_excess(old)
        where = f"of {new.title} (only where it is wrong, and beyond the base's share)"
        seen.append((excess >= settings.one_answer, excess, where))
    if not seen:
        return Alarm("one_answer", False, f"needs {FEW} labels")
    fired, share, where = max(seen)
    return Alarm("one_answer", fired, f"the most common answer: {share:.0%} {where}")


def _few_answers(first: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """The labels have fewer different answers than in the first round."""
    size = min(len(first.labels), len(now.labels))
    if first.number == now.number or size < FEW:
        return Alarm("few_answers", False, f"needs two rounds with {FEW} labels")
    before, after = (distinct_share(each.labels, len(each.labels), size) for each in (first, now))
    words = f"different answers among {size} labels: {before:.0%} to {after:.0%}"
    return Alarm("few_answers", after < settings.diversity_kept * before, words)


def _sameness(first: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """The raw texts of a round have fewer different questions than in the first round, or more similar ones.

    The number of kept questions would say less about the model: it falls anyway as more questions are known.
    """
    size = min(first.raw_texts, now.raw_texts)
    if first.number == now.number or size < FEW:
        return Alarm("sameness", False, f"needs two rounds with {FEW} texts")
    kinds = [distinct_share(map(wording, each.questions), each.raw_texts, size) for each in (first, now)]
    words = f"different questions among {size} texts: {kinds[0]:.0%} to {kinds[1]:.0%}"
    fired = kinds[1] < settings.diversity_kept * kinds[0]
    questions = min(len(first.questions), len(now.questions))
    if questions >= FEW:
        near = [similarity(each.questions, questions) for each in (first, now)]
        words += f"; similarity to the nearest neighbour {near[0]:.0f} to {near[1]:.0f} of 100"
        fired |= near[1] - near[0] >= settings.similarity_rise
    return Alarm("sameness", fired, words)


def _length(first: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> Alarm:
    """Solutions became much longer or shorter."""
    if first.facts.number == now.facts.number or min(first.facts.votes.count, now.facts.votes.count) < FEW:
        return Alarm("length", False, f"needs two rounds with {FEW} votes")
    pairs = [[each.measures[f"votes_tokens_p{percent}"] for each in (first, now)] for percent in (50, 90)]
    (median, median_now), (long, long_now) = pairs
    words = f"median solution {median:.0f} to {median_now:.0f} tokens, 90th percentile {long:.0f} to {long_now:.0f}"
    fired = any(
        max(pair) >= settings.length_factor * min(pair) and max(pair) - min(pair) > SHORT_TOKENS for pair in pairs
    )
    return Alarm("length", fired, words)


def _broken_replies(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Replies are cut off or have no answer on items where the base's were complete and had one."""
    seen = []
    for old, new in greedy_pairs(base, now):
        fall, p_value = decline(old.whole, new.whole)
        fired = fall >= settings.broken_rise and p_value < settings.significance
        seen.append((fired, fall, f"{points(-fall, p_value)} on {new.title}"))
    if not seen:
        return Alarm("broken_replies", False, f"needs {FEW} evaluated items")
    fired, _, words = max(seen)
    return Alarm("broken_replies", fired, f"complete replies with an answer: {words}")


def _format(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Items that stayed right have their answer marked less often: the model unlearns the format."""
    seen = []
    for old, new in greedy_pairs(base, now):
        both = [item for item, (_, right) in old.right.items() if right and new.right.get(item, (0, 0))[1]]
        if both and new.role != "general":
            fall, p_value = decline(*({item: each.right[item][0] for item in both} for each in (old, new)))
            fired = fall >= settings.unmarked_rise and p_value < settings.significance
            where = f"of {len(both)} items that stayed right on {new.title}"
            seen.append((fired, fall, f"{points(-fall, p_value)} {where}"))
    if not seen:
        return Alarm("format", False, f"needs {FEW} evaluated items, some of them right")
    fired, _, words = max(seen)
    return Alarm("format", fired, f"marked answers: {words}")


def _narrowing(base: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> Alarm:
    """pass@k falls, but pass@1 does not or by less than half as much: the model's answers become less varied."""
    before, after = base.measures, now.measures
    if "pass_at_k" not in before or "pass_at_k" not in after:
        return Alarm("narrowing", False, "needs a benchmark with samples")
    fall, p_value = decline(_any_right(base.facts), _any_right(now.facts))
    words = f"pass@1 {before['pass_at_1']:.1%} to {after['pass_at_1']:.1%}, pass@k: {points(-fall, p_value)}"
    fired = before["pass_at_1"] - after["pass_at_1"] < fall / 2 and p_value < settings.significance
    return Alarm("narrowing", fired, words)


def _forgetting(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Other abilities suffer: scores on the benchmarks with the role 'general' fall."""
    if not now.right("general"):
        return Alarm("forgetting", False, "needs a benchmark with the role 'general'")
    fall, p_value = decline(base.right("general"), now.right("general"))
    fired = fall >= settings.general_fall and p_value < settings.significance
    return Alarm("forgetting", fired, f"general benchmarks: {points(-fall, p_value)}")


def _contamination(now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """The model's questions repeat items of a benchmark; in round 1 already if the base has memorised them."""
    texts = sum(now.reasons.values())
    if texts < FEW:
        return Alarm("contamination", False, f"needs {FEW} texts")
    name, count = max(now.contaminated.items(), key=lambda item: item[1], default=("any benchmark", 0))
    words = f"{count} of {texts} texts repeat an item of {name}; they are not trained on"
    return Alarm("contamination", upper_tail(settings.contaminated, count, texts) < settings.significance, words)


def decline(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[float, float]:
    """Return how far per-item counts fell, and the p-value of the fall.

    The fall is (items that fell - items that rose) / items in both, -1 to 1. The p-value is that of a one-sided exact
    sign test, 0-1.
    """
    shared = before.keys() & after.keys()
    gained = sum(after[item] > before[item] for item in shared)
    lost = sum(before[item] > after[item] for item in shared)
    return (lost - gained) / len(shared) if shared else 0.0, upper_tail(0.5, lost, gained + lost)


def upper_tail(share: float, count: int, of: int) -> float:
    """Return the binomial probability, 0-1, of `count` or more successes in `of` trials of probability `share`."""
    from scipy.stats import binom  # imported here because it takes a second

    return float(binom.sf(count - 1, of, share))


def points(difference: float, p_value: float) -> str:
    """A difference (-1 to 1) in words: '-4.2 points (p=0.003)'."""
    return f"{100 * difference:+.1f} points (p={p_value:.3f})"


def greedy_pairs(base: RoundFacts, now: RoundFacts) -> Iterator[tuple[BenchmarkCounts, BenchmarkCounts]]:
    """Yield (base, now) for each greedy evaluation that both rounds have, if it has enough items."""
    old = {counts.title: counts for counts in base.evaluations if counts.samples == 1}
    for new in now.evaluations:
        if new.samples == 1 and new.title in old and len(new.right) >= FEW:
            yield old[new.title], new


def _any_right(facts: RoundFacts) -> dict[str, int]:
    return {
        f"{each.title}/{item}": int(right > 0)
        for each in facts.evaluations
        if each.samples > 1
        for item, (_, right) in each.right.items()
    }
