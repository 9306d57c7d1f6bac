"""Alarms: each fires when its failure begins and at no other time, ends the run, and the best round is kept.

Whole runs use a simulated model and a real database. Every seed is fixed, so these tests do not fail by chance; how
often alarms are wrong is counted by benchmarks/alarms.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_model import Nature, Sizes, simulated

from crescent_lite import loop
from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation import judge_round, measure_round
from crescent_lite.evaluation.alarms import decline
from crescent_lite.evaluation.drift import LOOKED_AT, distinct_share, percentile, similarity
from crescent_lite.events import AlarmFired, Event, RunFinished
from crescent_lite.round_facts import Alarm, BenchmarkCounts, ReplyCounts, RoundFacts
from crescent_lite.stages.frame import Job

pytestmark = pytest.mark.slow
SIZES = Sizes(texts=40, votes=4, score=60, canary=60, general=70, samples=4)
ONE_PROMPT = ("evaluate.prompts=['solve']",)
TO_THE_END = (*ONE_PROMPT, "alarms.stop=false", "run.patience=0")


def play(job: Job) -> list[Event]:
    """Play a run and return its events; everything is committed at once, which is faster and enough for a test."""
    with job.store.database.transaction():
        return list(loop.run(job))


def fired(events: list[Event]) -> set[tuple[int, str]]:
    return {(event.round, event.name) for event in events if isinstance(event, AlarmFired)}


def test_a_healthy_run_of_six_rounds_has_no_alarm(tmp_path: Path) -> None:
    natures = [Nature(skill=0.1 * number, temperature=1 - 0.03 * number) for number in range(7)]
    job = simulated(tmp_path, natures, SIZES, overrides=TO_THE_END)
    events = play(job)
    assert fired(events) == set()
    assert events[-1] == RunFinished(1)
    assert {number: len(alarms) for number, alarms in job.store.measures.fetch_alarms(1).items()} == dict.fromkeys(
        range(1, 7), 10
    )
    job.store.close()


FAILURES = [
    ({"collapse": 1.0}, {"one_answer"}, {"false_consensus", "few_answers"}),
    ({"bias": 0.6, "temperature": 0.3}, set(), {"false_consensus"}),
    ({"cut_off": 0.5}, {"broken_replies"}, {"length"}),
    ({"temperature": 0.05, "skill": 0.0}, {"narrowing"}, set()),
    ({"variety": 0.1, "marked": 0.2}, {"format"}, {"sameness"}),
    ({"tokens": 190.0, "general": -1.5}, {"forgetting"}, {"length"}),
    ({"tokens": 20.0, "leak": 0.5}, set(), {"length", "contamination"}),
]
"""What the training of round 2 changes, the alarms that fire in that round, and those that fire in round 3, whose
questions and votes it writes. Two failures in one run are independent of each other."""


@pytest.mark.parametrize(("change", "at_once", "a_round_later"), FAILURES, ids=[str(f[0]) for f in FAILURES])
def test_an_alarm_fires_when_its_failure_begins(
    change: Mapping[str, float], at_once: set[str], a_round_later: set[str], tmp_path: Path
) -> None:
    sound = Nature(skill=0.3)
    natures = [sound, sound, dataclasses.replace(sound, **change)]
    job = simulated(tmp_path, natures, SIZES, rounds=3, overrides=TO_THE_END)
    seen = fired(play(job))
    job.store.close()
    by_round = {number: {name for n, name in seen if n == number} for number in (1, 2, 3)}
    assert by_round == {1: set(), 2: at_once, 3: at_once | a_round_later}


def collapsing(folder: Path, *overrides: str) -> Job:
    """A run that improves in rounds 1 and 2 and gives only one answer from round 3 on."""
    natures = [Nature(), Nature(skill=0.8), Nature(skill=1.6), Nature(skill=1.6, collapse=1.0)]
    return simulated(folder, natures, SIZES, rounds=4, overrides=(*ONE_PROMPT, *overrides))


def test_an_alarm_ends_the_run_with_its_reason_and_the_best_round_is_kept(tmp_path: Path) -> None:
    job = collapsing(tmp_path)
    finished = play(job)[-1]
    assert isinstance(finished, RunFinished)
    assert finished.reason is not None
    assert finished.reason.startswith("alarm in round 3: ")
    assert "one answer (the most common answer: " in finished.reason
    assert job.store.fetch_standing(1).kept == 2
    assert set(job.store.measures.fetch_alarms(1)) == {1, 2, 3}
    job.store.close()


def test_alarms_that_do_not_stop_a_run_are_still_reported(tmp_path: Path) -> None:
    job = collapsing(tmp_path, *TO_THE_END)
    events = play(job)
    assert events[-1] == RunFinished(1)
    assert {number for number, name in fired(events) if name == "one_answer"} == {3, 4}
    assert job.store.fetch_standing(1).kept == 2
    job.store.close()


def test_a_run_that_died_during_its_checks_has_each_alarm_and_measure_once(tmp_path: Path) -> None:
    natures = [Nature(), Nature(collapse=1.0)]
    job = simulated(tmp_path, natures, SIZES, rounds=2, overrides=ONE_PROMPT)
    with job.store.database.transaction():
        for event in loop.run(job):
            if isinstance(event, AlarmFired):
                break  # like a kill: the alarm is stored, the round is not finished
    before = job.store.measures.fetch_alarms(1), job.store.measures.fetch_measures(1)
    again = play(job)
    assert fired(again) == {(1, "one_answer")}
    assert (job.store.measures.fetch_alarms(1), job.store.measures.fetch_measures(1)) == before
    assert isinstance(again[-1], RunFinished)
    assert again[-1].reason is not None
    assert again[-1].reason.startswith("alarm in round 1: one answer ")
    once_more = play(job)
    assert fired(once_more) == set()
    assert once_more[-1] == again[-1]
    job.store.close()


# ── judged without a run ──────────────────────────────────────────────────────────────────────────────────────────


def measured(
    right: int, items: int = 100, *, role: str = "score", marked: int | None = None, **more: object
) -> BenchmarkCounts:
    """Counts of an evaluation whose first `right` items are right, the first `marked` of them in a marked place."""
    strict = right if marked is None else marked
    counts = {f"{n}": (int(n < strict), int(n < right)) for n in range(items)}
    answers, gold = {f"n:{n}": 1 for n in range(items)}, {f"n:{n}": 1 for n in range(items)}
    found = BenchmarkCounts(role, "set/solve", role, 1, counts, dict.fromkeys(counts, 1), answers, gold)
    return dataclasses.replace(found, **more)  # type: ignore[arg-type]


def judged(base: RoundFacts, first: RoundFacts, now: RoundFacts) -> dict[str, Alarm]:
    alarms = judge_round(measure_round(base), measure_round(first), measure_round(now), AlarmsConfig())
    return {alarm.name: alarm for alarm in alarms}


def names(alarms: dict[str, Alarm]) -> set[str]:
    return {name for name, alarm in alarms.items() if alarm.fired}


def test_without_data_no_alarm_fires() -> None:
    alarms = judged(RoundFacts(0), RoundFacts(1), RoundFacts(2))
    assert names(alarms) == set()
    assert all(alarm.words.startswith("needs ") for alarm in alarms.values())
    empty = RoundFacts(0, evaluations=(measured(0, 0), measured(0, 0, samples=4)))
    assert names(judged(empty, RoundFacts(1), dataclasses.replace(empty, number=2))) == set()


def test_equal_rounds_have_no_alarm() -> None:
    asked = tuple(f"How many are {n} and {n + 1} birds?" for n in range(50))
    labels = tuple(f"n:{2 * n + 1}" for n in range(50))
    facts = RoundFacts(
        1,
        {"new": 50},
        {},
        50,
        asked,
        (0.8,) * 50,
        labels,
        ReplyCounts({80: 200}, 200, 200),
        ReplyCounts(),
        (measured(50),),
    )
    again = dataclasses.replace(facts, number=2)
    assert names(judged(facts, facts, facts)) == names(judged(facts, facts, again)) == set()


def test_a_benchmark_that_the_base_was_not_measured_with_says_nothing() -> None:
    now = RoundFacts(2, evaluations=(measured(0, role="general"), measured(0, role="canary")))
    assert names(judged(RoundFacts(0), RoundFacts(1), now)) == set()


def votes_of(number: int, tokens: int) -> RoundFacts:
    return RoundFacts(number, votes=ReplyCounts({tokens: 100}, 100, 100))


@pytest.mark.parametrize(
    ("before", "after", "drifted"),
    [(3, 9, False), (9, 3, False), (80, 150, False), (80, 160, True), (80, 40, True), (80, 45, False), (4, 21, True)],
)
def test_a_length_has_drifted_when_it_doubles_or_halves_by_more_than_a_few_tokens(
    before: int, after: int, drifted: bool
) -> None:
    alarms = judged(RoundFacts(0), votes_of(1, before), votes_of(2, after))
    assert alarms["length"].fired == drifted


def test_a_few_items_more_or_less_set_off_no_alarm() -> None:
    base = RoundFacts(0, evaluations=(measured(40, 50, role="general"),))
    for right, forgot in ((34, False), (32, False), (31, True)):  # 8 lost and none gained: p = 1/256; 9: 1/512
        now = RoundFacts(1, evaluations=(measured(right, 50, role="general"),))
        assert judged(base, now, now)["forgetting"].fired == forgot


def test_two_prompts_of_one_item_count_once() -> None:
    base = RoundFacts(0, evaluations=(measured(80, role="canary"), measured(80, role="canary", prompt="set/bare")))
    now = RoundFacts(2, evaluations=(measured(75, role="canary"), measured(75, role="canary", prompt="set/bare")))
    assert base.right("canary")["canary/0"] == 2
    assert decline(base.right("canary"), now.right("canary")) == (0.05, 1 / 32)


def test_more_skill_with_the_same_format_sets_off_no_alarm() -> None:
    """Half of the right answers are marked, so the gap between the scores grows with skill, from 15 to 40 points."""
    base = RoundFacts(0, evaluations=(measured(30, marked=15),))
    assert "format" not in names(judged(base, base, RoundFacts(1, evaluations=(measured(80, marked=40),))))
    assert "format" in names(judged(base, base, RoundFacts(1, evaluations=(measured(80, marked=5),))))


def test_a_large_but_lucky_fall_does_not_hide_a_sure_one() -> None:
    base = RoundFacts(0, evaluations=(measured(60), measured(10, 20, role="canary")))
    broken = measured(60, whole={f"{n}": int(n < 70) for n in range(100)})
    few = measured(10, 20, role="canary", whole={f"{n}": int(n < 13) for n in range(20)})
    now = RoundFacts(1, evaluations=(broken, few))
    alarm = judged(base, base, now)["broken_replies"]
    assert (alarm.fired, alarm.words) == (
        True,
        "complete replies with an answer: -30.0 points (p=0.000) on score, solve",
    )


@pytest.mark.parametrize(
    ("commonest", "labels", "collapsed"),
    [(7, 20, False), (20, 20, True), (19, 19, False), (35, 100, False), (45, 100, True)],
)
def test_labels_have_collapsed_when_one_is_surely_too_common(commonest: int, labels: int, collapsed: bool) -> None:
    found = ("n:1",) * commonest + tuple(f"n:{n + 2}" for n in range(labels - commonest))
    now = RoundFacts(1, labels=found)
    assert judged(RoundFacts(0), now, now)["one_answer"].fired == collapsed


@pytest.mark.parametrize(
    ("repeated", "texts", "contaminated"),
    [(1, 20, False), (5, 20, True), (4, 150, False), (12, 150, True), (2, 19, False)],
)
def test_a_benchmark_has_leaked_when_too_many_texts_repeat_it(repeated: int, texts: int, contaminated: bool) -> None:
    now = RoundFacts(1, {"new": texts - repeated, "contaminated": repeated}, {"sums": repeated})
    assert judged(RoundFacts(0), now, now)["contamination"].fired == contaminated


@pytest.mark.parametrize(("right_of_four", "narrowed"), [(4, True), (3, True), (1, False)])
def test_a_model_that_gets_worse_at_everything_has_not_narrowed(right_of_four: int, narrowed: bool) -> None:
    """Half of the items are never right any more; the other half stay right, or become right less often too."""

    def sampled(number: int, counts: list[int]) -> RoundFacts:
        right = {f"{n}": (count, count) for n, count in enumerate(counts)}
        return RoundFacts(number, evaluations=(dataclasses.replace(measured(0), samples=4, right=right),))

    base, now = sampled(0, [2] * 60), sampled(1, [right_of_four] * 30 + [0] * 30)
    assert judged(base, now, now)["narrowing"].fired == narrowed


def test_a_growing_set_of_known_questions_sets_off_no_alarm() -> None:
    """The model asks as before, but most of its questions are known by now."""
    asked = tuple(f"How many are {n} and {n + 1} birds?" for n in range(100))
    first = RoundFacts(1, {"new": 95, "no_question": 5}, {}, 105, asked)
    later = RoundFacts(4, {"new": 10, "near_duplicate": 90, "no_question": 5}, {}, 105, asked)
    assert not judged(RoundFacts(0), first, later)["sameness"].fired
    fewer = dataclasses.replace(later, questions=asked[:40])
    assert judged(RoundFacts(0), first, fewer)["sameness"].fired


# ── measures ─────────────────────────────────────────────────────────────────────────────────────────────────

sentences = st.lists(st.text("ab 12+", max_size=12), min_size=2, max_size=30)


@settings(max_examples=30)
@given(sentences, st.randoms(), st.integers(2, 40))
def test_similarity_is_at_most_100_and_does_not_depend_on_order(texts: list[str], chance: object, size: int) -> None:
    shuffled = list(texts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    found = similarity(texts, size)
    assert 0 <= found <= 100
    assert similarity(shuffled, size) == found


def test_twice_the_same_question_is_its_own_neighbour() -> None:
    assert similarity(["What is 2 + 3?", "How far is it?", "What is 9 + 1?", "How far is it?"], LOOKED_AT) == 100


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_the_expected_share_of_distinct_things_is_the_mean_of_samples(things: list[int], draw: st.DataObject) -> None:
    size = draw.draw(st.integers(1, len(things)))
    found = distinct_share(things, len(things), size)
    assert 0 < found <= 1 + 1e-9
    assert distinct_share(things[::-1], len(things), size) == pytest.approx(found)
    assert distinct_share(things, len(things), len(things)) == pytest.approx(len(set(things)) / len(things))
    assert distinct_share(things, len(things), 1) == pytest.approx(1)
    assert size * found <= len(set(things)) + 1e-9


@given(st.dictionaries(st.integers(0, 500), st.integers(1, 9), min_size=1), st.floats(0, 100), st.floats(0, 100))
def test_percentiles_are_lengths_that_occur_and_rise(tokens: dict[int, int], low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert percentile(tokens, low) <= percentile(tokens, high)
    assert percentile(tokens, high) in tokens
    below = sum(count for length, count in tokens.items() if length <= percentile(tokens, high))
    assert below >= high / 100 * sum(tokens.values())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_a_rise_is_a_negative_decline(pairs: list[tuple[bool, bool]]) -> None:
    before, after = ({f"{n}": int(pair[side]) for n, pair in enumerate(pairs)} for side in (0, 1))
    fall, p_value = decline(before, after)
    assert -1 <= fall <= 1 and 0 <= p_value <= 1
    assert decline(after, before)[0] == -fall
    assert fall > 0 or p_value >= 0.5
