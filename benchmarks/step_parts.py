"""How much of a decode's time goes to the layers, to the output layer, and to attention over separate sequences?

Compares three decodes with the same number of tokens: one sequence without logits (the layers only), one sequence
with all logits (adds the output layer), and as many sequences as tokens, each with a past (adds their attention).
Each is the fastest of seven.
    python benchmarks/step_parts.py --model MODEL.gguf --tokens 16 32 64 --past 200
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp

REPEATS = 7


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--past", type=int, default=200)
    parser.add_argument("--flash-attention", type=int, choices=(-1, 0, 1), default=-1)
    parser.add_argument("--unified", action="store_true", help="one pool of cells for all sequences")
    options = parser.parse_args()
    model = GgufModel(options.model)
    for count in options.tokens:
        layers = Steps(model, count, 1, options).least(first=0, sequences=1, logits=False)
        both = Steps(model, count, 1, options).least(first=0, sequences=1, logits=True)
        everything = Steps(model, count, count, options).least(first=options.past, sequences=count, logits=True)
        parts = {"layers": layers, "output_layer": both - layers, "own_sequences": everything - both}
        print(json.dumps({"tokens": count, **{name: round(s / count * 1e3, 2) for name, s in parts.items()}}))
    print("milliseconds per token", file=sys.stderr)
    return 0


class Steps:
    """A llama.cpp context in which the same decode is repeated."""

    def __init__(self, model: GgufModel, tokens: int, sequences: int, options: argparse.Namespace) -> None:
        params = llama_cpp.llama_context_default_params()
        params.n_seq_max = sequences
        params.n_ctx = sequences * (512 + options.past)
        params.n_batch = params.n_ubatch = params.n_outputs_max = max(tokens, options.past)
        params.n_threads = params.n_threads_batch = len(os.sched_getaffinity(0))
        params.flash_attn_type = options.flash_attention
        params.kv_unified = options.unified
        self._tokens = tokens
        self._context = llama_cpp.llama_init_from_model(model.handle, params)
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)

    def least(self, *, first: int, sequences: int, logits: bool) -> float:
        """Seconds of the fastest decode. Each sequence already holds `first` tokens."""
        memory = llama_cpp.llama_get_memory(self._context)
        if first:
            self._decode([(0, position, False) for position in range(first)])
            for sequence in range(1, sequences):
                llama_cpp.llama_memory_seq_cp(memory, 0, sequence, -1, -1)
        seconds = []
        for _ in range(REPEATS + 1):
            if sequences == 1:
                entries = [(0, position, logits) for position in range(self._tokens)]
            else:
                entries = [(sequence, first, logits) for sequence in range(sequences)]
            began = time.perf_counter()
            self._decode(entries)
            seconds.append(time.perf_counter() - began)
            for sequence in range(sequences):
                llama_cpp.llama_memory_seq_rm(memory, sequence, first, -1)
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        return min(seconds[1:])

    def _decode(self, entries: list[tuple[int, int, bool]]) -> None:
        self._batch.n_tokens = len(entries)
        for index, (sequence, position, wants_logits) in enumerate(entries):
            self._batch.token[index] = 1000 + index
            self._batch.pos[index] = position
            self._batch.n_seq_id[index] = 1
            self._batch.seq_id[index][0] = sequence
            self._batch.logits[index] = wants_logits
        if llama_cpp.llama_decode(self._context, self._batch):
            raise SystemExit("llama.cpp cannot decode the batch")
        llama_cpp.llama_synchronize(self._context)


if __name__ == "__main__":
    sys.exit(main())
