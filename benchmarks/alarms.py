"""How often do alarms fire in healthy runs, and how soon do they fire in runs with a failure?

Healthy runs have six rounds: skill rises, stays or falls a little, lengths vary by a quarter, sizes are about those
of the presets, and half of the runs are drills. Then come, for each failure, runs in which it begins with the
training of round 3. The replies are simulated by the model in tests/simulated_model.py. A question counts as new by a
rule simpler than `diversify`: no question with the same wording, and fewer than the most allowed with the same
template. Answers, votes, scores, measures and alarms use the project's own code, in memory instead of the database,
and no alarm ends a run. The script also measures how often 95% intervals contain the true value, and how often
McNemar's test reports a difference that is not there.
    PYTHONPATH=tests python benchmarks/alarms.py --runs 200 --failing 10
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from simulated_model import Nature, Sizes, simulated

from crescent_lite import consensus, evaluation
from crescent_lite.answers import find_answer
from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation.choices import score_choice
from crescent_lite.evaluation.statistics import paired_interval
from crescent_lite.intervals import wilson
from crescent_lite.prompts.sets import fill
from crescent_lite.questions import bait
from crescent_lite.questions.checks import clean, unusable
from crescent_lite.questions.duplicates import wording
from crescent_lite.records import Completion, Generation, Measurement, Request, Vote
from crescent_lite.round_facts import BenchmarkCounts, MeasuredRound, ReplyCounts, RoundFacts
from crescent_lite.stages.frame import Job

ROUNDS, ONSET = 6, 3
FAILURES = {
    "one answer": {"collapse": 1.0},
    "one answer to half": {"collapse": 0.5},
    "sure of wrong answers": {"bias": 0.4, "temperature": 0.3},
    "few questions": {"variety": 0.15},
    "no questions": {"nonsense": 0.7},
    "three times as long": {"tokens": 240.0},
    "a third as long": {"tokens": 25.0},
    "cut off": {"cut_off": 0.4},
    "unmarked": {"marked": 0.1},
    "sharp": {"temperature": 0.1},
    "forgetting": {"general": -0.6},
    "leak": {"leak": 0.5},
}
"""For each failure, what changes permanently with the training of round 3."""

Pool = set[tuple[str, tuple[str, ...]]]
"""The wordings of the questions kept so far."""

read_answer = lru_cache(maxsize=100_000)(find_answer)
score_answer = lru_cache(maxsize=100_000)(evaluation.score)


def main() -> int:
    """Simulate the runs, count the alarms and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="number of healthy runs")
    parser.add_argument("--failing", type=int, default=10, help="number of runs for each failure")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--only", choices=FAILURES, nargs="+", default=list(FAILURES), help="simulate these failures only"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        healthy = []
        for fired in pool.map(run, range(options.runs), chunksize=4):
            healthy.append(fired)
            print(f"healthy run {len(healthy)}: {fired or 'no alarm'}", file=sys.stderr, flush=True)
        failed = {name: list(pool.map(partial(run, failure=name), range(options.failing))) for name in options.only}
    result = {
        "healthy_runs": options.runs,
        "healthy_runs_with_an_alarm": sum(map(bool, healthy)),
        "by_alarm": dict(Counter(name for fired in healthy for name in fired)),
        "by_round": dict(sorted(Counter(min(fired.values()) for fired in healthy if fired).items())),
        "failures": {name: spread(runs) for name, runs in failed.items()},
        **intervals(),
    }
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{result['healthy_runs_with_an_alarm']} of {options.runs} healthy runs had an alarm: {result['by_alarm']}")
    for name, alarms in result["failures"].items():
        print(f"{name}, from round {ONSET} on: {alarms}")
    print({key: value for key, value in result.items() if key.endswith("percent")})
    return 0


def spread(runs: Sequence[dict[str, int]]) -> dict[str, str]:
    """For each alarm, in how many runs it fired, and in which rounds it fired first."""
    rounds: dict[str, list[int]] = {}
    for fired in runs:
        for name, number in fired.items():
            rounds.setdefault(name, []).append(number)
    most_first = sorted(rounds.items(), key=lambda pair: -len(pair[1]))
    return {
        name: f"{len(found)} of {len(runs)}, in round "
        + ", ".join(f"{n} ({found.count(n)})" for n in sorted({*found}))
        for name, found in most_first
    }


