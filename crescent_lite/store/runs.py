"""Runs and their rounds, models, prompts, stage costs and events.

Example: run_id = runs.insert_run("improvement", base_id, inputs); runs.fetch_unfinished() -> Run | None
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from crescent_lite.config.differences import differing_from_preset
from crescent_lite.config.migrations import upgraded
from crescent_lite.config.names import VERSION
from crescent_lite.config.settings import Config
from crescent_lite.errors import ConfigError, NotFoundError
from crescent_lite.records import ModelFile, PromptText, model_name, named_file
from crescent_lite.store.database import Database, now
from crescent_lite.store.json_columns import json_object

ADAPTER_DEPTH = 4
"""Parts of an adapter's path inside its workspace: `adapters`, the run, the round, the file."""
RunKind = Literal["improvement", "evaluation"]


@dataclass(frozen=True)
class Run:
    """One run."""

    run_id: int
    state: str
    """'running', 'stopped', 'failed' or 'finished'. A run that is 'running' without a live engine was killed; the
    next engine stores it as 'stopped'."""
    reason: str | None
    rounds: int
    base_id: int
    config: dict[str, Any]
    """All settings of the run as plain values, with this version's names (`config.migrations`)."""
    inputs: dict[str, str]
    """sha256 of each input of the run (prompts, benchmarks, ...), by name."""
    started_at: str
    finished_at: str | None
    teacher_id: int | None = None
    """The run whose labels a distillation learns from; None for a run that learns from its own."""
    chosen_round: int | None = None
    """Number of the round that the user chose to keep; None keeps the best round."""
    control: str | None = None
    """Name of the control experiment; None for an ordinary run."""
    control_of: int | None = None
    """The run that this is a control of; None for an ordinary run."""
    version: str = ""
    """Version of crescent-lite that started the run."""
    kind: RunKind = "improvement"
    name: str | None = None
    """The user's name for the run; None without one."""
    note: str | None = None
    """The user's note on the run; None without one."""

    @property
    def has_own_questions(self) -> bool:
        """Whether the questions come from the user's file and not from the model."""
        return bool(self.config["bait"].get("file"))

    @property
    def questions_from(self) -> str:
        """Where the user's questions come from, in words: "the user's file" or 'the data set owner/repo'."""
        source = str(self.config["bait"].get("file") or "")
        return f"the data set {source.removeprefix('hub:')}" if source.startswith("hub:") else "the user's file"


@dataclass(frozen=True)
class Round:
    """One round of a run."""

    round_id: int
    run_id: int
    number: int
    """Number of the round in its run, from 1."""
    model_id: int
    """The model that asks and votes."""
    adapter_id: int | None
    """The adapter that the round trained; None before that, and for a round that trains none."""
    outcome: str | None
    """How the round ended, in words; None while it is unfinished."""
    finished_at: str | None
    """UTC, ISO 8601; None while the round is unfinished."""
    asking_stopped: str | None
    """Why asking stopped before all planned questions were asked; None if it did not."""


@dataclass(frozen=True)
class StageCost:
    """What one stage of a round took, in all processes that worked on it."""

    stage: str
    seconds: float
    """Time at work; pauses by the user are left out."""
    sampling_seconds: float
    """Time in llama.cpp's decoding and sampling."""
    tokens: int
    """Tokens drawn."""
    prompt_tokens: int
    """Tokens of the prompts."""
    finished: bool
    """Whether the process that worked on the stage last has finished it."""
    pauses: int = 0
    """How often a sample had to leave its slot because the cache was full."""
    lost_servers: int = 0
    """Servers that stopped answering while others went on."""


