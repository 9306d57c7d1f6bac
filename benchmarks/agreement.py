"""Does batching change what a model says? Compares greedy replies, batched, with those of `Llama` one by one.

For each pair of replies that differ, it gives the gap between the two best logits at the first different token: the
last bits of a logit depend on the shape of the batch, so a near tie may go either way. With --memory it compares the
memory used with the planner's estimate instead.
    python benchmarks/agreement.py --model MODEL.gguf --json
    python benchmarks/agreement.py --model MODEL.gguf --memory 8 32 64 --json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
from workload import vote_requests

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.llama import LlamaSampler, plan_sampling


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--memory", type=int, nargs="+", help="slot counts: measure memory instead")
    parser.add_argument("--one-memory-run", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--json", action="store_true", help="accepted as in the other scripts; the output is always JSON"
    )
    options = parser.parse_args()
    if options.one_memory_run:
        result: object = memory(options.model, options.one_memory_run)
    elif options.memory:
        # Each in a process of its own, because peak memory is measured per process.
        command = [sys.executable, __file__, "--model", str(options.model), "--one-memory-run"]
        outputs = [subprocess.check_output([*command, str(slots)], text=True) for slots in options.memory]
        result = [json.loads(output.splitlines()[-1]) for output in outputs]
    else:
        result = agreement(options.model, options.prompts, options.tokens, options.threads)
    print(json.dumps(result))
    return 0


def agreement(path: Path, prompts: int, tokens: int, threads: int) -> dict[str, object]:
    """How many greedy replies are the same, and at which gap the others start to differ.

    For comparison, how far llama.cpp agrees with itself: `Llama` reading the same prompts in pieces of 16 tokens
    instead of 512.
    """
    greedy = Generation(tokens, temperature=0)
    asked = [Request(r.key, r.user, greedy) for r in vote_requests(prompts, 1)]
    sampler = LlamaSampler(path, SamplingConfig(threads=threads))
    batched = {c.key: c.text for c in sampler.sample(asked)}
    encoded = {request.key: sampler._chat.encode(request.user) for request in asked}
    sampler.close()
    parted = []
    llama = open_llama(path, threads, batch=512)
    alone = {key: greedy_tokens(llama, prompt, tokens) for key, prompt in encoded.items()}
    for key, reply in alone.items():
        at = same_tokens(llama, reply, batched[key])
        if at < len(reply):
            parted.append({"prompt": key, "at": at, "gap": gap(llama, encoded[key] + reply[:at])})
    in_pieces = open_llama(path, threads, batch=16)
    itself = sum(greedy_tokens(in_pieces, prompt, tokens) == alone[key] for key, prompt in encoded.items())
    return {
        "model": path.name,
        "prompts": prompts,
        "agreement": 1 - len(parted) / prompts,
        "llama_with_itself": itself / prompts,
        "largest_gap": max((each["gap"] for each in parted), default=0),
        "parted": parted,
    }


def open_llama(path: Path, threads: int, batch: int) -> llama_cpp.Llama:
    """llama-cpp-python's own interface to the model."""
    return llama_cpp.Llama(str(path), n_ctx=1024, n_batch=batch, n_threads=threads or None, verbose=False)


def greedy_tokens(llama: llama_cpp.Llama, prompt: list[int], count: int) -> list[int]:
    """The most likely tokens, one after the other, up to the end of the turn."""
    reply: list[int] = []
    llama.reset()
    for token in llama.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0, reset=True):
        if len(reply) == count or llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(llama.model), token):
            break
        reply.append(token)
    return reply


def same_tokens(llama: llama_cpp.Llama, reply: list[int], text: str) -> int:
    """How many tokens of a reply agree with a text before they differ."""
    for count in range(1, len(reply) + 1):
        said = llama.detokenize(reply[:count]).decode("utf-8", "ignore")
        if not text.startswith(said):
            return count - 1
    return len(reply)


def gap(llama: llama_cpp.Llama, tokens: list[int]) -> float:
    """Difference between the two highest logits for the next token."""
    llama.reset()
    llama.eval(tokens)
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), (llama.n_vocab(),))
    second, best = np.sort(logits)[-2:]
    return round(float(best - second), 4)


def memory(path: Path, slots: int) -> dict[str, float]:
    """Peak memory of this process, less what it used before the model was loaded, compared with the plan."""
    before = psutil.Process().memory_info().rss
    config = SamplingConfig(slots=slots)
    described = GgufModel(path, vocabulary_only=True)
    asked = vote_requests(max(2, slots // 4), 8, max_tokens=24)
    plan = plan_sampling(described.shape, config, 640, weights_loaded=False)
    described.close()
    sampler = LlamaSampler(path, SamplingConfig(slots=slots, context_tokens=plan.context_tokens))
    for number, _ in enumerate(sampler.sample(asked)):
        if number == slots:
            break
    peak = peak_resident()
    return {
        "slots": slots,
        "planned_mb": round(plan.total_bytes / 1e6),
        "measured_mb": round((peak - before) / 1e6),
        "measured_over_planned": round((peak - before) / plan.total_bytes, 3),
    }


def peak_resident() -> int:
    """Peak resident memory of this process in bytes, as counted by the kernel."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
