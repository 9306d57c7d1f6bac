"""How many votes does stopping early save, and how many labels does it change?

Replays the votes of a run in which all were drawn (`vote.stopping = "never"`) under each stopping rule. The votes
come from a database, or from JSONL with question, index, key, form, finish and tokens of each vote. They are replayed
in the order of their index, in the waves that a run would ask for.
    python benchmarks/adaptive.py --database data/crescent.db --planned 8 16 --json
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from crescent_lite.config import VoteConfig
from crescent_lite.consensus import Poll, decide
from crescent_lite.records import Vote

Rule = Literal["exact", "beta"]
RULES: tuple[Rule, ...] = ("exact", "beta")


def main() -> int:
    """Replay the votes and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--database", type=Path)
    source.add_argument("--votes", type=Path)
    parser.add_argument("--planned", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--min-share", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    drawn = from_database(options.database) if options.database else from_jsonl(options.votes)
    results = [replay(drawn, planned, rule, options.min_share) for planned in options.planned for rule in RULES]
    for result in results:
        if not options.json:
            print(result)
    if options.json:
        print(json.dumps(results))
    return 0


def replay(drawn: dict[str, list[tuple[Vote, int]]], planned: int, rule: Rule, min_share: float) -> dict[str, Any]:
    """Compare one stopping rule with using all votes, over every question that has enough votes."""
    policy = VoteConfig(votes_per_question=planned, min_share=min_share, stopping=rule)
    questions = votes = tokens = all_tokens = labels = early_labels = same = 0
    for ballots in drawn.values():
        by_index = {vote.sample_index: (vote, count) for vote, count in ballots if vote.sample_index < planned}
        if len(by_index) < planned:
            continue
        full = decide([vote for vote, _ in by_index.values()], policy)
        poll = Poll(0, policy)
        while wave := poll.start_wave():
            for index in wave:
                poll.add(by_index[index][0])
                tokens += by_index[index][1]
        early = poll.decide()
        questions += 1
        votes += early.votes
        all_tokens += sum(count for _, count in by_index.values())
        labels += full.decision == "labelled"
        early_labels += early.decision == "labelled"
        same += (full.decision, full.decision == "labelled" and full.answer_key) == (
            early.decision,
            early.decision == "labelled" and early.answer_key,
        )
    return {
        "planned": planned,
        "rule": rule,
        "questions": questions,
        "votes_saved": round(1 - votes / max(1, questions * planned), 4),
        "tokens_saved": round(1 - tokens / max(1, all_tokens), 4),
        "labels_full": labels,
        "labels_early": early_labels,
        "same_outcome": round(same / max(1, questions), 4),
    }


def from_database(path: Path) -> dict[str, list[tuple[Vote, int]]]:
    """The votes of every question in a database, read-only."""
    found: dict[str, list[tuple[Vote, int]]] = defaultdict(list)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for question, index, key, form, finish, tokens in database.execute(
            "SELECT question_id, sample_index, answer_key, answer_form, finish_reason, tokens FROM votes"
        ):
            found[str(question)].append((Vote(0, index, "", key, form, finish), tokens))
    return found


def from_jsonl(path: Path) -> dict[str, list[tuple[Vote, int]]]:
    """The votes of a JSONL file."""
    found: dict[str, list[tuple[Vote, int]]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        vote = Vote(0, row["index"], "", row["key"], row["form"], row["finish"])
        found[row["question"]].append((vote, row["tokens"]))
    return found


if __name__ == "__main__":
    sys.exit(main())
