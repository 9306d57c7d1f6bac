"""Do the votes of several workers stay complete, and the labels the same, when workers are killed with SIGKILL?

    python benchmarks/killed_workers.py --kills 20
    python benchmarks/killed_workers.py --kills 20 --ray local

Draws the votes of some sums in one process, then with workers that are killed at random moments until there were
enough kills, and compares votes and labels. On a busy machine each start of a worker takes seconds.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

from crescent_lite.answers import find_answer
from crescent_lite.config import SamplingConfig
from crescent_lite.models import find_model
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.worker_pool import PooledSampler, hands_of


def main() -> int:
    """Draw without and with kills, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--votes", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--ray", default="", help="as sampling.ray")
    options = parser.parse_args()
    path, chance = Path(find_model(options.model).path), random.Random(7)
    generation = Generation(max_tokens=16, temperature=options.temperature)
    words = "What is {} + {}? Reply with the number only."
    asked = [
        Request(f"q{n}", words.format(n + 2, 3 * n + 1), generation, tuple(range(options.votes)), seed=5)
        for n in range(options.questions)
    ]
    whole = [(request.key, index) for request in asked for index in request.sample_indexes]
    alone = LlamaSampler(path, SamplingConfig(slots=8, threads=1))
    expected = {(c.key, c.sample_index): c.text for c in alone.sample(asked)}
    alone.close()
    kills = passes = lost = doubled = other = other_labels = 0
    while kills < options.kills:
        config = SamplingConfig(workers=options.workers, slots=8, threads=1, ray=options.ray)
        sampler = PooledSampler(path, hands_of(config, path), config)
        seen: list[Completion] = []
        next_kill = chance.randint(2, 12)
        began = time.monotonic()
        for completion in sampler.sample(asked):
            seen.append(completion)
            if len(seen) >= next_kill and kills < options.kills and len(seen) < len(whole) - 4:
                if victims := workers(options.ray):
                    chance.choice(victims).kill()
                    kills += 1
                next_kill = len(seen) + chance.randint(6, 16)
        sampler.close()
        passes += 1
        times = Counter((c.key, c.sample_index) for c in seen)
        texts = {(c.key, c.sample_index): c.text for c in seen}
        lost += sum(times[each] == 0 for each in whole)
        doubled += sum(times[each] > 1 for each in whole)
        other += sum(texts.get(each) != expected[each] for each in whole)
        other_labels += sum(label(texts, request) != label(expected, request) for request in asked)
        print(f"pass {passes}: {len(seen)} votes, {kills} kills so far, {time.monotonic() - began:.0f} s", flush=True)
    print(
        f"{kills} kills in {passes} passes of {len(whole)} votes: {lost} lost, {doubled} doubled, {other} with "
        f"another text than in one process, {other_labels} of {passes * len(asked)} labels different; "
        f"{len(workers(options.ray))} workers left over"
    )
    return 0


def label(texts: dict[tuple[str, int], str], request: Request) -> str:
    """The most frequent answer to a question; the first of equals."""
    answers = [find_answer(texts[request.key, index], finished=True) for index in request.sample_indexes]
    counted = Counter(answer.key for answer in answers if answer)
    return counted.most_common(1)[0][0] if counted else ""


def workers(ray: str) -> list[psutil.Process]:
    """The processes that draw, of this program or of a Ray cluster on this machine."""
    mark = "ray::RayProgram" if ray else "sampling.workers.program"
    found = []
    for process in psutil.process_iter() if ray else psutil.Process().children():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
