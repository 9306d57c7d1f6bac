"""Is it faster to evaluate several benchmarks in one queue than one after the other?

    python benchmarks/evaluating.py --model MODEL.gguf --items 1000 --json

There are four benchmarks with two prompts each. The cost is given as a ratio: the seconds taken, divided by the
seconds that the same tokens would take at the best throughput, which is the speed in the middle of the queue, when
every slot is in use. The items are generated sums of similar length, so that the ratio depends on the queue, not on
the items.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from crescent_lite.config import SamplingConfig
from crescent_lite.evaluation import OwedItem, evaluate
from crescent_lite.records import Benchmark, BenchmarkItem, Generation, Measurement, PromptText
from crescent_lite.sampling.llama import LlamaSampler

BENCHMARKS = 4
PROMPTS = {"bare": "{question}", "solve": "{question} Think step by step."}
MIDDLE = (0.2, 0.8)
"""The part of the tokens whose speed counts as the best throughput."""


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1000, help="number of items over all benchmarks and prompts")
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    plan = queues(options.items, options.max_tokens)
    sampler = LlamaSampler(options.model, SamplingConfig(slots=options.slots))
    one = measure(sampler, [[asked for queue in plan for asked in queue]])
    apart = measure(sampler, plan)
    best = one["best_tokens_per_second"]
    result = {
        "model": options.model.name,
        "items": options.items,
        "evaluations": len(plan),
        "best_tokens_per_second": round(best, 1),
        "one_queue": _side(one, best),
        "one_after_the_other": _side(apart, best),
        "speed_up": round(apart["seconds"] * one["tokens"] / (one["seconds"] * apart["tokens"]), 3),
    }
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    return 0


def queues(items: int, max_tokens: int) -> list[list[OwedItem]]:
    """One queue for each evaluation; the last benchmark has short replies."""
    each = items // (BENCHMARKS * len(PROMPTS))
    found = []
    for number in range(BENCHMARKS):
        questions = tuple(
            BenchmarkItem(str(n), f"What is {n % 89 + 10} + {n // 89 + 7 * number + 11}?", "0", "n:0")
            for n in range(each)
        )
        benchmark = Benchmark(f"sums-{number}", "made here", str(number), questions)
        limit = max_tokens if number < BENCHMARKS - 1 else 16
        for name, text in PROMPTS.items():
            way = Measurement(benchmark, PromptText(name, text, name), Generation(limit, temperature=0))
            found.append([OwedItem(way, item, (0,)) for item in questions])
    return found


def measure(sampler: LlamaSampler, plan: Sequence[Sequence[OwedItem]]) -> dict[str, float]:
    """Seconds and tokens for all queues, and the speed in the middle of the last one."""
    began, before = time.perf_counter(), sampler.usage.tokens
    times: list[tuple[float, int]] = []
    for queue in plan:
        times = []
        for _ in evaluate(sampler, queue, seed=1):
            times.append((time.perf_counter(), sampler.usage.tokens))
    seconds, tokens = time.perf_counter() - began, sampler.usage.tokens - before
    first, last = (times[int(len(times) * part)] for part in MIDDLE)
    speed = (last[1] - first[1]) / (last[0] - first[0])
    return {"seconds": seconds, "tokens": tokens, "best_tokens_per_second": speed}


def _side(side: dict[str, float], best: float) -> dict[str, float]:
    return {
        "seconds": round(side["seconds"], 1),
        "tokens": round(side["tokens"]),
        "over_its_tokens_at_best": round(side["seconds"] * best / side["tokens"], 3),
    }


if __name__ == "__main__":
    sys.exit(main())
