"""What the Models screen is told of the lines in view: files, sizes, scores, which round is kept.

Read in the background. Asks the store, and the disk how large a file is; knows no widget. Texts are as stored:
untrusted. Example:
    fetch_facts(store, nodes)[("model", 3)].size -> 18_300_000
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.export.provenance import handed_over
from crescent_lite.intervals import wilson
from crescent_lite.records import Score
from crescent_lite.rounds import Standing
from crescent_lite.store import Store
from crescent_lite.store.model_lines import ModelDetail, ModelScore
from crescent_tui.sources.model_tree import Node, model_tree

Key = tuple[str, int | str]


@dataclass(frozen=True)
class ModelFacts:
    """One line of the tree."""

    node: Node
    detail: ModelDetail | None
    """None of a run without a model of its own, and of what was handed over."""
    size: int | None
    """Bytes; None where the file is gone, and of a run."""
    scores: tuple[tuple[ModelScore, Score], ...]
    standing: Standing | None
    """Of the rounds of its run."""

    @property
    def path(self) -> Path | None:
        """Its file, or the folder that was handed over."""
        return self.node.handed.folder if self.node.handed else self.detail.path if self.detail else None

    @property
    def is_adapter(self) -> bool:
        """Whether it is one, and no base or run."""
        return self.node.model is not None and self.node.model.kind == "adapter"

    @property
    def is_kept(self) -> bool:
        """Whether it is the adapter that counts as its run's."""
        model, standing = self.node.model, self.standing
        return bool(
            model
            and standing
            and standing.kept is not None
            and standing.adapters.get(standing.kept) == model.model_id
        )

    @property
    def round(self) -> int | None:
        """The round that can be handed over: its own, or of a run the kept one."""
        if self.node.model and self.is_adapter:
            return self.node.model.round if self.node.run else None
        if self.node.handed:
            return None
        return self.standing.kept if self.standing else None


def fetch_tree(store: Store, exports: Path) -> tuple[Node, ...]:
    """All models as a tree, with what lies in the folder of exports."""
    return model_tree(store.model_lines.fetch_models(), store.model_lines.fetch_runs(), handed_over(exports))


def fetch_facts(store: Store, nodes: Sequence[Node]) -> dict[Key, ModelFacts]:
    """What is known of these lines."""
    ids = sorted({node.model.model_id for node in nodes if node.model})
    details, scores = store.model_lines.fetch_details(ids), store.model_lines.fetch_scores(ids)
    standings = {run_id: store.fetch_standing(run_id) for run_id in {node.run.run_id for node in nodes if node.run}}
    found: dict[Key, ModelFacts] = {}
    for node in nodes:
        model_id = node.model.model_id if node.model else 0
        detail = details.get(model_id)
        found[node.key] = ModelFacts(
            node,
            detail,
            node.handed.size if node.handed else file_size(detail.path) if detail else None,
            tuple((score, wilson(score.right, score.items)) for score in scores.get(model_id, ())),
            standings.get(node.run.run_id) if node.run else None,
        )
    return found


def file_size(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return None