class Runs:
    """Reads and writes of the runs, rounds, models, prompts, stages and events tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_model(self, model: ModelFile, parent_id: int | None = None) -> int:
        """Store the model unless one with its kind, checksum and parent exists. Returns its id.

        A known model gets the new path only if there is no longer a file at its stored path.
        """
        known = self._database.row(
            "SELECT model_id, path FROM models WHERE kind = ? AND sha256 = ? AND ifnull(parent_id, 0) = ifnull(?, 0)",
            [model.kind, model.sha256, parent_id],
        )
        if known is None:
            return self._database.write(
                """INSERT INTO models (name, kind, source, path, sha256, parent_id, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)""",
                [model.name, model.kind, model.source, str(model.path), model.sha256, parent_id, now()],
            )
        if not Path(known["path"]).is_file():
            self.set_model_path(known["model_id"], model.path)
        return int(known["model_id"])

    def fetch_model(self, model_id: int) -> ModelFile:
        """A model by id. An adapter in this workspace is found even after the workspace was moved."""
        row = self._database.row("SELECT * FROM models WHERE model_id = ?", [model_id])
        if row is None:
            raise NotFoundError(f"model {model_id}: not in {self._database.path}")
        path = current_model_path(row["kind"], Path(row["path"]), self._database.path.parent)
        return ModelFile(row["name"], path, row["sha256"], row["source"], row["kind"])

    def find_base(self, sha256: str) -> int | None:
        """The id of the base with this checksum; None if no run has used it."""
        found = self._database.value("SELECT model_id FROM models WHERE kind = 'base' AND sha256 = ?", [sha256])
        return None if found is None else int(found)

    def fetch_base(self, run: Run) -> ModelFile:
        """The base of a run, under the name that the run's settings give it.

        The row of a model keeps the name of its first use; another run may use the same file under another name.
        """
        base = self.fetch_model(run.base_id)
        source = str(run.config.get("model", {}).get("source", ""))
        name = named_file(source)
        return replace(base, name=model_name(name), source=source) if name else base

    def set_model_path(self, model_id: int, path: Path) -> None:
        """Store where a model's file is now."""
        self._database.write("UPDATE models SET path = ? WHERE model_id = ?", [str(path), model_id])

    def insert_prompt(self, prompt: PromptText) -> None:
        """Store a prompt unless the same text is stored already."""
        self._database.write(
            "INSERT INTO prompts (sha256, name, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [prompt.sha256, prompt.name, prompt.text],
        )

    def fetch_prompts(self, run_id: int) -> list[tuple[str, str]]:
        """(name, text) of every prompt that a run used, by name."""
        used = set(self.fetch_run(run_id).inputs.values())
        rows = self._database.rows("SELECT sha256, name, text FROM prompts ORDER BY name")
        return [(row["name"], row["text"]) for row in rows if row["sha256"] in used]

    def insert_run(
        self,
        kind: RunKind,
        base_id: int,
        inputs: dict[str, str],
        teacher_id: int | None = None,
        control: str | None = None,
        control_of: int | None = None,
    ) -> int:
        """Store a new run in the state 'running'. `inputs` are checksums by name. Returns its id."""
        return self._database.write(
            """INSERT INTO runs (kind, state, rounds, base_id, config, inputs, version, started_at, teacher_id,
                control, control_of) VALUES (?, 'running', 0, ?, '{}', ?, ?, ?, ?, ?, ?)""",
            [kind, base_id, json.dumps(inputs), VERSION, now(), teacher_id, control, control_of],
        )

    def set_plan(self, run_id: int, config: dict[str, Any], rounds: int) -> None:
        """Store the settings of a run, which of them differ from its preset, and its planned number of rounds."""
        self._database.write(
            "UPDATE runs SET config = ?, differs = ?, rounds = ? WHERE run_id = ?",
            [json.dumps(config), json.dumps(differing_from_preset(config)), rounds, run_id],
        )

    def set_rounds(self, run_id: int, rounds: int) -> None:
        """Store the planned number of rounds."""
        self._database.write("UPDATE runs SET rounds = ? WHERE run_id = ?", [rounds, run_id])

    def set_state(self, run_id: int, state: str, reason: str | None = None) -> None:
        """Store the state of a run and the reason for it; 'finished' also stores the time."""
        self._database.write(
            "UPDATE runs SET state = ?, reason = ?, finished_at = ? WHERE run_id = ?",
            [state, reason, now() if state == "finished" else None, run_id],
        )

    def end_killed_runs(self) -> None:
        """Store that every run in the state 'running' was killed, and its training with it.

        Only for the holder of the workspace's lock.
        """
        with self._database.transaction():
            self._database.write(
                "UPDATE runs SET state = 'stopped', reason = 'its engine was killed' WHERE state = 'running'"
            )
            self._database.write("UPDATE trainings SET state = 'interrupted' WHERE state = 'running'")

    def set_chosen_round(self, run_id: int, number: int | None) -> None:
        """Store which round of the run the user keeps; None keeps the best."""
        self._database.write("UPDATE runs SET chosen_round = ? WHERE run_id = ?", [number, run_id])

    def fetch_run(self, run_id: int | None = None, kind: RunKind | None = None) -> Run:
        """A run by id, or else the latest run, or the latest of one `kind`.

        Raises NotFoundError, or ConfigError if its settings are damaged or a newer version stored them.
        """
        found = self._database.row(
            """SELECT * FROM runs WHERE (:run IS NULL OR run_id = :run) AND (:kind IS NULL OR kind = :kind)
            ORDER BY run_id DESC LIMIT 1""",
            {"run": run_id, "kind": None if run_id else kind},
        )
        if found is None:
            if run_id is None:
                raise NotFoundError(f"no run yet in {self._database.path}; `crescent run` starts one")
            latest = self._database.value("SELECT max(run_id) FROM runs")
            hint = f"the latest is run {latest}" if latest else "`crescent run` starts one"
            raise NotFoundError(f"run {run_id}: not in {self._database.path}; {hint}")
        return Run(
            found["run_id"],
            found["state"],
            found["reason"],
            found["rounds"],
            found["base_id"],
            _stored_settings(found["config"]),
            json_object(found["inputs"]),
            found["started_at"],
            found["finished_at"],
            found["teacher_id"],
            found["chosen_round"],
            found["control"],
            found["control_of"],
            found["version"],
            found["kind"],
            found["name"],
            found["note"],
        )

    def fetch_controls(self, run_id: int) -> dict[str, Run]:
        """The latest control of each name of a run."""
        rows = self._database.rows("SELECT run_id FROM runs WHERE control_of = ? ORDER BY run_id", [run_id])
        return {run.control: run for run in (self.fetch_run(row[0]) for row in rows) if run.control}

    def fetch_siblings(self, run_id: int) -> list[int]:
        """Ids of the other improvement runs of the same base, oldest first."""
        rows = self._database.rows(
            """SELECT run_id FROM runs WHERE kind = 'improvement' AND run_id != :run
                AND base_id = (SELECT base_id FROM runs WHERE run_id = :run) ORDER BY run_id""",
            {"run": run_id},
        )
        return [row[0] for row in rows]

    def fetch_latest(self, kind: RunKind) -> Run | None:
        """The latest run of a kind; None without one."""
        run_id = self._database.value("SELECT max(run_id) FROM runs WHERE kind = ?", [kind])
        return self.fetch_run(run_id) if run_id else None

    def fetch_unfinished(self) -> Run | None:
        """The latest improvement run, if it is unfinished and has stored at least one item; else None."""
        run = self.fetch_latest("improvement")
        return run if run and run.state != "finished" and self._has_items(run.run_id) else None

    def _has_items(self, run_id: int) -> bool:
        found = self._database.value(
            """SELECT EXISTS (SELECT 1 FROM questions JOIN rounds USING (round_id) WHERE run_id = :run)
                OR EXISTS (SELECT 1 FROM run_evaluations JOIN evaluated_items USING (evaluation_id)
                    WHERE run_id = :run)""",
            {"run": run_id},
        )
        return bool(found)

    def insert_round(self, run_id: int, number: int, model_id: int) -> Round:
        """Store the round unless it exists already. Returns it."""
        self._database.write(
            """INSERT INTO rounds (run_id, number, model_id, started_at) VALUES (?, ?, ?, ?)
            ON CONFLICT DO NOTHING""",
            [run_id, number, model_id, now()],
        )
        return self.fetch_round(run_id, number)

    def fetch_round(self, run_id: int, number: int) -> Round:
        """A round of a run by its number. Raises NotFoundError."""
        rounds = self.fetch_rounds(run_id)
        found = next((each for each in rounds if each.number == number), None)
        if found is None:
            hint = f"its last one is round {rounds[-1].number}" if rounds else "it has none yet"
            raise NotFoundError(f"run {run_id} has no round {number} in {self._database.path}; {hint}")
        return found

    def fetch_rounds(self, run_id: int) -> list[Round]:
        """The rounds of a run, in order."""
        rows = self._database.rows(
            """SELECT round_id, run_id, number, model_id, adapter_id, outcome, finished_at, asking_stopped
            FROM rounds WHERE run_id = ? ORDER BY number""",
            [run_id],
        )
        return [Round(*row) for row in rows]

    def set_asking_stopped(self, round_id: int, reason: str) -> None:
        """Store why the round asks no more questions."""
        self._database.write("UPDATE rounds SET asking_stopped = ? WHERE round_id = ?", [reason, round_id])

    def finish_round(self, round_id: int, outcome: str) -> None:
        """Store the outcome of the round, which is then complete."""
        self._database.write(
            "UPDATE rounds SET outcome = ?, finished_at = ? WHERE round_id = ?", [outcome, now(), round_id]
        )

    def add_stage_cost(self, run_id: int, round_number: int, cost: StageCost) -> None:
        """Add what a stage took in this process to what earlier processes stored. Round 0 is the base."""
        self._database.write(
            """INSERT INTO stages (run_id, round_number, stage, seconds, sampling_seconds, tokens, prompt_tokens,
                finished_at, pauses, lost_servers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (run_id, round_number, stage) DO UPDATE SET seconds = seconds + excluded.seconds,
                sampling_seconds = sampling_seconds + excluded.sampling_seconds,
                tokens = tokens + excluded.tokens, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
                finished_at = excluded.finished_at, pauses = pauses + excluded.pauses,
                lost_servers = lost_servers + excluded.lost_servers""",
            [
                run_id,
                round_number,
                cost.stage,
                cost.seconds,
                cost.sampling_seconds,
                cost.tokens,
                cost.prompt_tokens,
                now() if cost.finished else None,
                cost.pauses,
                cost.lost_servers,
            ],
        )

    def fetch_stage_costs(self, run_id: int, round_number: int) -> list[StageCost]:
        """What each stage of a round took so far. Round 0 is the base."""
        rows = self._database.rows(
            "SELECT * FROM stages WHERE run_id = ? AND round_number = ?", [run_id, round_number]
        )
        return [
            StageCost(
                row["stage"],
                row["seconds"],
                row["sampling_seconds"],
                row["tokens"],
                row["prompt_tokens"],
                row["finished_at"] is not None,
                row["pauses"],
                row["lost_servers"],
            )
            for row in rows
        ]

    def insert_event(self, run_id: int, kind: str, detail: dict[str, Any]) -> None:
        """Store an event. The engine stores the end of a stage, for instance, but not each vote."""
        self._database.write(
            "INSERT INTO events (run_id, kind, detail, created_at) VALUES (?, ?, ?, ?)",
            [run_id, kind, json.dumps(detail, default=str), now()],
        )

    def fetch_events(self, run_id: int, kind: str) -> list[dict[str, Any]]:
        """The details of a run's events of one kind, oldest first."""
        rows = self._database.rows(
            "SELECT detail FROM events WHERE run_id = ? AND kind = ? ORDER BY event_id", [run_id, kind]
        )
        return [json_object(row[0]) for row in rows]


def _stored_settings(text: str) -> dict[str, Any]:
    """Stored settings with today's names. Raises ConfigError for damaged ones, and for those of a newer version.

    An engine of an earlier version that was killed at its start left a run without settings: it gets the defaults.
    """
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        stored = None
    if not isinstance(stored, dict):
        raise ConfigError("the settings stored with the run: not a JSON object; restore the database from a backup")
    return upgraded(stored or Config().as_dict())


def current_model_path(kind: str, path: Path, folder: Path) -> Path:
    """Path of a model: an adapter's file in `folder` if it is there, since workspaces are moved; else as stored."""
    here = folder.joinpath(*path.parts[-ADAPTER_DEPTH:])
    try:
        return here if kind == "adapter" and here.is_file() else path
    except OSError:  # a name that is too long for any file
        return path
