"""How near is the sampler to llama.cpp's own generation (`llama-batched-bench`) with as many sequences?

Both take turns, so that other work on the machine affects both; each line is one turn, the last one the medians. The
program decodes one token for each sequence and draws nothing; the sampler draws votes on real questions, with prompts
that are read in between and slots that are filled again. It should be built from the llama.cpp that the installed
llama-cpp-python carries, against its libraries (`benchmarks/build_batched_bench.sh`).
    python benchmarks/ceiling.py MODEL.gguf build/llama-batched-bench --slots 64 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from slots import FILTERS, steady

from crescent_lite.sampling.machine_limits import allowed_threads

PROMPT, DRAWN = 128, 64
"""Tokens of the shared prompt and of each sequence in llama-batched-bench: about the length of a vote under way."""


def main() -> int:
    """Measure in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("program", type=Path, help="llama-batched-bench")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="seconds to count the sampler's tokens")
    parser.add_argument("--threads", type=int, default=0, help="0 means as many as the sampler takes")
    parser.add_argument("--contexts", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--filter", choices=FILTERS, default="auto", help=argparse.SUPPRESS)
    options = parser.parse_args()
    ours, theirs = [], []
    for _ in range(options.repeats):
        theirs.append(generation(options))
        ours.append(steady(options.model, options.slots, options))
        print(f"llama-batched-bench {theirs[-1]:.1f}, sampler {ours[-1]:.1f}", file=sys.stderr, flush=True)
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    found = {
        "model": options.model.name,
        "slots": options.slots,
        "batched_bench": round(statistics.median(theirs), 1),
    }
    found |= {"sampler": round(statistics.median(ours), 1), "ratio": round(statistics.median(ratios), 3)}
    print(json.dumps(found | {"ratios": [round(ratio, 3) for ratio in ratios]}))
    return 0


def generation(options: argparse.Namespace) -> float:
    """Tokens a second that llama-batched-bench generates."""
    threads = options.threads or allowed_threads()
    command = [options.program, "-m", options.model, "-c", options.slots * 256, "-npp", PROMPT, "-ntg", DRAWN]
    command += ["-npl", options.slots, "-pps", "-b", 256, "-ub", 256, "-t", threads, "-tb", threads]
    ended = subprocess.run(
        [*map(str, command), "--output-format", "jsonl"], capture_output=True, text=True, check=True
    )
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("{"))
    return float(json.loads(line)["speed_tg"])


if __name__ == "__main__":
    sys.exit(main())
