"""What goes wrong in self-training without labels, looked for after every round. Pure.

Each alarm compares a round with the first one of its kind: its replies to benchmarks with the base's, item by item;
its questions and votes, which are of the model of the round before, with those of round 1, which are the base's.
A difference has to be large enough to matter, by the config, and more than chance: scores by a one-sided exact test
of the items that changed (McNemar's; with several prompts the sign test, as the answers to one item are no
independent ones), shares by a one-sided exact binomial test. Example:
    [alarm.name for alarm in judge(base, round_1, round_2, AlarmsConfig()) if alarm.fired] -> ["one_answer"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation.drift import commonest_excess, different, similarity
from crescent_lite.questions.duplicates import wording
from crescent_lite.round_facts import Alarm, BenchmarkCounts, MeasuredRound, RoundFacts

FEW = 20
"""With fewer labels, texts or items than that nothing is said of a share."""
SHORT_TOKENS = 16
"""A change of length by no more than this is no drift: a number, or the sum and the number (guess)."""


def judge(base: MeasuredRound, first: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> list[Alarm]:
    """Every alarm of the round `now`. `first` is the first round in which the model was asked and voted."""
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
    """The votes agree more, and the model is right less often."""
    before, after = first.measures.get("mean_share"), now.measures.get("mean_share")
    # not the canary alone: it showed 2 of 6 such runs, with the scored items 8 of 10 (benchmarks/alarms.py)
    old, new = ({**each.facts.right("score"), **each.facts.right("canary")} for each in (base, now))
    if before is None or after is None or first.facts.number == now.facts.number or not new:
        return Alarm("false_consensus", False, "needs the votes of two rounds and a benchmark")
    fall, p_value = fallen(old, new)
    words = f"mean share {before:.2f} to {after:.2f}, right answers {points(-fall, p_value)}"
    fired = after - before >= settings.share_rise and fall > 0 and p_value < settings.significance
    return Alarm("false_consensus", fired, words)


def _one_answer(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """One answer to ever so many questions: of the labels, or of a benchmark beyond what is right there."""
    seen = []
    if labels := len(now.labels):
        count = max(map(now.labels.count, set(now.labels)))
        sure = labels >= FEW and above(settings.one_answer, count, labels) < settings.significance
        seen.append((sure, count / labels, f"of {labels} labels"))
    for old, new in greedy_pairs(base, now):
        excess = commonest_excess(new) - commonest_excess(old)
        where = f"of {new.title} more than it is right, and than the base has it"
        seen.append((excess >= settings.one_answer, excess, where))
    if not seen:
        return Alarm("one_answer", False, f"needs {FEW} labels")
    fired, share, where = max(seen)
    return Alarm("one_answer", fired, f"the commonest answer: {share:.0%} {where}")


def _few_answers(first: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Different questions come to ever fewer different answers."""
    size = min(len(first.labels), len(now.labels))
    if first.number == now.number or size < FEW:
        return Alarm("few_answers", False, f"needs two rounds with {FEW} labels")
    before, after = (different(each.labels, len(each.labels), size) for each in (first, now))
    words = f"different answers among {size} labels: {before:.0%} to {after:.0%}"
    return Alarm("few_answers", after < settings.diversity_kept * before, words)


