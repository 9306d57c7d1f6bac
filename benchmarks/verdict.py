"""How often is each word of a verdict said, and how often is it right, where the truth is known?

Simulates a base and a trained model (tests/simulated_skill.py) in many runs: nothing changed but single items, pure
sharpening, more skill, narrowing, fewer cut-off replies. A word is right if the population's true averages say so:
    better      the mean and the share of items with a right favourite answer are higher
    sharpened   the mean is higher, the share of right favourites differs by at most LEVEL (pass@k too or narrowed)
    likelier    the mean is higher, and among the replies that ended too
    narrowed    pass@k is lower
    worse       the mean or the share of right favourites is lower
    shorter     the mean is higher, but not among the replies that ended
    improved    the greedy score is higher, and among the replies that ended too; `got worse`: it is lower
    shorter (greedy)   the greedy score is higher, but not among the replies that ended
Pure sharpening that is called 'better' is counted apart.
    PYTHONPATH=tests python benchmarks/verdict.py --runs 1000
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from simulated_skill import NATURES, POPULATIONS, is_right, is_right_greedy, simulated_words

PURE_SHARPENING = ("a little sharper", "sharper", "greedy")


def main() -> None:
    """Print how often each word is said of each nature, and how often each word is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="runs of each nature (default: 1000)")
    parser.add_argument("--items", type=int, default=1000, help="items of the benchmark (default: 1000)")
    parser.add_argument("--samples", type=int, default=8, help="samples of each item (default: 8)")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    play = partial(of_nature, runs=options.runs, items=options.items, samples=options.samples)
    with ProcessPoolExecutor(options.processes) as pool:
        found = dict(zip(NATURES, pool.map(play, NATURES), strict=True))
    words = list(dict.fromkeys(word for said, _ in found.values() for word in said))
    totals = {w: (sum(said[w] for said, _ in found.values()), sum(ok[w] for _, ok in found.values())) for w in words}
    if options.json:
        by_nature = {name: dict(said) for name, (said, _) in found.items()}
        print(json.dumps({"runs": options.runs, "said": by_nature, "words": totals}, indent=1))
        return
    print(f"{options.runs} runs of each nature, {options.items} items, {options.samples} samples; % of runs")
    print(f"{'':<20}" + "".join(f"{word:>20}" for word in words))
    for name, (said, _) in found.items():
        print(f"{name:<20}" + "".join(f"{100 * said[word] / options.runs:>20.1f}" for word in words))
    print(f"{'said':<20}" + "".join(f"{totals[word][0]:>20,}" for word in words))
    print(f"{'right, %':<20}" + "".join(f"{100 * right / (said or 1):>20.1f}" for said, right in totals.values()))
    for name in PURE_SHARPENING:
        print(f"'better' of {name!r}: {100 * found[name][0]['better'] / options.runs:.1f}% of {options.runs}")


def of_nature(name: str, runs: int, items: int, samples: int) -> tuple[Counter[str], Counter[str]]:
    """How often each word was said of a nature, and how often it was right; the populations take turns."""
    said, right = Counter[str](), Counter[str]()
    random = np.random.default_rng([7, list(NATURES).index(name)])
    populations = list(POPULATIONS.values())
    for run in range(runs):
        population = populations[run % len(populations)]
        words, greedy_word = simulated_words(NATURES[name], population, items, samples, random)
        for word in words or ("no difference",):
            said[word] += 1
            right[word] += word == "no difference" or is_right(word, words, NATURES[name], population, samples)
        key = f"greedy {greedy_word}"
        said[key] += 1
        right[key] += is_right_greedy(greedy_word, NATURES[name], population)
    return said, right


if __name__ == "__main__":
    main()
