"""How often is an answer read right, wrong or not at all? By known inputs, GSM8K, LaTeX golds and math-verify.

Five measurements, each with a file of its own; the wrong ones are printed with what was read.
    --pairs      replies by people who had not seen the code: the same value, another value, none (tests/answer_pairs)
    --cases      inputs from other tools' bug reports with the right keys (tests/answer_inputs.jsonl)
    --gsm8k      question, answer and worked solution of each item: the golds, the solutions whole, and without '####'
    --golds      gold answers with LaTeX: each key, written back as LaTeX, against the gold by math-verify
    --solutions  model replies: whether two replies to one question agree, by our keys and by math-verify
math-verify (Hugging Face) parses with SymPy and is needed for the last two.
    python benchmarks/answers.py --cases tests/answer_inputs.jsonl --gsm8k gsm8k_test.jsonl --golds golds.jsonl --json
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crescent_lite.answers import canonical_answer, find_answer
from crescent_lite.config import BenchmarkConfig
from crescent_lite.errors import BenchmarkError
from crescent_lite.evaluation.benchmarks import read_item
from crescent_lite.evaluation.choices import choice_item, score_choice
from crescent_lite.evaluation.scoring import score

OPTIONS = ["liquid", "solid", "gas"]
"""Options of the inputs that are read for a letter."""


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=Path, help="JSONL with kind, as, text and the right keys")
    parser.add_argument("--pairs", type=Path, help="JSONL.xz with set, kind, relation, a, b and finished")
    parser.add_argument("--gsm8k", type=Path, help="JSONL with question, answer and a solution that ends in '#### x'")
    parser.add_argument("--golds", type=Path, help="JSONL with source and gold")
    parser.add_argument("--solutions", type=Path, help="JSONL with question, text, finish_reason")
    parser.add_argument("--items", type=int, default=1000, help="solutions compared")
    parser.add_argument("--shown", type=int, default=40, help="wrong readings printed of each measurement")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if options.cases:
        result["cases"] = by_cases(options.cases, options.shown)
    if options.pairs:
        result["pairs"] = by_labelled_pairs(options.pairs, options.shown)
    if options.gsm8k:
        result["gsm8k"] = by_gsm8k(options.gsm8k, options.shown)
    if options.golds:
        result["golds"] = by_golds(options.golds, options.shown)
    if options.solutions:
        result["solutions"] = by_pairs(options.solutions, options.items, options.shown)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0


def gold_key(text: str) -> str | None:
    """The key that a benchmark gives this gold answer; None where it refuses the row."""
    row = {"question": "?", "answer": text}
    try:
        return read_item("row", "1", row, BenchmarkConfig(source="x.jsonl")).answer_key
    except BenchmarkError:
        return None


def chosen_letter(text: str) -> str | None:
    """The letter that is read from a reply to a question with `OPTIONS`."""
    item = choice_item("1", "Which?", {"options": OPTIONS, "gold": 1}, "options", "gold")
    key = score_choice(text, item).answer_key
    return key.removeprefix("choice:") if key else None


READERS: dict[str, Callable[[str], str | None]] = {
    "reply": canonical_answer,
    "gold": gold_key,
    "choice": chosen_letter,
}


def outcome(key: str | None, right: list[str]) -> str:
    """'right', 'wrong' or 'abstained'. Where no key is right an abstention is."""
    if key is None:
        return "abstained" if right else "right"
    return "right" if key in right else "wrong"


def by_labelled_pairs(path: Path, shown: int) -> dict[str, Any]:
    """How the keys of labelled replies compare: pairs with the same value, with another, and replies without one."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lzma.decompress(path.read_bytes()).decode().splitlines():
        row = json.loads(line)
        finished = row.get("finished", True)
        found = [find_answer(text, finished=finished) for text in (row["a"], row["b"]) if text is not None]
        keys = [answer.key for answer in found if answer]
        relation = row["relation"]
        if len(keys) < len(found):
            outcome = "abstained"
        elif relation == "none":
            outcome = "a key"
        else:
            outcome = "one key" if keys[0] == keys[1] else "two keys"
        counts[f"set {row['set']}, {relation}"][outcome] += 1
        is_wrong = (relation, outcome) in {("other", "one key"), ("none", "a key"), ("same", "two keys")}
        if is_wrong and shown:
            shown -= 1
            print(f"{relation}, {row['kind']}: {row['a']!r} {row['b']!r} -> {keys}", file=sys.stderr)
    return {name: dict(found) for name, found in sorted(counts.items())}


def by_cases(path: Path, shown: int) -> dict[str, Any]:
    """Count the outcomes of known inputs, in all and by kind."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        case = json.loads(line)
        key = READERS[case["as"]](case["text"])
        verdict = outcome(key, case["right"])
        kinds[case["kind"]][verdict] += 1
        if verdict == "wrong" and (shown := shown - 1) >= 0:
            print(f"{case['kind']}: {case['text']!r} is {key}, right {case['right']}", file=sys.stderr)
    return {"all": dict(sum(kinds.values(), Counter())), **{kind: dict(counts) for kind, counts in kinds.items()}}


def by_gsm8k(path: Path, shown: int) -> dict[str, Any]:
    """Golds, worked solutions and worked solutions without their last line, against the number that was given."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        row = json.loads(line)
        solution = row.get("solution", row["answer"])
        gold = solution.rpartition("####")[2].strip().replace(",", "")
        right = [f"n:{gold}"]
        body = solution.rpartition("####")[0]
        readings = {
            "golds": gold_key(solution),
            "solutions": canonical_answer(solution),
            "solutions without their gold": canonical_answer(body),
        }
        for name, key in readings.items():
            verdict = outcome(key, right)
            counts[name][verdict] += 1
            if verdict == "wrong" and (shown := shown - 1) >= 0:
                print(f"gsm8k {name}: {body[-120:]!r} is {key}, gold {gold}", file=sys.stderr)
        scored = score(body, f"n:{gold}", question=row["question"], gold=gold)
        if scored.flexible:
            by_key = scored.answer_key in right
            counts["scores without their gold"]["right" if by_key else "right only in the asked unit"] += 1
        else:
            counts["scores without their gold"]["wrong" if scored.answer_key else "abstained"] += 1
    return {name: dict(each) for name, each in counts.items()}


