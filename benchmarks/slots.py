"""How does throughput depend on the number of slots? For one or more models, as JSON and as a plot.

Measures the steady state: votes on real questions are drawn without end, and tokens are counted for some seconds once
all slots are in use. Also prints the share of time inside llama.cpp's decode, which depends on the hardware.
    python benchmarks/slots.py MODEL.gguf [MODEL.gguf ...] --plot benchmarks/slots.svg --json
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path

from workload import vote_requests

from crescent_lite.config import SamplingConfig
from crescent_lite.sampling.llama import LlamaSampler

SLOTS = (1, 2, 4, 8, 16, 32, 48, 64, 96)
FILTERS = {"auto": None, "device": True, "processor": False}
WARM_UP_TOKENS = 12
"""Tokens drawn for each slot before counting starts; all slots are in use by then."""


def main() -> int:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=12.0, help="seconds to count at each point")
    parser.add_argument("--slots", type=int, nargs="+", default=list(SLOTS))
    parser.add_argument("--threads", type=int, default=0, help="llama.cpp's threads; 0 means as the sampler chooses")
    parser.add_argument("--contexts", type=int, default=0, help="contexts that take turns; 0 means two on a GPU")
    parser.add_argument(
        "--filter", choices=FILTERS, default="auto", help="where the likeliest candidates are picked: auto is the GPU"
    )
    parser.add_argument("--plot", type=Path, help="write an SVG (needs matplotlib)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = {}
    for model in options.models:
        measured[model.stem] = {slots: round(steady(model, slots, options), 1) for slots in options.slots}
        print(model.stem, measured[model.stem], file=sys.stderr, flush=True)
    if options.plot:
        draw(measured, options.plot)
    if options.json:
        print(json.dumps(measured))
    return 0


def steady(model: Path, slots: int, options: argparse.Namespace) -> float:
    """Tokens per second while all slots are in use."""
    config = SamplingConfig(slots=slots, threads=options.threads)
    sampler = LlamaSampler(model, config, filter_on_device=FILTERS[options.filter], contexts=options.contexts)
    counts: list[tuple[float, int]] = []

    def watch() -> None:
        while sampler.usage.tokens < slots * WARM_UP_TOKENS:
            time.sleep(0.05)
        counts.append((time.perf_counter(), sampler.usage.tokens))
        time.sleep(options.seconds)
        counts.append((time.perf_counter(), sampler.usage.tokens))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in sampler.sample(vote_requests(1200, votes=8)):
        if len(counts) == 2:
            break
    watcher.join()
    inside = sampler.usage.decode_seconds / sampler.usage.seconds
    print(f"{slots} slots: {inside:.0%} of the time inside llama.cpp's decode", file=sys.stderr, flush=True)
    sampler.close()
    (began, before), (ended, after) = counts
    return (after - before) / (ended - began)


def draw(measured: dict[str, dict[int, float]], path: Path) -> None:
    """Plot tokens per second against slots, one line for each model."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "slots"  # the same numbers give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, points in measured.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.set_xscale("log", base=2)
    slots = sorted({count for points in measured.values() for count in points})
    axes.set_xticks(slots, [str(count) for count in slots])
    axes.set_xlabel("sequences decoded together")
    axes.set_ylabel("tokens per second")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
