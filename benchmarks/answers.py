"""Does `canonical_answer` agree with math-verify, on gold answers and on real solutions?

math-verify (Hugging Face) parses with SymPy. For gold answers both are asked whether they read the gold value; for
two solutions of one question both are asked whether the answers are the same. Every disagreement is printed with both
readings.
    python benchmarks/answers.py --gold gsm8k_test.jsonl --solutions votes.jsonl --json
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import math_verify  # type: ignore[import-not-found, import-untyped]

from crescent_lite.answers import canonical_answer


def main() -> int:
    """Compare the two and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gold", type=Path, help="JSONL with an answer that ends in '#### x'")
    parser.add_argument("--solutions", type=Path, required=True, help="JSONL with question, text, finish_reason")
    parser.add_argument("--items", type=int, default=1000, help="solutions compared")
    parser.add_argument("--shown", type=int, default=400, help="disagreements printed")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if options.gold:
        result |= {f"gold_{key}": value for key, value in compare_gold(options.gold).items()}
    result |= compare_solutions(options)
    print(json.dumps(result) if options.json else result)
    return 0


def compare_gold(path: Path) -> dict[str, int]:
    """How many gold solutions each of the two reads correctly; the right value is the number after '####'."""
    counts: dict[str, int] = defaultdict(int)
    for line in path.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)["answer"]
        gold = answer.rpartition("####")[2].strip().replace(",", "")
        ours = canonical_answer(answer) == canonical_answer(gold)
        theirs = bool(math_verify.verify(math_verify.parse(gold), math_verify.parse(f"${gold}$")))
        counts["items"] += 1
        counts["ours"] += ours
        counts["theirs"] += theirs
        if ours != theirs:
            print(f"gold: ours {ours}, theirs {theirs}: {answer[-120:]!r}", file=sys.stderr)
    return dict(counts)


def compare_solutions(options: argparse.Namespace) -> dict[str, Any]:
    """How often the two agree on whether two solutions of one question have the same answer."""
    by_question: dict[str, list[str]] = defaultdict(list)
    for line in options.solutions.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("finish_reason", row.get("finish", "stop")) == "stop":
            by_question[str(row["question"])].append(row["text"])
    chance = random.Random(5)
    texts = [(question, text) for question, all_texts in by_question.items() for text in all_texts]
    chance.shuffle(texts)
    agree = pairs = shown = 0
    seconds: list[float] = []
    kinds: dict[str, int] = defaultdict(int)
    for question, text in texts[: options.items]:
        other = chance.choice(by_question[question])
        began = time.perf_counter()
        keys = canonical_answer(text), canonical_answer(other)
        seconds.append(time.perf_counter() - began)
        ours = None not in keys and keys[0] == keys[1]
        parsed = math_verify.parse(text), math_verify.parse(other)
        theirs = bool(parsed[0] and parsed[1] and math_verify.verify(*parsed))
        pairs += 1
        agree += ours == theirs
        if ours != theirs:
            kind = "ours abstains" if None in keys else ("ours equal" if ours else "theirs equal")
            kinds[kind] += 1
            if shown < options.shown:
                shown += 1
                print(f"{kind}: {keys} / {parsed}\n    {text[-100:]!r}\n    {other[-100:]!r}", file=sys.stderr)
    return {
        "pairs": pairs,
        "agreement": round(agree / pairs, 4),
        "disagreements": dict(kinds),
        "ms_per_solution": round(500 * statistics.mean(seconds), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