def by_golds(path: Path, shown: int) -> dict[str, Any]:
    """Each gold's key, written back as LaTeX, against the gold itself; and golds that share a key against each other.

    Both verdicts are math-verify's. A 'wrong' one is where we have a key and it says that the key is not the gold.
    """
    import math_verify  # type: ignore[import-not-found, import-untyped]

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    texts: dict[str, list[str]] = defaultdict(list)
    parsed: dict[str, Any] = {}

    def parse(text: str) -> Any:
        if text not in parsed:
            parsed[text] = math_verify.parse(text, parsing_timeout=2)
        return parsed[text]

    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        row = json.loads(line)
        gold = row["gold"]
        key = gold_key(gold)
        if key is None:
            verdict = "abstained"
        else:
            written = latex_of(key)
            theirs = parse(gold if "$" in gold else f"${gold}$")
            if not written or not theirs:
                verdict = "not compared"
            else:
                same = math_verify.verify(theirs, parse(f"${written}$"), timeout_seconds=2)
                verdict = "right" if same else "wrong"
            if gold not in texts[key]:
                texts[key].append(gold)
        counts[row["source"]][verdict] += 1
        counts["all"][verdict] += 1
        if verdict == "wrong" and (shown := shown - 1) >= 0:
            print(f"golds: {gold[:150]!r} is {key}, math-verify {theirs[:1]}", file=sys.stderr)
    pairs: Counter[str] = Counter()
    for same_key in texts.values():
        for other in same_key[1:20]:
            one, two = (parse(each if "$" in each else f"${each}$") for each in (same_key[0], other))
            if one and two:
                agreed = math_verify.verify(one, two, timeout_seconds=2)
                pairs["agreed" if agreed else "disagreed"] += 1
                if not agreed and (shown := shown - 1) >= 0:
                    print(f"golds of one key: {same_key[0][:80]!r} and {other[:80]!r}", file=sys.stderr)
    return {"by source": {source: dict(each) for source, each in counts.items()}, "golds of one key": dict(pairs)}


def latex_of(key: str) -> str | None:
    """A key as LaTeX; None for a kind that math-verify does not compare."""
    kind, _, value = key.partition(":")
    if kind == "n":
        return value
    if kind == "%":
        return value + r"\%"
    if kind in ("e", "p", "q"):
        value = re.sub(r"sqrt\((\d+)\)", r"\\sqrt{\1}", value).replace("pi", r"\pi ").replace("*", r" \cdot ")
        value = re.sub(r"\^(-?\d+)", r"^{\1}", re.sub(r"(-?\d+)/(\d+)", r"\\frac{\1}{\2}", value))
        return value.replace("+-", "-") + (" = 0" if kind == "q" else "")
    if kind in ("l", "s", "v"):
        parts = [latex_of(part) for part in value.split(";")]
        inside = ", ".join(map(str, parts))
        return None if None in parts else rf"\{{{inside}\}}" if kind == "s" else f"({inside})"
    if kind == "i" and "U" not in value:
        ends = [{"inf": r"\infty", "-inf": r"-\infty"}.get(end) or latex_of(end) for end in value[1:-1].split(";")]
        return None if None in ends else f"{value[0]}{ends[0]}, {ends[1]}{value[-1]}"
    return None


def by_pairs(path: Path, items: int, shown: int) -> dict[str, Any]:
    """Pairs of solutions of one question: the same answer or not, by both."""
    import math_verify

    by_question: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        row = json.loads(line)
        if row.get("finish_reason", row.get("finish", "stop")) == "stop":
            by_question[str(row["question"])].append(row["text"])
    chance = random.Random(5)
    texts = [(question, text) for question, all_texts in by_question.items() for text in all_texts]
    chance.shuffle(texts)
    agree = pairs = 0
    seconds: list[float] = []
    kinds: Counter[str] = Counter()
    for question, text in texts[:items]:
        other = chance.choice(by_question[question])
        keys = []
        for each in (text, other):
            began = time.perf_counter()
            keys.append(canonical_answer(each))
            seconds.append(time.perf_counter() - began)
        ours = None not in keys and keys[0] == keys[1]
        parsed = math_verify.parse(text), math_verify.parse(other)
        theirs = bool(parsed[0] and parsed[1] and math_verify.verify(*parsed))
        pairs += 1
        agree += ours == theirs
        if ours != theirs:
            kind = "ours abstains" if None in keys else ("ours equal" if ours else "theirs equal")
            kinds[kind] += 1
            if (shown := shown - 1) >= 0:
                print(f"{kind}: {keys} / {parsed}\n    {text[-100:]!r}\n    {other[-100:]!r}", file=sys.stderr)
    return {
        "pairs": pairs,
        "agreement": round(agree / pairs, 4),
        "disagreements": dict(kinds),
        "ms_per_solution": {
            "median": round(1e3 * statistics.median(seconds), 3),
            "max": round(1e3 * max(seconds), 3),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
