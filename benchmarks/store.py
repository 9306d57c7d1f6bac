"""How fast are the views, the searches and the writes of a large database?

    python benchmarks/store.py --workspace BIG [--times 100] [--json]

BIG is a workspace with 200,000 questions and 1,000,000 votes; if it does not exist, benchmarks/big_database.py makes
it. The script first times the usual query of each view, with a different question or round each time, and the queries
that add everything up. Then it does the same while one process writes votes and two others read. Then it times
writing votes, many at once and one by one with each on the disk, and compares with the same rows in a plain SQLite
table. A time includes fetching all rows.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from big_database import AT, INSERT_VOTE, PROMPT, vote_row

from crescent_lite.records import Answer, Completion, ModelFile
from crescent_lite.store import Store
from crescent_lite.store.saved_queries import SavedQuery, saved_queries

HERE = Path(__file__).parent
USUAL = {
    "v_rounds": "SELECT * FROM v_rounds WHERE run_id = 1 AND round = {round}",
    "v_questions, one": "SELECT * FROM v_questions WHERE question_id = {question}",
    "v_questions, a page": """SELECT * FROM v_questions WHERE run_id = 1 AND round = {round} AND verdict = 'kept'
        AND question_id > {question} LIMIT 50""",
    "v_votes": "SELECT * FROM v_votes WHERE question_id = {question} ORDER BY sample_index",
    "v_disputed": "SELECT * FROM v_disputed WHERE question_id > {question} LIMIT 50",
    "v_rejections": """SELECT * FROM v_rejections WHERE run_id = 1 AND round = {round} AND reason = 'near_duplicate'
        LIMIT 50""",
    "v_labels": "SELECT * FROM v_labels WHERE run_id = 1 AND share BETWEEN 0.6 AND 0.8 LIMIT 50",
    "v_labels, one": "SELECT * FROM v_labels WHERE question_id = {question}",
    "v_models": "SELECT * FROM v_models",
    "v_scores": "SELECT * FROM v_scores WHERE run_id = 1",
    "v_answer_distribution": "SELECT * FROM v_answer_distribution WHERE question_id = {question}",
}
EVERYTHING = {
    "v_rounds": "SELECT * FROM v_rounds",
    "v_cost": "SELECT * FROM v_cost",
    "v_acceptance": "SELECT * FROM v_acceptance",
    "v_rejections by reason": "SELECT reason, count(*) FROM v_rejections GROUP BY reason",
    "v_labels by round": "SELECT round, count(*), avg(share) FROM v_labels GROUP BY round",
    "v_answer_distribution": "SELECT leads, count(*), avg(share) FROM v_answer_distribution GROUP BY leads",
}
WORDS = ("library", "Emeka", "marbles AND school", '"in the end"', "litres", "bak*", "Nils AND rope AND museum")
SEARCHES = {
    "questions": """SELECT question_id FROM questions_fts JOIN v_questions q ON q.question_id = questions_fts.rowid
        WHERE questions_fts MATCH '{words}' LIMIT 100""",
    "solutions": """SELECT vote_id, solution FROM solutions_fts JOIN v_votes v ON v.vote_id = solutions_fts.rowid
        WHERE solutions_fts MATCH '{answer}' LIMIT 100""",
}
MANY = 100_000
SINGLE = 2000


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=100, help="how often each query is asked")
    parser.add_argument(
        "--write", type=int, default=1000, metavar="ROWS", help="votes that the writer adds per second"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    generator = [sys.executable, str(HERE / "big_database.py"), str(options.workspace)]
    subprocess.run([*generator, "--questions", str(options.questions)], check=True)
    path = options.workspace / "crescent.db"
    found: dict[str, object] = {"alone": reads(path, options.times)}
    with company(generator, options):
        found["with_a_writer_and_two_readers"] = reads(path, options.times)
    found["size"] = sizes(path)
    found["writing"] = writes()
    print(json.dumps(found, indent=None if options.json else 2))
    return 0


@contextmanager
def company(generator: list[str], options: argparse.Namespace) -> Iterator[None]:
    """Run one writer and two readers beside the caller. Raises RuntimeError when one of them ended with an error."""
    reader = f"""
