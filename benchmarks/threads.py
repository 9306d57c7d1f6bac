"""How should llama.cpp's threads wait, so that sampling is fast alone and keeps its share beside other work?

    python benchmarks/threads.py --seconds 2 --repeats 5

Each setting has a process with the model loaded. They take turns, alone and beside busy processes, so that a machine
that becomes slower meanwhile makes all of them slower. Nothing else should run. A spin is one turn of libgomp's
waiting loop (GOMP_SPINCOUNT); 'product' is what `crescent` sets itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from crescent_lite.config import SamplingConfig
from crescent_lite.models import embedded_path
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.machine_limits import allowed_threads

LIBRARY_SPINS = 300_000
"""libgomp's own number where no variable is set, which the other settings are compared with."""
BATCHED = Request("votes", "What is 17 + 25? Explain each step.", Generation(48, temperature=0.8), tuple(range(32)))
SINGLE = Request("one", "What is 17 + 25? Explain each step.", Generation(48, temperature=0.8))
WORKLOADS = {"batched": BATCHED, "single": SINGLE}


class TimeIsUp(Exception):  # noqa: N818  it was asked for
    """Ends a measurement."""


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=None, help="default: the embedded model")
    parser.add_argument("--threads", type=int, default=allowed_threads())
    parser.add_argument("--spins", type=int, nargs="*", default=[0, 1_000, 10_000])
    parser.add_argument("--busy", type=int, nargs="*", default=[1, 2], help="numbers of busy processes beside it")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=["batched"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = options.model or embedded_path()
    if options.child:
        return serve(model, options.child)
    speeds = measured(model, options)
    if options.json:
        print(json.dumps({f"{name}, {where}": values for (name, where), values in speeds.items()}))
    else:
        print_table(speeds, options)
    return 0


def measured(model: Path, options: argparse.Namespace) -> dict[tuple[str, str], list[float]]:
    """Tokens per second of each repeat, by setting and by what it ran beside."""
    settings: dict[str, tuple[int, dict[str, str]]] = {
        "library's own": (options.threads, {"GOMP_SPINCOUNT": str(LIBRARY_SPINS)}),
        "product": (options.threads, {}),
        **{f"{spins:,} spins": (options.threads, {"GOMP_SPINCOUNT": str(spins)}) for spins in options.spins},
        "one thread": (1, {}),
    }
    speeds: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        samplers = {
            name: stack.enter_context(sampling_process(model, threads, variables))
            for name, (threads, variables) in settings.items()
        }
        for number in range(options.repeats):
            print(f"repeat {number + 1} of {options.repeats}", file=sys.stderr, flush=True)
            for workload in options.workloads:
                for neighbours in (0, *options.busy):
                    with busy_processes(neighbours):
                        for name, process in samplers.items():
                            where = f"{workload}, beside {neighbours}"
                            speed = ask(process, workload, options.seconds)
                            speeds.setdefault((name, where), []).append(speed)
    return speeds


def print_table(speeds: dict[tuple[str, str], list[float]], options: argparse.Namespace) -> None:
    """One line for each setting: its speed alone, and the ratios that decide."""
    for workload in options.workloads:
        alone = f"{workload}, beside 0"
        reference = speeds["library's own", alone]
        print(f"{workload}: tokens/s alone; ratio to the library's own alone; share kept beside busy processes")
        for name in dict.fromkeys(name for name, _ in speeds):
            line = f"{name:>14}{statistics.median(speeds[name, alone]):8.0f}"
            line += f"{ratio(speeds[name, alone], reference):8.2f}"
            for neighbours in options.busy:
                kept = ratio(speeds[name, f"{workload}, beside {neighbours}"], reference)
                fair = fair_share(options.threads, neighbours)
                line += f"   {neighbours} busy: {kept:.2f} ({kept / fair:.2f} of a fair {fair:.2f})"
            print(line)


def ratio(speeds: list[float], reference: list[float]) -> float:
    """Median of the ratios of measurements that were made in the same repeat."""
    return statistics.median(a / b for a, b in zip(speeds, reference, strict=True))


def fair_share(threads: int, neighbours: int) -> float:
    """The speed, in terms of the speed alone, when the kernel gives every runnable thread the same time."""
    processors = len(os.sched_getaffinity(0))
    return min(1.0, processors / (threads + neighbours)) if threads + neighbours > processors else 1.0


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def sampling_process(model: Path, threads: int, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process with the model loaded that measures when it is asked to."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, __file__, "--child", str(threads), "--model", str(model)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**inherited, **variables}
    ) as process:
        for workload in WORKLOADS:  # the first measurement of each would contain the prompt
            ask(process, workload, 0.1)
        yield process
        assert process.stdin
        process.stdin.close()


def ask(process: subprocess.Popen[str], workload: str, seconds: float) -> float:
    """Tokens per second of a measurement in a sampling process."""
    assert process.stdin and process.stdout
    print(workload, seconds, file=process.stdin, flush=True)
    return float(process.stdout.readline())


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """This many processes that compute without a pause."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    time.sleep(0.2)  # started, and the samplers' threads have stopped waiting for work
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


def serve(model: Path, threads: int) -> int:
    """In a sampling process: measure each workload that is named on stdin, for as long as is said there."""
    sampler = LlamaSampler(model, SamplingConfig(threads=threads, slots=32))
    for line in sys.stdin:
        workload, seconds = line.split()
        print(tokens_per_second(sampler, WORKLOADS[workload], float(seconds)), flush=True)
    sampler.close()
    return 0


def tokens_per_second(sampler: LlamaSampler, request: Request, seconds: float) -> float:
    """Sample the request again and again for so long; a decode that has begun is finished."""
    began, before = time.perf_counter(), sampler.usage.tokens

    def stop_in_time(_key: str, _text: str) -> None:
        if time.perf_counter() - began > seconds:
            raise TimeIsUp

    with suppress(TimeIsUp):
        while True:
            for _ in sampler.sample([request], stop_in_time):
                pass
    return (sampler.usage.tokens - before) / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
