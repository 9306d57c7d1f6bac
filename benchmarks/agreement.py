"""Does batching change what a model says? Greedy replies, batched, against `Llama` one by one, token by token.

Every disagreement is explained by the gap between the two best logits at the token where the replies part: the last
bits of a logit depend on the shape of the batch, so a near tie may go either way. And the memory that a run took,
against the planner's estimate.
    python benchmarks/agreement.py --model MODEL.gguf --json
    python benchmarks/agreement.py --model MODEL.gguf --memory 8 32 64 --json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import llama_cpp
import numpy as np
import psutil
from workload import vote_requests

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.gguf_model import GgufModel
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
    parser.add_argument("--json", action="store_true", help="for the other benchmarks' sake: it always is JSON")
    options = parser.parse_args()
    if options.one_memory_run:
        result: object = memory(options.model, options.one_memory_run)
    elif options.memory:
        # Each in a process of its own: a peak is a process's.
        command = [sys.executable, __file__, "--model", str(options.model), "--one-memory-run"]
        outputs = [subprocess.check_output([*command, str(slots)], text=True) for slots in options.memory]
        result = [json.loads(output.splitlines()[-1]) for output in outputs]
    else:
        result = agreement(options.model, options.prompts, options.tokens, options.threads)
    print(json.dumps(result))
    return 0


def agreement(path: Path, prompts: int, tokens: int, threads: int) -> dict[str, object]:
    """How many greedy replies are the same, and at which gap the others part."""
    greedy = Generation(tokens, temperature=0)
    asked = [Request(r.key, r.user, greedy) for r in vote_requests(prompts, 1)]
    sampler = LlamaSampler(path, SamplingConfig(threads=threads))
    batched = {c.key: sampler._model.tokenize(c.text, special=False) for c in sampler.sample(asked)}
    encoded = {request.key: sampler._chat.encode(request.user) for request in asked}
    sampler.close()
    llama = llama_cpp.Llama(str(path), n_ctx=1024, n_threads=threads or None, logits_all=False, verbose=False)
    parted, agreed_tokens, all_tokens = [], 0, 0
    for request in asked:
        llama.reset()
        alone = []
        for token in llama.generate(encoded[request.key], temp=0.0, top_k=1, repeat_penalty=1.0, reset=True):
            if token == llama.token_eos() or len(alone) == tokens:
                break
            alone.append(token)
        ours = batched[request.key]
        same = next(
            (i for i, (a, b) in enumerate(zip(ours, alone, strict=False)) if a != b), min(len(ours), len(alone))
        )
        agreed_tokens += same
        all_tokens += max(len(ours), len(alone))
        if ours != alone:
            parted.append({"prompt": request.key, "at": same, "gap": gap(llama, encoded[request.key] + alone[:same])})
    return {
        "model": path.name,
        "prompts": prompts,
        "same": prompts - len(parted),
        "agreement": 1 - len(parted) / prompts,
        "tokens_before_parting": agreed_tokens / all_tokens,
        "parted": parted,
    }


def gap(llama: llama_cpp.Llama, tokens: list[int]) -> float:
    """Logits between the best and the second-best next token."""
    llama.reset()
    llama.eval(tokens)
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), (llama.n_vocab(),))
    second, best = np.sort(logits)[-2:]
    return round(float(best - second), 4)


def memory(path: Path, slots: int) -> dict[str, float]:
    """Peak of this process beyond what it took before the model was loaded, against the plan."""
    before = psutil.Process().memory_info().rss
    config = SamplingConfig(slots=slots)
    described = GgufModel(path, vocabulary_only=True)
    asked = vote_requests(max(2, slots // 4), 8, max_tokens=320)
    plan = plan_sampling(described.shape, config, 640, weights_loaded=False)
    described.close()
    sampler = LlamaSampler(path, SamplingConfig(slots=slots, context_tokens=plan.context_tokens))
    for number, _ in enumerate(sampler.sample(asked)):
        if number == 2 * slots:
            break
    peak = psutil.Process().memory_info().peak_wset if sys.platform == "win32" else peak_resident()
    return {
        "slots": slots,
        "planned_mb": round(plan.total_bytes / 1e6),
        "measured_mb": round((peak - before) / 1e6),
        "measured_over_planned": round((peak - before) / plan.total_bytes, 3),
    }


def peak_resident() -> int:
    """Bytes, as the kernel counted them."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
