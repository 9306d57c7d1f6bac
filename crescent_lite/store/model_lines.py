"""The models of a workspace for a list: which models there are, which run made each, and their scores.

Bounded reads only. Texts and paths are as they were stored, so untrusted. Example:
    model_lines.fetch_models()[0]      # the newest: ModelLine(9, "adapter", "run-3-round-2", base_id=1, ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.store.database import Database
from crescent_lite.store.runs import current_model_path

MOST_MODELS = 5000
MOST_RUNS = 2000
NAME_CHARACTERS = 200
IDS_AT_ONCE = 500
"""Ids in one statement; SQLite limits the values that a statement may have."""


@dataclass(frozen=True)
class ModelLine:
    """One model as a list shows it."""

    model_id: int
    kind: str
    """'base' or 'adapter'."""
    name: str
    parent_id: int | None
    """The base that an adapter was trained on; None for a base."""
    run_id: int | None
    """The first run with a round that trained the model; None if no round did."""
    round: int | None
    """Number of that round, from 1; None if no round trained the model."""


@dataclass(frozen=True)
class ModelRun:
    """A run and the models it starts from."""

    run_id: int
    base_id: int
    teacher_id: int | None
    """The run whose labels a distillation learns from; None for a run that learns from its own."""
    control: str | None
    """Name of the control experiment; None for an ordinary run."""
    control_of: int | None
    """The run that this one is a control of; None for an ordinary run."""
    state: str
    """'running', 'stopped', 'failed' or 'finished'."""


@dataclass(frozen=True)
class ModelDetail:
    """One model in full."""

    model_id: int
    kind: str
    """'base' or 'adapter'."""
    name: str
    source: str
    """Where the model came from: for a base 'embedded', a path or `repo:file`, as the user wrote it."""
    path: Path
    """The file that is loaded: in this workspace if the adapter is there, else the stored path."""
    sha256: str
    created_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class ModelScore:
    """One evaluation of a model with one greedy reply to each item."""

    benchmark: str
    prompt: str
    right: int
    """Right replies by the flexible scoring."""
    items: int
    """Items evaluated so far."""
    total: int
    """Items of the benchmark."""


class ModelLines:
    """Bounded reads over all models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_models(self, limit: int = MOST_MODELS) -> tuple[ModelLine, ...]:
        """Up to `limit` adapters and `limit` bases, newest first. An adapter that several rounds trained is listed
        under the first of them."""
        newest = "SELECT * FROM (SELECT * FROM models WHERE kind {} 'adapter' ORDER BY model_id DESC LIMIT :limit)"
        rows = self._database.rows(
            f"""SELECT m.model_id, m.kind, substr(m.name, 1, {NAME_CHARACTERS}), m.parent_id, d.run_id, d.number
            FROM ({newest.format("=")} UNION ALL {newest.format("<>")}) m
            LEFT JOIN (SELECT adapter_id, run_id, number, min(round_id) FROM rounds WHERE adapter_id IS NOT NULL
                GROUP BY adapter_id) d ON d.adapter_id = m.model_id
            ORDER BY m.model_id DESC""",
            {"limit": limit},
        )
        return tuple(ModelLine(*row) for row in rows)

    def fetch_runs(self, limit: int = MOST_RUNS) -> tuple[ModelRun, ...]:
        """Up to `limit` runs, newest first."""
        rows = self._database.rows(
            """SELECT run_id, base_id, teacher_id, control, control_of, state FROM runs
            ORDER BY run_id DESC LIMIT ?""",
            [limit],
        )
        return tuple(ModelRun(*row) for row in rows)

    def fetch_details(self, model_ids: Sequence[int]) -> dict[int, ModelDetail]:
        """These models in full, by id; unknown ids are left out."""
        found: dict[int, ModelDetail] = {}
        for some in _pages(model_ids):
            for row in self._database.rows(
                f"""SELECT model_id, kind, name, source, path, sha256, created_at FROM models
                WHERE model_id IN ({", ".join("?" * len(some))})""",
                some,
            ):
                path = current_model_path(row["kind"], Path(row["path"]), self._database.path.parent)
                found[row[0]] = ModelDetail(
                    row["model_id"], row["kind"], row["name"], row["source"], path, row["sha256"], row["created_at"]
                )
        return found

    def fetch_measured(self) -> tuple[tuple[str, str], ...]:
        """(benchmark, prompt) of every greedy evaluation, by name."""
        rows = self._database.rows(
            """SELECT DISTINCT b.name, e.prompt FROM evaluations e JOIN benchmarks b USING (benchmark_id)
            WHERE e.samples = 1 ORDER BY b.name, e.prompt"""
        )
        return tuple((row[0], row[1]) for row in rows)

    def fetch_scores(self, model_ids: Sequence[int]) -> dict[int, tuple[ModelScore, ...]]:
        """The scores of these models, by id: the latest greedy evaluation for each benchmark and prompt."""
        found: dict[int, dict[tuple[str, str], ModelScore]] = {}
        for some in _pages(model_ids):
            for row in self._database.rows(
                f"""SELECT e.model_id, b.name, e.prompt, coalesce(sum(i.flexible), 0), count(i.item_id), b.items
                FROM evaluations e JOIN benchmarks b USING (benchmark_id)
                LEFT JOIN evaluated_items i USING (evaluation_id)
                WHERE e.samples = 1 AND e.model_id IN ({", ".join("?" * len(some))})
                GROUP BY e.evaluation_id ORDER BY b.name, e.prompt, e.evaluation_id""",
                some,
            ):
                score = ModelScore(*row[1:])
                found.setdefault(row[0], {})[score.benchmark, score.prompt] = score
        return {model_id: tuple(scores.values()) for model_id, scores in found.items()}


def _pages(ids: Sequence[int]) -> list[list[int]]:
    return [list(ids[start : start + IDS_AT_ONCE]) for start in range(0, len(ids), IDS_AT_ONCE)]