import sys; sys.path[:0] = [{str(HERE)!r}]
from pathlib import Path; from store import reads
while True: reads(Path({str(options.workspace / "crescent.db")!r}), 20)
"""
    others = [
        subprocess.Popen([*generator, "--write", str(options.write)]),
        *(subprocess.Popen([sys.executable, "-c", reader]) for _ in range(2)),
    ]
    try:
        time.sleep(3)
        yield
        ended = [other.args for other in others if other.poll() is not None]
        if ended:
            raise RuntimeError(f"a process ended early: {ended[0]!r:.100}")
    finally:
        for other in others:
            other.terminate()
            other.wait()


def reads(path: Path, times: int) -> dict[str, object]:
    """Milliseconds for each query."""
    drawn = random.Random(7)
    with closing(Store.open_read_only(path)) as store:
        last = store.database.value("SELECT max(question_id) FROM questions")

        def ask(sql: str) -> float:
            words = drawn.choice(WORDS)
            chosen = sql.format(
                question=drawn.randrange(1, last),
                round=drawn.randrange(1, 5),
                words=words,
                answer=drawn.randrange(400),
            )
            began = time.perf_counter()
            store.database.rows(chosen)
            return 1000 * (time.perf_counter() - began)

        few = max(3, times // 20)

        def answer(query: SavedQuery) -> float:
            values = query.values(["words=marbles"] if "words" in query.parameters else [])
            return 1000 * store.querying.run(query.sql, values=values).seconds

        return {
            "usual_ms": {name: summary(partial(ask, sql), times) for name, sql in USUAL.items()},
            "everything_ms": {name: summary(partial(ask, sql), few) for name, sql in EVERYTHING.items()},
            "search_ms": {name: summary(partial(ask, sql), times) for name, sql in SEARCHES.items()},
            "saved_ms": {query.name: summary(partial(answer, query), 3) for query in saved_queries()},
        }


def summary(once: Callable[[], float], times: int) -> dict[str, float]:
    """Median and 95th percentile of several calls."""
    values = sorted(once() for _ in range(times))
    return {
        "median": round(statistics.median(values), 1),
        "p95": round(values[min(times - 1, round(0.95 * times))], 1),
    }


def sizes(path: Path) -> dict[str, float]:
    """Bytes that a vote takes: its row, its indexes, and its solution in the search index."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        votes = connection.execute("SELECT count(*) FROM votes").fetchone()[0]
        text = connection.execute("SELECT avg(length(text)) FROM votes").fetchone()[0]
        used = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    indexes = sum(size for name, size in used.items() if "votes" in name and name != "votes")
    words = sum(size for name, size in used.items() if name.startswith("solutions_fts"))
    return {
        "votes": votes,
        "characters_of_a_solution": round(text),
        "bytes_of_a_vote": round(used["votes"] / votes),
        "bytes_of_its_indexes": round(indexes / votes),
        "bytes_of_its_words": round(words / votes),
    }


def writes() -> dict[str, float]:
    """Votes written per second, in our tables and in a plain table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "crescent.db"
        with closing(Store.open(path)) as store:
            base = store.runs.insert_model(ModelFile("base", Path("base.gguf"), "1" * 64, "base.gguf"))
            store.runs.insert_prompt(PROMPT)
            round_id = store.runs.insert_round(store.runs.insert_run("improvement", base, {}), 1, base).round_id
            store.database.write_many(
                """INSERT INTO questions (question_id, round_id, ask_index, text, raw_text, verdict, reason,
                    prompt_sha256, model_id, seed, tokens, finish_reason, created_at)
                VALUES (?, ?, ?, 'What is 2 + 3?', 'What is 2 + 3?', 'kept', 'new', ?, ?, 1, 9, 'stop', ?)""",
                [(number, round_id, number, PROMPT.sha256, base, AT) for number in range(1, MANY // 10 + SINGLE + 1)],
            )
            rows = [vote_row(n + 1, n // 10 + 1, n % 10, f"n:{n % 7}", base) for n in range(MANY)]
            at_once = MANY / timed(lambda: store.database.write_many(INSERT_VOTE, rows))
            completions = [
                Completion("k", 0, n, str(rows[n][3]), "stop", 60, 40) for n in range(SINGLE)
            ]  # one for each question
            answer = Answer("3", "n:3", "boxed")

            def one_by_one() -> None:
                for number, completion in enumerate(completions):
                    question = MANY // 10 + 1 + number
                    store.votes.insert_vote(question, completion, answer, base, PROMPT.sha256)

            single = SINGLE / timed(one_by_one)
        bare_many, bare_single = bare(Path(folder) / "bare.db", rows)
    return {
        "at_once_a_second": round(at_once),
        "bare_at_once_a_second": round(bare_many),
        "durable_one_by_one_a_second": round(single),
        "bare_durable_one_by_one_a_second": round(bare_single),
    }


def bare(path: Path, rows: list[tuple[object, ...]]) -> tuple[float, float]:
    """Votes written per second into a table without indexes, checks or references: (many at once, one by one)."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"CREATE TABLE votes ({', '.join(f'c{n}' for n in range(14))})")
        marks = f"INSERT INTO votes VALUES ({', '.join('?' * 14)})"

        def at_once() -> None:
            with connection:
                connection.executemany(marks, rows)

        def one_by_one() -> None:
            for row in rows[:SINGLE]:
                with connection:
                    connection.execute(marks, row)

        return len(rows) / timed(at_once), SINGLE / timed(one_by_one)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