def run(seed: int, failure: str | None = None) -> dict[str, int]:
    """Simulate a run. Returns the alarms that fired, each with the first round in which it did."""
    chance = random.Random(f"{seed} {failure}")
    drill = bool(seed % 2)
    sizes = Sizes(
        texts=chance.randint(150, 250),
        score=chance.randint(150, 250),
        canary=chance.randint(50, 100),
        general=chance.randint(150, 250),
    )
    natures = lives(chance, drill)
    if failure:
        natures[ONSET:] = [dataclasses.replace(nature, **FAILURES[failure]) for nature in natures[ONSET:]]
    with tempfile.TemporaryDirectory() as folder:
        job = simulated(Path(folder), natures, sizes, seed=seed, drill=drill, rounds=ROUNDS)
        job.store.close()
    settings = AlarmsConfig(contaminated=0.3 if drill else AlarmsConfig().contaminated)
    pool: Pool = set()
    seen: list[MeasuredRound] = []
    fired: dict[str, int] = {}
    for number in range(ROUNDS + 1):
        seen.append(evaluation.measure_round(facts_of(job, number, pool)))
        for alarm in evaluation.judge_round(seen[0], seen[1], seen[number], settings) if number else ():
            if alarm.fired:
                fired.setdefault(alarm.name, number)
    return fired


def lives(chance: random.Random, drill: bool) -> list[Nature]:
    """The model natures of a healthy run: the base, then the model after each training."""
    skill, rise = chance.uniform(-1.0, 1.0), chance.uniform(-0.03, 0.2)
    general = chance.uniform(-0.5, 1.5)
    tokens = chance.uniform(5, 12) if drill else chance.uniform(60, 110)
    base = Nature(
        skill=skill,
        general=general,
        tokens=tokens,
        nonsense=chance.uniform(0.02, 0.3),
        marked=chance.uniform(0.3, 0.95),
        cut_off=chance.uniform(0.0, 0.05),
    )
    found = [base]
    for number in range(1, ROUNDS + 1):
        found.append(
            dataclasses.replace(
                base,
                skill=skill + rise * number + chance.uniform(-0.05, 0.05),
                general=general + chance.uniform(-0.06, 0.06),
                tokens=tokens * chance.uniform(0.75, 1.25),
                marked=min(1.0, base.marked + chance.uniform(-0.05, 0.1)),
                temperature=1 - 0.03 * number,
            )
        )
    return found


def facts_of(job: Job, number: int, pool: Pool) -> RoundFacts:
    """What the store would count for a round. `pool` holds the questions kept before, and gets the new ones."""
    found = measure(job, number)
    evaluated = replies([reply for each, said in found if each.samples == 1 for reply in said])
    facts = RoundFacts(number, evaluated=evaluated, evaluations=tuple(each for each, _ in found))
    return dataclasses.replace(facts, **ask_and_vote(job, number, pool)) if number else facts


def say(job: Job, number: int, requests: list[Request]) -> Iterator[Completion]:
    """Replies of the model that round `number` trained; 0 is the base."""
    sampler = job.open_sampler()
    sampler.use_adapter(Path(f"round-{number}/adapter.gguf") if number else None)
    return sampler.sample(requests)


def ask_and_vote(job: Job, number: int, pool: Pool) -> dict[str, Any]:
    """The questions and votes of a round, from the model of the previous round."""
    config, solve = job.config, job.prompts.solve.text
    attempts = range(config.bait.questions)
    baits = [bait.attempt(job.prompts, n, config.bait, config.run.seed, number).request for n in attempts]
    items = {wording(item.question) for item in job.benchmarks[0].items}
    templates = Counter(template for template, _ in pool)
    most = config.diversify.max_per_template or len(baits) * ROUNDS
    reasons, asked, kept = Counter[str](), [], []
    for completion in say(job, number - 1, baits):
        text = clean(completion.text)
        reason = unusable(text, "stop", config.diversify)
        if not reason:
            asked.append(text)
            said = wording(text)
            new = said not in pool and templates[said[0]] < most
            reason = "contaminated" if said in items else "new" if new else "near_duplicate"
        if reason == "new":
            kept.append(text)
            pool.add(said)
            templates[said[0]] += 1
        reasons[reason] += 1
    shares, labels, votes = [], [], []
    generation = Generation(config.vote.max_tokens, config.vote.temperature)
    for n, text in enumerate(kept):
        poll = consensus.Poll(n, config.vote)
        while wave := poll.start_wave():
            key = f"{number} {n}"
            request = Request(key, fill(solve, question=text), generation, wave, seed=config.run.seed)
            for completion in say(job, number - 1, [request]):
                votes.append(
                    (completion, answer := read_answer(completion.text, finished=completion.finish_reason == "stop"))
                )
                poll.add(
                    Vote(
                        len(votes),
                        completion.sample_index,
                        completion.text,
                        answer.key if answer else None,
                        answer.form if answer else None,
                        completion.finish_reason,
                    )
                )
        decided = poll.decide()
        shares.append(decided.share)
        labels += [decided.answer_key] if decided.decision == "labelled" else []
    return {
        "reasons": reasons,
        "contaminated": {"sums": reasons["contaminated"]},
        "raw_texts": len(baits),
        "questions": tuple(asked),
        "shares": tuple(shares),
        "labels": tuple(labels),
        "votes": replies([(completion, answer is not None) for completion, answer in votes]),
    }


