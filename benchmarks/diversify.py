"""How fast is the duplicate index, and does it find what brute force finds? Also compares it with other indexes.

The questions are generated from situations, names, things and operations in many combinations. Half of the queries
are planted near-duplicates: kept questions with some words, letters, names, punctuation or numbers changed. Recall
and precision are measured against `fuzz.ratio` applied to every kept question. With --others, the script also
measures SQLite's FTS5 with trigrams and MinHash (needs datasketch).
    python benchmarks/diversify.py --json
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rapidfuzz import fuzz, process

from crescent_lite.questions.duplicates import DuplicateIndex, Match, agreeing, numbers, template

THRESHOLD = 85.0
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 200_000)


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument(
        "--queries", type=int, default=2_000, help="number of queries; half of them are planted near-duplicates"
    )
    parser.add_argument(
        "--brute-queries", type=int, default=300, help="number of queries that brute force answers too"
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=SIZES,
        help="numbers of questions for which the growth of the cost is measured",
    )
    parser.add_argument("--others", action="store_true", help="measure FTS5's trigrams and MinHash too")
    parser.add_argument("--plot", type=Path, help="write the growth as SVG (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    chance = random.Random(7)
    kept = list(questions(options.questions, chance))
    queries = list(planted(kept, options.queries, chance))
    result: dict[str, object] = {"questions": len(kept), "threshold": THRESHOLD}

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    index = DuplicateIndex(THRESHOLD)
    for number, text in enumerate(kept):
        index.add(number, text)
    result["build_seconds"] = round(time.perf_counter() - began, 2)
    result["memory_mb"] = round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    found, seconds = timed(index.nearest, queries)
    result |= quantiles("nearest", seconds)

    brute = BruteForce(kept)
    some = queries[: options.brute_queries]
    expected, brute_seconds = timed(brute.nearest, some)
    result |= quantiles("brute_force", brute_seconds)
    result["ratio_to_brute_force"] = round(statistics.mean(brute_seconds) / statistics.mean(seconds), 1)
    result |= agreement(expected, found[: len(some)])
    if options.others:
        for name, other in (("fts5_trigram", FtsIndex(kept)), ("minhash_lsh", MinHashIndex(kept))):
            theirs, their_seconds = timed(other.nearest, some)
            result |= {f"{name}_{key}": value for key, value in agreement(expected, theirs).items()}
            result |= quantiles(name, their_seconds) | {f"{name}_build_seconds": round(other.build_seconds, 1)}
    result["growth"] = growth = [
        {"questions": size, "seconds": round(stream(size), 2)} for size in sorted(options.sizes)
    ]
    if options.plot:
        plot(growth, options.plot)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<28} {value}")
    return 0


# ── the questions ────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = (
    "Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Leo", "Mona",
    "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Samir", "Tara", "Uma", "Viktor", "Wanda", "Xenia", "Yusuf",
    "Zora", "Amir", "Bella", "Cem", "Dora", "Emil", "Fiona", "Georg", "Hana", "Igor", "Julia", "Karim", "Lena",
    "Milan", "Noor",
)  # fmt: skip
THINGS = (
    "apples", "pencils", "marbles", "tickets", "stickers", "eggs", "books", "candles", "bottles", "buttons",
    "shells", "lamps", "chairs", "kites", "ribbons", "stamps", "melons", "plates", "carrots", "bricks",
    "notebooks", "tulips", "cookies", "balloons", "coins", "cards", "ropes", "tents", "spoons", "hats",
)  # fmt: skip
PLACES = (
    "at the market", "in the school hall", "on a farm near the river", "in a small bakery", "at the harbour",
    "during the summer camp", "in the library", "at the station", "in grandmother's kitchen",
    "on the football ground", "in a toy shop", "at the museum", "in the botanical garden", "at a wedding",
    "on a long ferry trip", "in the repair shop", "at the county fair", "in the chess club",
    "beside the swimming pool", "in the post office",
)  # fmt: skip
BEGINNINGS = (
    "{n} starts the day with {a} {t} {p}.",
    "There are {a} {t} {p}, and {n} has to look after them.",
    "{p}, {n} counts {a} {t} before lunch.",
    "{n} and a cousin of hers collect {a} {t} {p}.",
    "A box that {n} found {p} holds {a} {t}.",
    "Every week {n} buys {a} {t} {p}.",
    "{n} wants to share {a} {t} among the guests {p}.",
    "For a project {n} needs {a} {t}, which can be had {p}.",
)
MIDDLES = (
    "Then {b} of the {t} are given to {m}, who is very happy.",
    "A visitor called {m} brings {b} more {u}, wrapped in paper.",
    "Each of the {t} costs {b} cents, while one of the {u} costs twice as much.",
    "After a storm {b} of them are broken, and {m} repairs half of those.",
    "{m} packs them in bags of {b} and puts one of the {u} into each bag.",
    "During the afternoon {b} {u} are sold to {m} for a good price.",
    "The {u} of {m} weigh {b} grams each, which is less than expected.",
    "Because of the rain only {b} people come, {m} among them.",
    "{m} walks {b} kilometres to fetch the {u} and comes back by bus.",
    "On the next day {b} percent of the {u} are missing, says {m}.",
)
ENDINGS = (
    "How many {t} are left in the evening?",
    "How much money does {n} have to pay in the end?",
    "How many bags with {u} can be filled, and nothing left over, for {c} guests?",
    "What is the total after {c} days?",
    "How many {u} does everybody get when {c} children share them?",
    "If all goes on like this, how many {t} will there be after {c} weeks?",
    "How many more {t} than {u} does {n} own if {c} are lost?",
    "What fraction of the {t} is still there when {c} have been eaten?",
)


def questions(count: int, chance: random.Random) -> Iterator[str]:
    """Generate different questions. Most of them are not near-duplicates of each other by the rule."""
    seen: set[str] = set()
    while len(seen) < count:
        name, friend = chance.sample(NAMES, 2)
        thing, other = chance.sample(THINGS, 2)
        parts = [chance.choice(BEGINNINGS), *chance.sample(MIDDLES, chance.randint(2, 4)), chance.choice(ENDINGS)]
        text = " ".join(parts).format(
            n=name,
            m=friend,
            t=thing,
            u=other,
            p=chance.choice(PLACES),
            a=chance.randint(12, 400),
            b=chance.randint(2, 60),
            c=chance.randint(2, 30),
        )
        text = text[0].upper() + text[1:]
        if text not in seen:
            seen.add(text)
            yield text


def planted(kept: list[str], count: int, chance: random.Random) -> Iterator[str]:
    """Generate queries: every second one is a kept question with small changes; the others are new."""
    fresh = questions(count, random.Random(99))
    for number in range(count):
        yield disguised(chance.choice(kept), chance) if number % 2 else next(fresh)


def disguised(text: str, chance: random.Random) -> str:
    """A question with slightly different words, or with other numbers."""
    changes: list[Callable[[str], str]] = [
        lambda t: t.replace(" are ", " were "),
        lambda t: t.replace("How many", "Tell how many").replace("?", "."),
        lambda t: t.replace(", ", " "),
        lambda t: t.replace(" the ", " all the ", 2),
        lambda t: "".join(c for i, c in enumerate(t) if i % 29),
        lambda t: t.replace(next((n for n in NAMES if n in t), "?"), chance.choice(NAMES)),
        lambda t: " ".join(str(int(w) + 1) if w.isdigit() and chance.random() < 0.5 else w for w in t.split()),
        lambda t: t.upper() if chance.random() < 0.1 else t,
    ]
    for change in chance.sample(changes, chance.randint(1, 3)):
        text = change(text)
    return text


# ── brute force, and other indexes ───────────────────────────────────────────────────────────────────────────────


class BruteForce:
    """The same rule, applied to every known template."""

    def __init__(self, kept: list[str]) -> None:
        self._templates = [template(text) for text in kept]
        self._numbers = [agreeing(template(text), numbers(text)) for text in kept]

    def nearest(self, text: str) -> Match | None:
        """The nearest match, as `DuplicateIndex.nearest` defines it."""
        return self.decide(text, range(len(self._templates)))

    def decide(self, text: str, positions: range | list[int]) -> Match | None:
        """The nearest match among the templates at these positions."""
        key = agreeing(template(text), numbers(text))
        templates = self._templates if isinstance(positions, range) else [self._templates[p] for p in positions]
        alike = process.extract(template(text), templates, scorer=fuzz.ratio, score_cutoff=THRESHOLD, limit=None)
        if not alike:
            return None
        best = max(
            alike, key=lambda found: (self._numbers[positions[found[2]]] == key, found[1], -positions[found[2]])
        )
        position = positions[best[2]]
        rule = "near_duplicate" if self._numbers[position] == key else "same_template"
        return Match(position, rule, best[1], len(alike))


class FtsIndex(BruteForce):
    """Candidates from SQLite's FTS5 with its trigram tokenizer, by bm25."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(kept)
        began = time.perf_counter()
        self._database = sqlite3.connect(":memory:")
        self._database.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='trigram', detail=none)")
        self._database.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", list(enumerate(self._templates)))
        self.build_seconds = time.perf_counter() - began

    def nearest(self, text: str) -> Match | None:
        """The nearest match among the 48 best candidates."""
        shape = template(text)
        words = sorted({word for word in shape.split() if len(word) > 3}, key=len)[-8:]
        wanted = " OR ".join(f'"{word[:3]}"' for word in words if '"' not in word) or '"xyz"'
        rows = self._database.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT 48", [wanted])
        return self.decide(text, [row[0] for row in rows])


