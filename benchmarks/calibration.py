"""How often is a majority label right? Votes on questions whose answers are known but not shown to the vote.

Draws the votes with the prompt that a run would use and appends them to a file, so that the script can be stopped and
run again. Then it prints, for the first K votes of each question, the precision (fraction of labels that are right)
and the coverage (fraction of questions that get a label) by share of the leading answer and by floor, and which
solutions each rule for the kept solution chooses.
    python benchmarks/calibration.py --model MODEL.gguf --questions gsm8k=gsm8k.jsonl --votes-file votes.jsonl --json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from crescent_lite.answers import find_answer
from crescent_lite.config import BenchmarkConfig, SamplingConfig, VoteConfig
from crescent_lite.consensus import decide
from crescent_lite.evaluation import load_benchmark
from crescent_lite.intervals import wilson
from crescent_lite.prompts.sets import fill, load_prompt_set
from crescent_lite.records import BenchmarkItem, Generation, Request, Vote
from crescent_lite.sampling.llama import LlamaSampler

FLOORS = (0.0, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
KEEPS = ("first", "shortest", "likeliest")

Ballots = dict[str, list[Vote]]
"""The votes of each question, by `benchmark/item`."""


def main() -> int:
    """Draw the missing votes, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--questions", nargs="+", required=True, metavar="NAME=FILE", help="JSONL files")
    parser.add_argument("--items", type=int, default=150, help="take the first N questions of each file")
    parser.add_argument("--votes", type=int, default=16, help="votes to draw for each question")
    parser.add_argument("--counted", type=int, nargs="+", default=[4, 8, 16], help="numbers of votes to report on")
    parser.add_argument("--votes-file", type=Path, required=True)
    parser.add_argument("--prompts", default="word-problems")
    parser.add_argument("--max-tokens", type=int, default=320)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    items = {}
    for each in options.questions:
        name, _, path = each.partition("=")
        loaded = load_benchmark(name, BenchmarkConfig(source=path, items=options.items))
        items |= {f"{name}/{item.item_id}": item for item in loaded.items}
    draw(options, items)
    ballots = read_votes(options.votes_file)
    results = []
    for name in sorted({key.partition("/")[0] for key in items}):
        of_set = {key: item for key, item in items.items() if key.startswith(f"{name}/")}
        for counted in options.counted:
            results.append({"questions": name, "votes": counted, **count(of_set, ballots, counted)})
    if options.json:
        print(json.dumps(results))
    else:
        for result in results:
            print_tables(result)
    return 0


def draw(options: argparse.Namespace, items: dict[str, BenchmarkItem]) -> None:
    """Draw the votes that the file does not have yet."""
    have = {(name, vote.sample_index) for name, votes in read_votes(options.votes_file).items() for vote in votes}
    solve = load_prompt_set(options.prompts).solve.text
    generation = Generation(options.max_tokens, options.temperature, logprobs=True)
    requests = [
        Request(key, fill(solve, question=item.question), generation, missing, seed=1)
        for key, item in items.items()
        if (missing := tuple(index for index in range(options.votes) if (key, index) not in have))
    ]
    if not requests:
        return
    sampler, began, drawn = LlamaSampler(options.model, SamplingConfig()), time.monotonic(), 0
    with options.votes_file.open("a", encoding="utf-8") as file:
        for completion in sampler.sample(requests):
            file.write(json.dumps({"question": completion.key, **dataclasses.asdict(completion)}) + "\n")
            file.flush()
            drawn += completion.tokens
            if not completion.sample_index:
                speed = drawn / (time.monotonic() - began)
                print(f"{completion.key}, {speed:.0f} tokens/s", file=sys.stderr)
    sampler.close()


def read_votes(path: Path) -> Ballots:
    """The votes in the file, with their answers read again by the present rules."""
    ballots: Ballots = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        answer = find_answer(row["text"], finished=row["finish_reason"] == "stop")
        key, form = (answer.key, answer.form) if answer else (None, None)
        ballots[row["question"]].append(
            Vote(
                len(ballots[row["question"]]),
                row["sample_index"],
                row["text"],
                key,
                form,
                row["finish_reason"],
                row["mean_logprob"],
            )
        )
    return ballots


def count(items: dict[str, BenchmarkItem], ballots: Ballots, counted: int) -> dict[str, Any]:
    """The calibration curve, precision and coverage by floor, and the properties of the kept solutions."""
    policy = VoteConfig(votes_per_question=counted, min_share=0.0, stopping="never")
    by_share: dict[float, list[bool]] = defaultdict(list)
    single: list[bool] = []
    kept: dict[str, list[tuple[int, float]]] = {keep: [] for keep in KEEPS}
    for key, item in items.items():
        votes = [vote for vote in ballots[key] if vote.sample_index < counted]
        if len(votes) < counted:
            continue
        single += [vote.answer_key == item.answer_key for vote in votes]
        consensus = decide(votes, policy)
        if consensus.decision == "labelled":
            by_share[round(consensus.share, 4)].append(consensus.answer_key == item.answer_key)
        else:
            by_share[-1.0].append(False)  # a tie, or no answer
        texts = {vote.vote_id: vote for vote in votes}
        for keep in KEEPS:
            chosen = decide(votes, dataclasses.replace(policy, min_share=0.5, keep=keep)).chosen_vote
            if chosen is not None:
                kept[keep].append((len(texts[chosen].text), texts[chosen].mean_logprob or 0.0))
    total = sum(map(len, by_share.values()))
    curve = [
        {"share": share, "questions": len(right), "right": sum(right)} for share, right in sorted(by_share.items())
    ]
    floors = []
    for floor in FLOORS:
        labels = [right for share, rights in by_share.items() if share >= max(floor, 0.0) for right in rights]
        score = wilson(sum(labels), len(labels))
        floors.append(
            {
                "floor": floor,
                "labels": len(labels),
                "coverage": round(len(labels) / total, 3) if total else None,
                "precision": round(score.fraction, 3),
                "low": round(score.low, 3),
                "high": round(score.high, 3),
            }
        )
    return {
        "questions_counted": total,
        "single_vote_right": round(sum(single) / len(single), 3) if single else None,
        "curve": curve,
        "floors": floors,
        "kept_characters": {keep: round(sum(n for n, _ in k) / len(k)) for keep, k in kept.items() if k},
        "kept_logprob": {keep: round(sum(p for _, p in k) / len(k), 3) for keep, k in kept.items() if k},
    }


def print_tables(result: dict[str, Any]) -> None:
    """Print one result for people."""
    print(
        f"\n{result['questions']}, first {result['votes']} votes, {result['questions_counted']} questions; "
        f"one vote is right {result['single_vote_right'] or 0:.1%} of the time"
    )
    for row in result["curve"]:
        share = "tie or none" if row["share"] < 0 else f"{row['share']:.3f}"
        print(f"  share {share:<12} {row['questions']:>4} questions, {row['right']:>4} right")
    for row in result["floors"]:
        print(
            f"  floor {row['floor']:.3f}: coverage {row['coverage'] or 0:.1%}, precision {row['precision']:.1%} "
            f"({row['low']:.1%} to {row['high']:.1%})"
        )
    print(
        f"  kept solutions, characters: {result['kept_characters']}; mean log-probability: {result['kept_logprob']}"
    )


if __name__ == "__main__":
    sys.exit(main())
