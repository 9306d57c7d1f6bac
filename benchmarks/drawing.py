"""How long does it take to draw a token from all logits, from candidates that numpy picked, and from the device's?

Each way draws in its own context, at the same number of slots, in turns; the result is the median over the steps. All
ways must draw the same tokens, which is checked. `decode` is the time inside llama.cpp's decode, which copies the
logits: the device's candidates make it shorter on a GPU.
    python benchmarks/drawing.py MODEL.gguf --slots 64 128
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from crescent_lite.config import SamplingConfig
from crescent_lite.records import Generation
from crescent_lite.sampling.drawing import Draw
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext, can_filter_on_device
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.llama import plan_sampling
from crescent_lite.sampling.machine_limits import allowed_threads
from crescent_lite.sampling.waiting import sampler_chain

TOP_K = 64
GENERATION = Generation(64, temperature=0.8, top_k=TOP_K)


def main() -> int:
    """Measure and print one line for each number of slots."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--slots", type=int, nargs="+", default=[64])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--drawing-threads", type=int, default=0, help="0 means half of the processor's")
    options = parser.parse_args()
    model = GgufModel(options.model)
    for slots in options.slots:
        print(json.dumps(measured(model, slots, options)), flush=True)
    model.close()
    return 0


def measured(model: GgufModel, slots: int, options: argparse.Namespace) -> dict[str, object]:
    """Microseconds a token of each way, and its ratio to drawing from all logits."""
    config = SamplingConfig(slots=slots)
    plan = plan_sampling(model.shape, config, 32 + options.steps, weights_loaded=True, contexts=1)
    drawing = options.drawing_threads or max(1, allowed_threads(per_core=False) // 2)
    ways = {"all logits": 0, "numpy": 0} | ({"device": TOP_K} if can_filter_on_device() else {})
    contexts = {
        way: KvContext(
            model, plan, threads=allowed_threads(), drawing_threads=drawing, candidates_on_device=candidates
        )
        for way, candidates in ways.items()
    }
    chains = {way: [sampler_chain(GENERATION, seed) for seed in range(slots)] for way in ways}
    last = {way: [[5 + slot, 7] for slot in range(slots)] for way in ways}
    draw_seconds: dict[str, list[float]] = {way: [] for way in ways}
    decode_seconds: dict[str, list[float]] = {way: [] for way in ways}
    differing = 0
    for step in range(options.steps):
        for way, context in contexts.items():
            before = context.decode_seconds
            for begin in range(0, slots, plan.batch_tokens // 2):  # the first step has two tokens for each slot
                part = range(begin, min(slots, begin + plan.batch_tokens // 2))
                context.decode([(slot, last[way][slot], True) for slot in part])
                began = time.perf_counter()
                draws = [
                    Draw(number, chains[way][slot], 0 if way == "all logits" else TOP_K)
                    for number, slot in enumerate(part)
                ]
                tokens = context.draw(draws)
                spent = time.perf_counter() - began
                for slot, token in zip(part, tokens, strict=True):
                    last[way][slot] = [token]
                draw_seconds[way].append(spent / len(part))
            decode_seconds[way].append((context.decode_seconds - before) / slots)
        if step:  # the first step warms up
            differing += sum(len({last[way][slot][0] for way in ways}) > 1 for slot in range(slots))
    for way, context in contexts.items():
        context.close()
        for chain in chains[way]:
            llama_cpp.llama_sampler_free(chain)
    draws = {way: statistics.median(values) * 1e6 for way, values in draw_seconds.items()}
    decodes = {way: statistics.median(values) * 1e6 for way, values in decode_seconds.items()}
    whole = draws["all logits"] + decodes["all logits"]
    return {
        "model": model.path.name,
        "slots": slots,
        "draw_us": {way: round(value, 1) for way, value in draws.items()},
        "decode_us": {way: round(value, 1) for way, value in decodes.items()},
        "ratio_of_step": {way: round((draws[way] + decodes[way]) / whole, 3) for way in ways},
        "tokens_that_differ": differing,
    }


if __name__ == "__main__":
    sys.exit(main())