def measure(job: Job, number: int) -> list[tuple[BenchmarkCounts, list[tuple[Completion, bool]]]]:
    """Every evaluation of a round's model, each with its replies."""
    return [
        measure_one(job, number, measurement)
        for benchmark in job.benchmarks
        for measurement in evaluation.measurements(benchmark, job.config, job.prompts)
    ]


def measure_one(
    job: Job, number: int, measurement: Measurement
) -> tuple[BenchmarkCounts, list[tuple[Completion, bool]]]:
    """One evaluation, with its replies and whether each contains an answer."""
    items = measurement.benchmark.items
    right, whole, answers, said = {}, Counter[str](), Counter[str](), []
    indexes = tuple(range(measurement.samples))
    requests = {
        (each := evaluation.OwedItem(measurement, item, indexes).request(job.config.run.seed)).key: each
        for item in items
    }
    by_key = dict(zip(requests, items, strict=True))
    for completion in say(job, number, list(requests.values())):
        item, ended = by_key[completion.key], completion.finish_reason == "stop"
        if measurement.benchmark.kind == "choices":
            score = score_choice(completion.text, item)
        else:
            score = score_answer(completion.text, item.answer_key, finished=ended)
        strict, flexible = right.get(item.item_id, (0, 0))
        right[item.item_id] = strict + score.strict, flexible + score.flexible
        whole[item.item_id] += ended and score.answer_key is not None
        if score.answer_key is not None:
            answers[score.answer_key] += 1
        said.append((completion, score.answer_key is not None))
    benchmark, gold = measurement.benchmark, Counter(item.answer_key for item in items)
    prompt = measurement.prompt.name
    return BenchmarkCounts(
        benchmark.name, prompt, benchmark.role, measurement.samples, right, whole, answers, gold
    ), said


def replies(said: list[tuple[Completion, bool]]) -> ReplyCounts:
    """The replies counted as the store counts them."""
    ended = sum(completion.finish_reason == "stop" for completion, _ in said)
    return ReplyCounts(Counter(completion.tokens for completion, _ in said), ended, sum(found for _, found in said))


def intervals(simulations: int = 1000, pairs: int = 2000) -> dict[str, float]:
    """How often 95% intervals contain the true value, and how often McNemar's test finds a false difference."""
    random, held = np.random.default_rng(11), Counter[str]()
    for items in (100, 300, 1319):
        for before, gain, loss in ((0.1, 0.05, 0.02), (0.4, 0.12, 0.07), (0.8, 0.08, 0.1)):
            for _ in range(simulations):
                right = random.random(items) < before
                flipped = np.where(
                    right, random.random(items) < loss / before, random.random(items) < gain / (1 - before)
                )
                score = wilson(int(right.sum()), items)
                after = right ^ flipped
                compared = evaluation.mcnemar(dict(enumerate(right)), dict(enumerate(after)))
                low, high = paired_interval(compared)
                held[f"Wilson, {items} items, {before:.0%} right"] += score.low <= before <= score.high
                held[f"difference, {items} items, {before:.0%} right"] += low <= gain - loss <= high
    false = 0
    for _ in range(pairs):
        differing = random.binomial(200, 0.2)
        gained = random.binomial(differing, 0.5)
        outcomes = np.arange(differing) < gained
        false += evaluation.mcnemar(dict(enumerate(~outcomes)), dict(enumerate(outcomes))).p_value < 0.05
    coverage = {f"{name}: held, percent": round(100 * count / simulations, 1) for name, count in held.items()}
    return {**coverage, "McNemar's false positives, percent": round(100 * false / pairs, 2)}


if __name__ == "__main__":
    sys.exit(main())
