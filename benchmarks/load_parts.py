"""The programs that load.py starts: an engine whose model is simulated and paced, and a reader of its database.

    python benchmarks/load_parts.py engine WORKSPACE REPLIES_PER_SECOND     # 0: as fast as the engine goes
    python benchmarks/load_parts.py reader WORKSPACE SECONDS                # holds a read transaction this long

The engine is the real one, with everything that it starts: trainings of a tiny model, and math-verify. Its replies
are as long as those of a real model, so that the database grows as it does in a real run.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import simulated_model
from simulated_model import ELSEWHERE, Nature, SimulatedModel
from tiny_model import make_tiny_gguf

from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.events import RunStarted, StageProgressed, TrainingStepped
from crescent_lite.records import Completion, Request
from crescent_lite.workspace import Workspace

SETTINGS = """
preset = "default"
[run]
rounds = {rounds}
patience = 0
[model]
source = "tiny.gguf"
[bait]
questions = {questions}
assistant_prefix = ""
[vote]
max_tokens = 320
[train]
epochs = 1.0
rank = 4
max_examples = 32
max_example_tokens = 256
[alarms]
stop = false
[evaluate]
max_tokens = 320
[evaluate.benchmarks.sums]
source = "sums.jsonl"
items = 40
samples = 4
[evaluate.benchmarks.canary]
source = "canary.jsonl"
items = 20
role = "canary"
prompts = ["solve"]
"""
ROUNDS = 1000
STEPS = (
    "Let us write down what is given before anything is added to it.",
    "The things that come later are of the same kind as those from the beginning.",
    "Nothing is taken away in between, and nothing is counted twice.",
    "So the two amounts have to be put together, and that is all there is to do.",
    "We look at the story once more, to see that no word of it was missed.",
)
"""Sentences without a number, so that a reply is as long as a real one and its answer is the same."""
SHORT_READ_SECONDS = 2.0
"""Time between two reads of a reader that holds nothing."""
GAP_SECONDS = 60.0
"""Time that a reader with a long transaction leaves between two of them."""


class PacedModel(SimulatedModel):
    """A simulated model that draws so many replies per second, each as long as a real one and with token ids."""

    def __init__(self, replies_per_second: float) -> None:
        super().__init__([Nature()], ["What is 2 + 3?"], seed=1, drill=False)
        self._gap = 1 / replies_per_second if replies_per_second else 0.0
        self._next = time.monotonic()
        self._drawn = 0

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for completion in super().sample(requests):
            self._wait()
            if completion.tokens > 2 and " ask " not in completion.key and not completion.key.startswith("rewrite "):
                completion = dataclasses.replace(completion, text=in_steps(completion))
            yield dataclasses.replace(completion, token_ids=tuple(range(completion.tokens)))

    def encode_example(
        self, user: str, solution: str, drawn: Sequence[int] | None = None
    ) -> tuple[Sequence[int], int]:
        prompt = list(user.encode()[:40])
        return prompt + list(solution.encode()[:20]), len(prompt)

    def _wait(self) -> None:
        """Sleep until the next reply is due; what was late is not made up for."""
        self._drawn += 1
        if self._drawn % 1000 == 0:  # what the simulation remembers of its items is not the engine's memory
            simulated_model.habit_of.cache_clear()
            simulated_model.unrest.cache_clear()
        if self._gap:
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = max(self._next + self._gap, time.monotonic())


def in_steps(completion: Completion) -> str:
    """A reply with sentences before its answer, about four characters for each token."""
    chance, steps = random.Random(completion.seed), ""
    while len(steps) < 4 * completion.tokens:
        steps += chance.choice(STEPS) + " "
    return steps + completion.text


def make_workspace(folder: Path, questions: int) -> Workspace:
    """A workspace whose run has more rounds than the load lasts. `questions`: raw ones of each round."""
    folder.mkdir(parents=True)
    make_tiny_gguf(folder / "tiny.gguf")
    (folder / "crescent.toml").write_text(SETTINGS.format(rounds=ROUNDS, questions=questions), encoding="utf-8")
    chance = random.Random(1)
    for name, items in (("sums", 40), ("canary", 20)):
        found: dict[str, int] = {}
        while len(found) < items:
            first, second = chance.randint(2, 90), chance.randint(2, 40)
            found[chance.choice(ELSEWHERE).format(m=first, n=second)] = first + second
        rows = [json.dumps({"question": text, "answer": str(gold)}) for text, gold in found.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Workspace(folder)


def run(folder: Path, replies_per_second: float) -> None:
    """Run the engine until it is stopped, without a line for single items."""
    for event in run_engine(Workspace(folder), RunOptions(), lambda _path, _config: PacedModel(replies_per_second)):
        if isinstance(event, RunStarted) or not isinstance(event, StageProgressed | TrainingStepped):
            print(event, flush=True)


def read(folder: Path, seconds: float) -> None:
    """Read the database until the process is ended. With `seconds`, in transactions that stay open that long."""
    with closing(sqlite3.connect(f"file:{folder / 'crescent.db'}?mode=ro", uri=True, timeout=30)) as database:
        while True:
            database.execute("BEGIN")
            database.execute("SELECT count(*) FROM votes WHERE vote_id % 100 = 0").fetchone()
            time.sleep(seconds)
            database.execute("ROLLBACK")
            time.sleep(GAP_SECONDS if seconds else SHORT_READ_SECONDS)


if __name__ == "__main__":
    part, folder, number = sys.argv[1:]
    {"engine": run, "reader": read}[part](Path(folder), float(number))