def _sameness(first: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """The questions grow alike, or hardly any text is a different question any more.

    Of raw texts and within a round. How many are kept says less of the model: ever more is known already.
    """
    size = min(first.raw_texts, now.raw_texts)
    if first.number == now.number or size < FEW:
        return Alarm("sameness", False, f"needs two rounds with {FEW} texts")
    kinds = [different(map(wording, each.questions), each.raw_texts, size) for each in (first, now)]
    words = f"different questions among {size} texts: {kinds[0]:.0%} to {kinds[1]:.0%}"
    fired = kinds[1] < settings.diversity_kept * kinds[0]
    questions = min(len(first.questions), len(now.questions))
    if questions >= FEW:
        near = [similarity(each.questions, questions) for each in (first, now)]
        words += f"; nearest neighbours {near[0]:.0f} to {near[1]:.0f} of 100 alike"
        fired |= near[1] - near[0] >= settings.similarity_rise
    return Alarm("sameness", fired, words)


def _length(first: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> Alarm:
    """Solutions grow or shrink."""
    if first.facts.number == now.facts.number or min(first.facts.votes.count, now.facts.votes.count) < FEW:
        return Alarm("length", False, f"needs two rounds with {FEW} votes")
    pairs = [[each.measures[f"votes_tokens_p{percent}"] for each in (first, now)] for percent in (50, 90)]
    (half, half_now), (most, most_now) = pairs
    words = f"half of the solutions up to {half:.0f}, now {half_now:.0f} tokens, nine of ten {most:.0f}, "
    words += f"now {most_now:.0f}"
    fired = any(
        max(pair) >= settings.length_factor * min(pair) and max(pair) - min(pair) > SHORT_TOKENS for pair in pairs
    )
    return Alarm("length", fired, words)


def _broken_replies(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Replies are cut off, or hold no answer, where the base's did not and did."""
    seen = []
    for old, new in greedy_pairs(base, now):
        fall, p_value = fallen(old.whole, new.whole)
        fired = fall >= settings.broken_rise and p_value < settings.significance
        seen.append((fired, fall, f"{points(-fall, p_value)} on {new.title}"))
    if not seen:
        return Alarm("broken_replies", False, f"needs {FEW} evaluated items")
    fired, _, words = max(seen)
    return Alarm("broken_replies", fired, f"whole replies with an answer: {words}")


def _format(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """What is right both before and after is no longer marked as the answer: a format is unlearnt."""
    seen = []
    for old, new in greedy_pairs(base, now):
        both = [item for item, (_, right) in old.right.items() if right and new.right.get(item, (0, 0))[1]]
        if both and new.role != "general":
            fall, p_value = fallen(*({item: each.right[item][0] for item in both} for each in (old, new)))
            fired = fall >= settings.unmarked_rise and p_value < settings.significance
            where = f"of {len(both)} that stayed right on {new.title}"
            seen.append((fired, fall, f"{points(-fall, p_value)} {where}"))
    if not seen:
        return Alarm("format", False, f"needs {FEW} evaluated items, some of them right")
    fired, _, words = max(seen)
    return Alarm("format", fired, f"marked answers: {words}")


def _narrowing(base: MeasuredRound, now: MeasuredRound, settings: AlarmsConfig) -> Alarm:
    """Less often right at all, and at once as often as ever, or at most half of that less often."""
    before, after = base.measures, now.measures
    if "pass_at_k" not in before or "pass_at_k" not in after:
        return Alarm("narrowing", False, "needs a benchmark with samples")
    fall, p_value = fallen(_any_right(base.facts), _any_right(now.facts))
    words = f"pass@1 {before['pass_at_1']:.1%} to {after['pass_at_1']:.1%}, pass@k: {points(-fall, p_value)}"
    fired = before["pass_at_1"] - after["pass_at_1"] < fall / 2 and p_value < settings.significance
    return Alarm("narrowing", fired, words)


def _forgetting(base: RoundFacts, now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """Other abilities go."""
    if not now.right("general"):
        return Alarm("forgetting", False, "needs a benchmark with the role 'general'")
    fall, p_value = fallen(base.right("general"), now.right("general"))
    fired = fall >= settings.general_fall and p_value < settings.significance
    return Alarm("forgetting", fired, f"general suite: {points(-fall, p_value)}")


def _contamination(now: RoundFacts, settings: AlarmsConfig) -> Alarm:
    """The model writes down what it is measured with. Also in round 1: then the base knows it by heart."""
    texts = sum(now.reasons.values())
    if texts < FEW:
        return Alarm("contamination", False, f"needs {FEW} texts")
    name, count = max(now.contaminated.items(), key=lambda item: item[1], default=("any benchmark", 0))
    words = f"{count} of {texts} texts repeat an item of {name}; they are not learnt from"
    return Alarm("contamination", above(settings.contaminated, count, texts) < settings.significance, words)


def fallen(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[float, float]:
    """By how much of the items a count for each of them fell (-1 to 1), and how probable that is of mere chance."""
    shared = before.keys() & after.keys()
    gained = sum(after[item] > before[item] for item in shared)
    lost = sum(before[item] > after[item] for item in shared)
    return (lost - gained) / len(shared) if shared else 0.0, above(0.5, lost, gained + lost)


def above(share: float, count: int, of: int) -> float:
    """How probable so large a count is, or a larger one, where each of `of` counts with the chance `share`."""
    from scipy.stats import binom  # takes a second to import: only where it is used

    return float(binom.sf(count - 1, of, share))


def points(difference: float, p_value: float) -> str:
    """'-4.2 points (p=0.003)'."""
    return f"{100 * difference:+.1f} points (p={p_value:.3f})"


def greedy_pairs(base: RoundFacts, now: RoundFacts) -> Iterator[tuple[BenchmarkCounts, BenchmarkCounts]]:
    """What was measured greedily of both, on enough items."""
    old = {each.title: each for each in base.evaluations if each.samples == 1}
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
