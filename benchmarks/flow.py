"""Over thousands of short samples, does the speed stay the same, does memory grow, and how slow are the last samples?

    python benchmarks/flow.py --model MODEL.gguf --samples 10000 --json

Also gives the fraction of the time spent outside llama.cpp's decode.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import psutil

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.llama import LlamaSampler

WINDOWS = 20
"""Number of equal parts of the samples that are compared; the last part is the last 5%."""


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--votes", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=6)
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    drawn = Generation(options.max_tokens, temperature=0.8)
    requests = [
        Request(f"q{n}", f"What is {n % 97} + {n // 97 + 3}?", drawn, tuple(range(options.votes)), seed=1)
        for n in range(options.samples // options.votes)
    ]
    sampler = LlamaSampler(options.model, SamplingConfig(slots=options.slots))
    process, size = psutil.Process(), options.samples // WINDOWS
    rates, memory, outside = [], [], []
    began, tokens, decoding = time.perf_counter(), 0, 0.0
    for number, completion in enumerate(sampler.sample(requests), 1):
        tokens += completion.tokens
        if number % size == 0:
            now, decoded = time.perf_counter(), sampler.usage.decode_seconds
            rates.append(tokens / (now - began))
            outside.append(1 - (decoded - decoding) / (now - began))
            memory.append(process.memory_info().rss / 1e6)
            began, tokens, decoding = now, 0, decoded
    result = {
        "model": options.model.name,
        "samples": options.samples,
        "tokens_per_second": [round(rate, 1) for rate in rates],
        "slowest_over_median": round(min(rates[1:-1]) / statistics.median(rates[1:-1]), 3),
        "last_five_percent_over_median": round(rates[-1] / statistics.median(rates[1:-1]), 3),
        "share_outside_decode": [round(outside[1], 4), round(outside[-2], 4)],
        "memory_mb": [round(memory[0]), round(memory[-1])],
    }
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
