"""The only place that knows SQL: one database, opened by the engine to write and by everybody else read-only.

A `Store` has one member for each family of tables. Methods named `fetch_` and `count_` read; `insert_`, `set_`,
`start_`, `finish_`, `end_` and `add_` write.

Example: store = Store.open(workspace / "crescent.db"); store.questions.fetch_undecided(round_id)
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.events import MachineNoted
from crescent_lite.round_facts import InThoughts, LabelTruth
from crescent_lite.rounds import Standing
from crescent_lite.store.browsing import Browsing
from crescent_lite.store.database import Database, QueryInterrupted
from crescent_lite.store.evaluations import Evaluations
from crescent_lite.store.experience import Experience, fetch_experience
from crescent_lite.store.items import Items
from crescent_lite.store.machine import Machine
from crescent_lite.store.measures import Measures
from crescent_lite.store.model_lines import ModelLines
from crescent_lite.store.notes import Notes
from crescent_lite.store.primary import primary_scores
from crescent_lite.store.querying import Querying
from crescent_lite.store.questions import Questions
from crescent_lite.store.round_counts import RoundCounts, fetch_round_counts
from crescent_lite.store.run_rows import RunRow, RunRows, RunScore
from crescent_lite.store.runs import Round, Run, RunKind, Runs, StageCost
from crescent_lite.store.sweeps import SweepPlace, Sweeps
from crescent_lite.store.thoughts import fetch_in_thoughts
from crescent_lite.store.trainings import Trainings
from crescent_lite.store.truths import DecidedQuestion, fetch_label_truth, fetch_truths
from crescent_lite.store.votes import Votes
from crescent_lite.store.watching import Watching

__all__ = [
    "QueryInterrupted",
    "Round",
    "RoundCounts",
    "Run",
    "RunKind",
    "RunRow",
    "RunScore",
    "StageCost",
    "Store",
    "SweepPlace",
]


class Store:
    """Reads and writes of one database, by family of tables."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = Runs(database)
        self.questions = Questions(database)
        self.votes = Votes(database)
        self.trainings = Trainings(database)
        self.evaluations = Evaluations(database)
        self.measures = Measures(database)
        self.notes = Notes(database)
        self.browsing = Browsing(database)
        self.querying = Querying(database)
        self.model_lines = ModelLines(database)
        self.watching = Watching(database)
        self.run_rows = RunRows(database)
        self.machine = Machine(database)
        self.items = Items(database)
        self.sweeps = Sweeps(database)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open to write, for the engine, and migrate an older database. Raises StorageError or WorkspaceError."""
        return cls(Database.open_to_write(path))

    @classmethod
    def open_read_only(cls, path: Path) -> Store:
        """Open to read. Raises WorkspaceError if the file is missing or of another version."""
        return cls(Database.open_read_only(path))

    @staticmethod
    def is_older(path: Path) -> bool:
        """Whether the database must be opened to write once, which migrates it, before it can be read."""
        return Database.is_older(path)

    def fetch_round_counts(self, round_id: int) -> RoundCounts:
        """How many items of a round came through each stage."""
        return fetch_round_counts(self.database, round_id)

    def fetch_experience(self, base_sha256: str, prompt_set: str, machine: MachineNoted) -> Experience:
        """What earlier runs of a base with a prompt set showed, with speeds of runs on `machine` only."""
        base_id = self.runs.find_base(base_sha256)
        return fetch_experience(self.database, base_id, prompt_set, machine) if base_id else Experience()

    def fetch_label_truth(self, run_id: int, number: int | None = None) -> LabelTruth | None:
        """How many labels of a run, or of one round, are right; None where that cannot be computed."""
        return fetch_label_truth(self.database, run_id=run_id, number=number)

    def fetch_truths(self, run_id: int, number: int | None = None) -> list[DecidedQuestion]:
        """(leading answer, right answer, share of the leader) of each decided question."""
        return fetch_truths(self.database, run_id, number)

    def fetch_in_thoughts(self, run_id: int, number: int | None = None) -> tuple[InThoughts, ...]:
        """The stages of a run with replies that never left their thoughts; of one round if its number is given."""
        return fetch_in_thoughts(self.database, run_id, number)

    def fetch_standing(self, run_id: int) -> Standing:
        """Scores and adapters of a run's rounds, and which round is kept. Raises NotFoundError for an unknown run."""
        adapters = {this.number: this.adapter_id for this in self.runs.fetch_rounds(run_id) if this.adapter_id}
        run, agreements = self.runs.fetch_run(run_id), self.evaluations.fetch_agreements(run_id)
        by_agreement = self.evaluations.is_chosen_by_agreement(run_id)
        if by_agreement:
            scores = {each.round_number: each.agreed / each.items for each in agreements}
        else:
            scores = primary_scores(self.evaluations, run)
        return Standing(run_id, scores, adapters, run.chosen_round, by_agreement)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()
