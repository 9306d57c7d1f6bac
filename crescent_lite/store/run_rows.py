"""Runs as a list shows them: name, what differs, scores and cost; and how a run is found by its number or name.

Reads the view v_runs. Texts are untrusted. Example:
    [row.title for row in store.run_rows.fetch()] -> ["run 2", "first try (run 1)", "run 3: control majority"]
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.errors import NotFoundError, StorageError, UsageError
from crescent_lite.records import Role, model_name, named_file, short_name
from crescent_lite.store.database import Database
from crescent_lite.store.json_columns import json_value

NAME_CHARACTERS = 80
"""Longest name of a run."""


@dataclass(frozen=True)
class RunScore:
    """The greedy score of the base and of the run's kept round on one benchmark with one prompt."""

    benchmark: str
    prompt: str
    """Name of the prompt without its set."""
    role: Role
    items: int
    base: float | None
    """Flexible score of the base, 0-1."""
    score: float | None
    """Flexible score of the round, 0-1; None before it is measured."""
    is_primary: bool
    """Whether this is the benchmark's score in a list: the one with the primary prompt, else the first prompt."""

    @property
    def difference(self) -> float | None:
        """Score of the round less score of the base; None until both are known."""
        return self.score - self.base if self.score is not None and self.base is not None else None


@dataclass(frozen=True)
class RunRow:
    """One run."""

    run_id: int
    name: str | None
    """The user's name for it; None without one."""
    note: str | None
    """The user's note on it; None without one."""
    kind: str
    """'improvement' or 'evaluation'."""
    control: str | None
    """Name of the control experiment; None for an ordinary run."""
    parent_id: int | None
    """The run that a control belongs to, or whose labels a distillation learns from; None for any other run."""
    model: str
    """Name of the base."""
    state: str
    """'running', 'stopped', 'failed' or 'finished', as stored: an engine that was killed leaves 'running'."""
    reason: str | None
    """Why it stopped, failed or finished early; None if nothing is stored."""
    rounds_planned: int
    rounds: int
    """Finished rounds."""
    round: int | None
    """The kept round, or the measured one of an evaluation; None before there is one."""
    labels: int
    """Questions with a label, in all rounds."""
    scores: tuple[RunScore, ...]
    """By role ('score' first), benchmark and prompt."""
    seconds: float
    """Time at work in all stages."""
    tokens: int
    """Tokens drawn in all stages."""
    differs: Mapping[str, Any]
    """Settings with another value than in the preset, by `section.key`."""
    effective: Mapping[str, Any]
    """What automatic settings came to, by `section.key`."""
    preset: str | None
    seed: int | None
    sweep: str | None
    """Name of the sweep that it belongs to; None without one."""
    sweep_position: int | None
    """Its position in the sweep's queue, from 0."""
    started_at: str
    """UTC, ISO 8601."""
    finished_at: str | None
    """UTC, ISO 8601; None until it is finished."""
    depth: int = 0
    """How far it stands under another run: 1 for the control of an ordinary run."""

    @property
    def title(self) -> str:
        """The name with the number, or what the run is: 'first try (run 1)', 'run 3: control majority'."""
        if self.name:
            return f"{self.name} (run {self.run_id})"
        return f"run {self.run_id}: {self.what}" if self.what else f"run {self.run_id}"

    @property
    def what(self) -> str:
        """What kind of run it is, in words; empty for an ordinary run."""
        if self.control:
            return f"control {self.control}"
        if self.kind == "evaluation":
            return "evaluation"
        return "distillation" if self.parent_id else ""


