"""The facts that the Models screen shows of each line of the tree: file, size, scores, and whether its round is kept.

Reads the store, and the sizes of files, in the background; knows no widget. Texts are as stored, and so untrusted.
Example:
    fetch_facts(store, nodes)[("model", 3)].size -> 18_300_000
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.evaluation.headroom import Headroom
from crescent_lite.export.provenance import handed_over
from crescent_lite.intervals import wilson
from crescent_lite.records import Score
from crescent_lite.report.headroom import fetch_headroom
from crescent_lite.report.primary import primary_number
from crescent_lite.report.tables import kept_in_words
from crescent_lite.rounds import Standing
from crescent_lite.store import Store
from crescent_lite.store.model_lines import ModelDetail, ModelScore
from crescent_tui.sources.model_tree import ModelNode, model_tree

Key = tuple[str, int | str]


@dataclass(frozen=True)
class ModelFacts:
    """The facts of one line of the tree."""

    node: ModelNode
    detail: ModelDetail | None
    """The stored model; None for a run without its own model, and for an export."""
    size: int | None
    """Bytes; None if the file is missing, and for a run."""
    scores: tuple[tuple[ModelScore, Score], ...]
    """Each score with its 95% interval."""
    standing: Standing | None
    """The standing of the rounds of its run; None for a base."""
    headroom: tuple[Headroom, ...] = ()
    """What voting is worth for it; empty where no benchmark was sampled, and for anything but a base."""
    base_scores: tuple[tuple[ModelScore, Score], ...] = ()
    """The scores of the base of its run; empty for a base."""
    kept_in_words: str = ""
    """Which round its run keeps and why; empty for a base, and if none is kept."""

    @property
    def path(self) -> Path | None:
        """The file of the model, or the folder of the export; None for a run."""
        return self.node.handed.folder if self.node.handed else self.detail.path if self.detail else None

    @property
    def is_adapter(self) -> bool:
        """Whether the line is an adapter, not a base or a run."""
        return self.node.model is not None and self.node.model.kind == "adapter"

    @property
    def is_kept(self) -> bool:
        """Whether the line is the adapter that its run keeps."""
        model, standing = self.node.model, self.standing
        return bool(
            model
            and standing
            and standing.kept is not None
            and standing.adapters.get(standing.kept) == model.model_id
        )

    @property
    def round(self) -> int | None:
        """The round that can be exported: an adapter's own round, or the round that a run keeps; None without one."""
        if self.node.model and self.is_adapter:
            return self.node.model.round if self.node.run else None
        if self.node.handed:
            return None
        return self.standing.kept if self.standing else None


@dataclass(frozen=True)
class ModelTree:
    """All models, and what they were measured on."""

    nodes: tuple[ModelNode, ...]
    measured: tuple[tuple[str, str], ...]
    """(benchmark, prompt) of every greedy evaluation, by name."""


def fetch_tree(store: Store, exports: Path) -> ModelTree:
    """All models as a tree, with the exports found in the folder `exports`."""
    nodes = model_tree(store.model_lines.fetch_models(), store.model_lines.fetch_runs(), handed_over(exports))
    return ModelTree(nodes, store.model_lines.fetch_measured())


def fetch_facts(store: Store, nodes: Sequence[ModelNode]) -> dict[Key, ModelFacts]:
    """The facts of these lines, by the key of the line."""
    ids = sorted(
        {node.model.model_id for node in nodes if node.model} | {node.run.base_id for node in nodes if node.run}
    )
    details, scores = store.model_lines.fetch_details(ids), store.model_lines.fetch_scores(ids)
    standings = {run_id: store.fetch_standing(run_id) for run_id in {node.run.run_id for node in nodes if node.run}}
    runs = [store.runs.fetch_run(run_id) for run_id in standings]
    kept = {run.run_id: kept_in_words(standings[run.run_id], primary_number(store, run)) for run in runs}
    found: dict[Key, ModelFacts] = {}
    for node in nodes:
        model_id = node.model.model_id if node.model else 0
        base_id = node.run.base_id if node.run and node.run.base_id != model_id else 0
        detail = details.get(model_id)
        found[node.key] = ModelFacts(
            node,
            detail,
            node.handed.size if node.handed else file_size(detail.path) if detail else None,
            _with_intervals(scores.get(model_id, ())),
            standings.get(node.run.run_id) if node.run else None,
            tuple(fetch_headroom(store, model_id=model_id)) if node.model and node.model.kind == "base" else (),
            base_scores=_with_intervals(scores.get(base_id, ())),
            kept_in_words=kept.get(node.run.run_id, "") if node.run else "",
        )
    return found


def _with_intervals(scores: Sequence[ModelScore]) -> tuple[tuple[ModelScore, Score], ...]:
    return tuple((score, wilson(score.right, score.items)) for score in scores)


def file_size(path: Path) -> int | None:
    """The size of a file in bytes; None if it does not exist."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a path that is invalid on every system
        return None
