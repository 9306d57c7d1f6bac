"""Fills a workspace with a large run of 200,000 questions and 1,000,000 votes, to test what reads the database.

    python benchmarks/big_database.py FOLDER [--questions 200000] [--votes-per-question 10]
    python benchmarks/big_database.py FOLDER --write 1000     # then adds 1,000 votes a second until it is stopped

Half of the questions are kept and voted on; the others are rejected for the usual reasons. Texts are made of words,
so that a search finds something. No model is involved, and everything is drawn from one seed.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from crescent_lite.config import Config
from crescent_lite.config.text import starter_toml
from crescent_lite.records import ModelFile, PromptText
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

ROUNDS = 4
BATCH = 20_000
NAMES = (
    "Ann",
    "Bela",
    "Chen",
    "Dana",
    "Emeka",
    "Farid",
    "Gita",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Mara",
    "Nils",
)
THINGS = ("apples", "trains", "marbles", "litres of paint", "pages", "tickets", "metres of rope", "eggs", "coins")
PLACES = ("market", "station", "school", "harbour", "library", "bakery", "garden", "museum", "farm", "workshop")
REASONS = ("near_duplicate", "no_question", "too_few_numbers", "contains_solution", "several_questions", "cut_off")
Row = tuple[object, ...]
AT = "2026-01-01T00:00:00.000+00:00"
PROMPT = PromptText("word-problems/solve", "Solve: {question}", "0" * 64)


def main() -> int:
    """Make the workspace if it does not exist, and write into it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=200_000)
    parser.add_argument("--votes-per-question", type=int, default=10, help="votes for each kept question")
    parser.add_argument(
        "--write", type=int, default=0, metavar="ROWS", help="votes to add per second, until the program is stopped"
    )
    options = parser.parse_args()
    workspace = Workspace(options.folder)
    if not workspace.database_path.exists():
        began = time.monotonic()
        make(workspace, options.questions, options.votes_per_question)
        size = workspace.database_path.stat().st_size / 1e6
        print(f"{workspace.database_path}: {size:.0f} MB in {time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.write:
        with workspace.lock():
            go_on_writing(workspace, options.write)
    return 0


def make(workspace: Workspace, questions: int, votes_each: int) -> None:
    """Make a workspace with one run that is in its last round."""
    workspace.create(starter_toml("default"))
    drawn = random.Random(5)
    with closing(Store.open(workspace.database_path)) as store:
        base = store.runs.insert_model(ModelFile("a-model-of-3B-Q4_0", Path("base.gguf"), "1" * 64, "base.gguf"))
        store.runs.insert_prompt(PROMPT)
        run_id = store.runs.insert_run("improvement", base, {})
        config = Config().as_dict()
        config["bait"]["questions"] = questions // ROUNDS
        config["vote"]["votes_per_question"] = votes_each
        store.runs.set_plan(run_id, config, ROUNDS)
        rounds = [store.runs.insert_round(run_id, number, base).round_id for number in range(1, ROUNDS + 1)]
    with closing(sqlite3.connect(workspace.database_path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for begin in range(0, questions, BATCH):
            numbers = range(begin, min(begin + BATCH, questions))
            with connection:
                insert(connection, numbers, questions, rounds, base, votes_each, drawn)
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def insert(
    connection: sqlite3.Connection, numbers: range, questions: int, rounds: list[int], base: int, votes_each: int,
    drawn: random.Random,
) -> None:  # fmt: skip
    """Insert some questions with their votes and the consensus of those."""
    asked = [question_row(number, questions, rounds, base, drawn) for number in numbers]
    connection.executemany(
        """INSERT INTO questions (question_id, round_id, ask_index, text, raw_text, verdict, reason, duplicate_of,
            similarity, prompt_sha256, model_id, seed, tokens, finish_reason, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        asked,
    )
    kept = [row[0] for row in asked if row[5] == "kept"]
    counted, cast = [], []
    for question_id in kept:
        right, agree = drawn.randrange(2, 400), drawn.randint(2, votes_each)
        keys = [f"n:{right}" if index < agree else f"n:{drawn.randrange(400)}" for index in range(votes_each)]
        first = (question_id - 1) * votes_each + 1
        cast += [vote_row(first + index, question_id, index, key, base) for index, key in enumerate(keys)]
        counted.append(consensus_row(question_id, keys, first))
    connection.executemany(INSERT_VOTE, cast)
    connection.executemany(
        """INSERT INTO consensus (question_id, decision, reason, answer_key, share, votes, abstentions,
            distinct_answers, chosen_vote, planned, stopped, margin) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)""",
        counted,
    )


def question_row(number: int, questions: int, rounds: list[int], base: int, drawn: random.Random) -> Row:
    """A row for a word problem; every second one is kept."""
    text = problem(drawn)
    round_id = rounds[number * len(rounds) // questions]
    kept = number % 2 == 0
    reason = "new" if kept else drawn.choice(REASONS)
    match, similarity = (number, 90.0 + number % 10) if reason == "near_duplicate" else (None, None)
    verdict = "kept" if kept else "rejected"
    return (
        number + 1, round_id, number, text, text, verdict, reason, match, similarity, PROMPT.sha256, base, number,
        40, "stop", AT,
    )  # fmt: skip


def problem(drawn: random.Random) -> str:
    """A word problem of about 150 characters."""
    name, other = drawn.sample(NAMES, 2)
    thing, place = drawn.choice(THINGS), drawn.choice(PLACES)
    return (
        f"{name} takes {drawn.randrange(2, 99)} {thing} to the {place} and gives {drawn.randrange(2, 9)} of them to "
        f"{other}. {other} already has {drawn.randrange(2, 99)}. How many {thing} does {other} have in the end?"
    )


INSERT_VOTE = f"""INSERT INTO votes (vote_id, question_id, sample_index, text, finish_reason, answer_raw, answer_key,
    answer_form, tokens, seed, model_id, prompt_sha256, created_at, mean_logprob)
    VALUES ({", ".join("?" * 14)})"""


def vote_row(vote_id: int | None, question_id: int, index: int, key: str, base: int) -> Row:
    """A row for a vote, with a solution of about 200 characters. Without an id it gets the next one."""
    value = key[2:]
    text = (
        f"First we note what is given, and what is asked for. Then we add the two numbers, step by step, and take "
        f"away what was given to somebody else. That leaves {value}.\n\nThe answer is \\boxed{{{value}}}."
    )
    return (
        vote_id, question_id, index, text, "stop", value, key, "boxed", 60, index, base, PROMPT.sha256, AT, None,
    )  # fmt: skip


def consensus_row(question_id: int, keys: list[str], first_vote: int) -> Row:
    """A row for the consensus of these answers."""
    counts = {key: keys.count(key) for key in keys}
    ordered = sorted(counts.values(), reverse=True)
    leader = max(counts, key=lambda key: counts[key])
    share, margin = ordered[0] / len(keys), (ordered[0] - (ordered[1:] or [0])[0]) / len(keys)
    agreed = share >= 0.5
    chosen = first_vote + keys.index(leader) if agreed else None
    return (
        question_id, "labelled" if agreed else "rejected", "agreed" if agreed else "low_share", leader, share,
        len(keys), len(counts), chosen, len(keys), "all_drawn", margin,
    )  # fmt: skip


def go_on_writing(workspace: Workspace, rows_a_second: int) -> None:
    """Add questions with votes as an engine does, in twenty transactions a second."""
    drawn = random.Random(time.monotonic())
    with closing(sqlite3.connect(workspace.database_path, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        (last, round_id, base), *_ = connection.execute(
            "SELECT max(question_id), max(round_id), max(model_id) FROM questions"
        )
        connection.execute("UPDATE runs SET state = 'running'")
        connection.commit()
        for question_id in beats(last + 1):
            votes = rows_a_second // 20 - 1
            with connection:
                row = list(question_row(question_id - 1, question_id, [round_id], base, drawn))
                row[5:9] = ["kept", "new", None, None]
                connection.execute(
                    """INSERT INTO questions (question_id, round_id, ask_index, text, raw_text, verdict, reason,
                        duplicate_of, similarity, prompt_sha256, model_id, seed, tokens, finish_reason, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    row,
                )
                cast = [vote_row(None, question_id, index, f"n:{index % 7}", base) for index in range(votes)]
                connection.executemany(INSERT_VOTE, cast)


def beats(first: int) -> Iterator[int]:
    """Ascending numbers from `first`, twenty a second."""
    began = time.monotonic()
    for number in range(sys.maxsize):
        time.sleep(max(0.0, began + number / 20 - time.monotonic()))
        yield first + number


if __name__ == "__main__":
    sys.exit(main())