class RunRows:
    """Reads runs as rows, and finds runs by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch(self, run_ids: Sequence[int] | None = None) -> tuple[RunRow, ...]:
        """All runs, newest first, or those with these ids; controls and distillations follow the run above them.

        Raises StorageError if what a run refers to is missing.
        """
        chosen = "" if run_ids is None else "WHERE v.run_id IN (SELECT value FROM json_each(:runs))"
        rows = self._database.rows(
            f"""SELECT v.*, r.config FROM v_runs v JOIN runs r USING (run_id) {chosen} ORDER BY v.run_id DESC""",
            {} if run_ids is None else {"runs": json.dumps(list(run_ids))},
        )
        if run_ids is not None and len(rows) < len(set(run_ids)):
            raise StorageError(
                f"{self._database.path}: a run refers to rows that are missing; `crescent db check` lists them; "
                "restore a backup"
            )
        return _in_families([_run_row(row) for row in rows])

    def find(self, reference: str) -> int:
        """The id of a run by its number or its name. Raises NotFoundError, or UsageError for an ambiguous name."""
        if reference.isascii() and reference.isdigit():
            latest = self._database.value("SELECT max(run_id) FROM runs")
            # compared as text: SQLite's integers end at 2**63
            if not self._database.rows("SELECT 1 FROM runs WHERE run_id = ?", [reference.lstrip("0")]):
                hint = f"the latest is run {latest}" if latest else "`crescent run` starts one"
                raise NotFoundError(f"run {reference}: not in {self._database.path}; {hint}")
            return int(reference)
        names = {
            row["run_id"]: row["name"]
            for row in self._database.rows("SELECT run_id, name FROM runs WHERE name IS NOT NULL ORDER BY run_id")
        }
        found_ids = [run_id for run_id, name in names.items() if name == reference]
        if len(found_ids) == 1:
            return int(found_ids[0])
        if found_ids:
            raise UsageError(f"{reference!r}: is the name of runs {_listed(found_ids)}; give a number")
        near = difflib.get_close_matches(reference, names.values(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`crescent runs` lists all"
        raise NotFoundError(f"{reference!r}: no run has this name; {hint}")

    def check_name(self, name: str, run_id: int | None = None) -> None:
        """Raise UsageError if a run cannot have this name: it is empty, a number, too long, or another run's."""
        if not name.strip() or name != name.strip():
            raise UsageError("the name of a run must not be empty, and must not begin or end with a space")
        if name.isdigit():
            raise UsageError(f"{name!r}: would be taken for the number of a run; add a letter to the name")
        if len(name) > NAME_CHARACTERS:
            raise UsageError(f"{name[:20]!r}...: a name has at most {NAME_CHARACTERS} characters; use a note")
        other = self._database.value("SELECT run_id FROM runs WHERE name = ? AND run_id IS NOT ?", [name, run_id])
        if other is not None:
            raise UsageError(f"{name!r}: is the name of run {other} already; choose another one")

    def set_name(self, run_id: int, name: str | None, note: str | None) -> None:
        """Store the name and the note; None leaves the stored one, an empty note deletes it. Raises UsageError."""
        if name is not None:
            self.check_name(name, run_id)
        self._database.write(
            """UPDATE runs SET name = coalesce(:name, name),
                note = CASE WHEN :note IS NULL THEN note ELSE nullif(:note, '') END WHERE run_id = :run""",
            {"name": name, "note": note, "run": run_id},
        )


def common_differences(rows: Sequence[RunRow]) -> dict[str, Any]:
    """The settings in which all these runs differ from their presets with the same value; empty for a single run.

    A list says them once, so that its rows show what tells the runs apart.
    """
    if len(rows) < 2:
        return {}
    first, *others = (row.differs for row in rows)
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }


def _in_families(rows: Sequence[RunRow]) -> tuple[RunRow, ...]:
    """The rows with each control and distillation under its run, oldest first, however deep.

    Only an earlier run can be the parent: a damaged database may name the run itself.
    """
    here = {row.run_id for row in rows}
    children: dict[int | None, list[RunRow]] = {}
    for row in rows:
        has_parent = row.parent_id is not None and row.parent_id in here and row.parent_id < row.run_id
        children.setdefault(row.parent_id if has_parent else None, []).append(row)
    found: list[RunRow] = []
    waiting = [(row, 0) for row in reversed(children.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        found.append(RunRow(**{**vars(row), "depth": depth}))
        waiting += [(child, depth + 1) for child in children.get(row.run_id, [])]  # the oldest is taken first
    return tuple(found)


def _run_row(row: Any) -> RunRow:
    config = _table(row["config"])
    given = named_file(str(_part(config, "model").get("source") or ""))
    names = [name for name in RunRow.__dataclass_fields__ if name not in ("scores", "differs", "effective", "depth")]
    values = {name: row[name] for name in names}
    values |= {"seconds": row["seconds"] or 0.0, "tokens": row["tokens"] or 0}
    values["model"] = model_name(given) if given else row["model"]
    return RunRow(
        **values,
        scores=_scores(json_value(row["scores"]), str(_part(config, "evaluate").get("primary_prompt") or "")),
        differs=_table(row["differs"]),
        effective=_table(row["effective"]),
    )


def _scores(found: Sequence[Mapping[str, Any]], primary_prompt: str) -> tuple[RunScore, ...]:
    listed: dict[str, Mapping[str, Any]] = {}
    for each in found:
        if each["benchmark"] not in listed or short_name(each["prompt"]) == primary_prompt:
            listed[each["benchmark"]] = each
    return tuple(
        RunScore(
            each["benchmark"],
            short_name(each["prompt"]),
            each["role"],
            each["items"],
            each["base"],
            each["score"],
            listed[each["benchmark"]] is each,
        )
        for each in found
    )


def _table(text: str | None) -> dict[str, Any]:
    """The object that a JSON text holds; empty if it is damaged."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = config.get(section)
    return found if isinstance(found, dict) else {}


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