class MinHashIndex(BruteForce):
    """Candidates from datasketch's MinHash LSH over triples of words."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(kept)
        import datasketch

        self._sketch = datasketch.MinHash
        began = time.perf_counter()
        self._index = datasketch.MinHashLSH(threshold=0.4, num_perm=64)
        with self._index.insertion_session() as session:
            for position, shape in enumerate(self._templates):
                session.insert(position, self._hashed(shape), check_duplication=False)
        self.build_seconds = time.perf_counter() - began

    def _hashed(self, shape: str) -> object:
        words = shape.split()
        sketch = self._sketch(num_perm=64)
        sketch.update_batch([" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))])
        return sketch

    def nearest(self, text: str) -> Match | None:
        """The nearest match among the texts that share a bucket with this one."""
        return self.decide(text, sorted(self._index.query(self._hashed(template(text)))))


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def timed(nearest: Callable[[str], Match | None], queries: list[str]) -> tuple[list[Match | None], list[float]]:
    """The answer to each query, and the seconds that each took."""
    answers, seconds = [], []
    for text in queries:
        began = time.perf_counter()
        answers.append(nearest(text))
        seconds.append(time.perf_counter() - began)
    return answers, seconds


def quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"{name}_ms_median": round(1000 * ordered[len(ordered) // 2], 3),
        f"{name}_ms_p99": round(1000 * ordered[int(len(ordered) * 0.99)], 3),
    }


def agreement(expected: list[Match | None], found: list[Match | None]) -> dict[str, float | int]:
    """Recall and precision of `found`, where `expected` is the result of brute force."""
    pairs = list(zip(expected, found, strict=True))
    both = sum(bool(e and f and e.rule == f.rule) for e, f in pairs)
    alike, said = sum(e is not None for e, _ in pairs), sum(f is not None for _, f in pairs)
    return {
        "alike_by_brute_force": alike,
        "near_duplicates_by_brute_force": sum(bool(e and e.rule == "near_duplicate") for e in expected),
        "recall": round(both / alike, 4) if alike else 1.0,
        "precision": round(both / said, 4) if said else 1.0,
    }


def stream(size: int) -> float:
    """Seconds to look up and then add each of `size` questions, as a run does."""
    index = DuplicateIndex(THRESHOLD)
    texts = list(questions(size, random.Random(3)))
    began = time.perf_counter()
    for number, text in enumerate(texts):
        index.nearest(text)
        index.add(number, text)
    return time.perf_counter() - began


def plot(growth: list[dict[str, float]], path: Path) -> None:
    """Plot seconds against number of questions, with a linear and a quadratic line through the first point."""
    import matplotlib.pyplot as plt

    sizes, seconds = [g["questions"] for g in growth], [g["seconds"] for g in growth]
    plt.figure(figsize=(6, 4))
    plt.loglog(sizes, seconds, "o-", label="ask and add, total")
    plt.loglog(sizes, [seconds[0] * size / sizes[0] for size in sizes], ":", label="linear")
    plt.loglog(sizes, [seconds[0] * (size / sizes[0]) ** 2 for size in sizes], "--", label="quadratic")
    plt.xlabel("questions")
    plt.ylabel("seconds")
    plt.legend()
    plt.tight_layout()
    plt.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
