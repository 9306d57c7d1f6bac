"""Tokens per second of batched voting against llama-cpp-python's own `Llama`, one completion after the other.

Both draw solutions of the same questions from the same model in one process, one after the other, each warmed up
first; the alternative draws fewer of them, because it is slow, and both are given as tokens a second.
    python benchmarks/sampling.py --model MODEL.gguf --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.llama import LlamaSampler

QUESTIONS = (
    "A baker makes 24 rolls an hour and sells them at $0.75 each. How much does she earn in 6 hours?",
    "A train travels 180 km in 2.5 hours. How far does it travel in 4 hours at the same speed?",
    "Tom has 3 boxes with 12 pencils each. He gives 9 pencils away. How many pencils are left?",
    "A garden is 14 m long and 9 m wide. How long is a fence around it with a gate of 2 m left open?",
)
SUFFIX = "\n\nSolve this step by step. At the end, write the final answer inside \\boxed{}."


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--votes", type=int, default=8, help="votes a question")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--alternative-samples", type=int, default=8)
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    generation = Generation(max_tokens=options.max_tokens, temperature=0.8)
    ours = measure_batched(options.model, generation, options.votes, options.slots)
    alternative = measure_one_by_one(options.model, generation, options.alternative_samples)
    result = {
        "model": options.model.name,
        "max_tokens": options.max_tokens,
        "votes": options.votes,
        "batched": ours,
        "one_by_one": alternative,
        "ratio": round(ours["tokens_per_second"] / alternative["tokens_per_second"], 2),
    }
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        for name in ("batched", "one_by_one"):
            print(f"{name:<11} {result[name]['tokens_per_second']:8.1f} tokens/s  ({result[name]})")
        print(f"ratio       {result['ratio']:8.2f}")
    return 0


def measure_batched(model: Path, generation: Generation, votes: int, slots: int) -> dict[str, float]:
    """crescent-lite's sampler: all votes of all questions, prompts and the tail included in the time."""
    sampler = LlamaSampler(model, SamplingConfig(slots=slots))
    list(sampler.sample([Request("warm-up", "Hello", Generation(max_tokens=8))]))
    requests = [
        Request(str(number), question + SUFFIX, generation, tuple(range(votes)), seed=1)
        for number, question in enumerate(QUESTIONS)
    ]
    began = time.perf_counter()
    tokens = sum(completion.tokens for completion in sampler.sample(requests))
    seconds = time.perf_counter() - began
    sampler.close()
    return {"tokens": tokens, "seconds": round(seconds, 2), "tokens_per_second": round(tokens / seconds, 2)}


def measure_one_by_one(model: Path, generation: Generation, samples: int) -> dict[str, float]:
    """`Llama.create_chat_completion`, as most programs use it. Its own prefix cache is left on."""
    from llama_cpp import Llama

    llama = Llama(str(model), n_ctx=1024, verbose=False)
    llama.create_chat_completion([{"role": "user", "content": "Hello"}], max_tokens=8)
    tokens, began = 0, time.perf_counter()
    for number in range(samples):
        reply = llama.create_chat_completion(
            [{"role": "user", "content": QUESTIONS[number * len(QUESTIONS) // samples] + SUFFIX}],
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            top_k=generation.top_k,
            top_p=generation.top_p,
            min_p=0.0,
            repeat_penalty=1.0,
            seed=number,
        )
        tokens += reply["usage"]["completion_tokens"]
    seconds = time.perf_counter() - began
    llama.close()
    return {"tokens": tokens, "seconds": round(seconds, 2), "tokens_per_second": round(tokens / seconds, 2)}


if __name__ == "__main__":
    sys.exit(main())
