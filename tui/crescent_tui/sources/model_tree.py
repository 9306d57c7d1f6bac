"""The models of a workspace as a tree: bases, the runs that started from them, adapters and exports.

A run that learned from another run's labels stands under that run, and so does a control. Pure: knows no file and no
widget. Example: [node.depth for node in model_tree(models, runs)] -> [0, 1, 2, 2]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crescent_lite.export.provenance import HandedOver
from crescent_lite.store.model_lines import ModelLine, ModelRun

BRANCH, LAST, DOWN, BLANK = "├─ ", "└─ ", "│  ", "   "


@dataclass(frozen=True)
class ModelNode:
    """One line of the tree: a model, a run that made models, or an export."""

    depth: int
    branch: str
    """The lines of the tree drawn before the name, such as '│  └─ '."""
    name: str
    """As stored, and so untrusted."""
    model: ModelLine | None
    """None for a run without its own model, and for an export."""
    run: ModelRun | None
    """The run that made the model or export, or the run itself; None for a base."""
    handed: HandedOver | None = None
    """The export; None for a model or a run."""

    @property
    def key(self) -> tuple[str, int | str]:
        """Identifies the model, run or export when the tree is read again."""
        if self.handed:
            return ("handed", self.handed.folder.name)
        if self.model and (self.model.kind == "adapter" or self.run is None):
            return ("model", self.model.model_id)
        return ("run", self.run.run_id if self.run else 0)


@dataclass(frozen=True)
class _Entry:
    """A node before its place in the tree is known."""

    name: str
    model: ModelLine | None
    run: ModelRun | None
    handed: HandedOver | None = None


class _Tree:
    """The descent of models, runs and exports."""

    def __init__(self, models: Iterable[ModelLine], runs: Iterable[ModelRun], handed: Iterable[HandedOver]) -> None:
        self.models = {model.model_id: model for model in sorted(models, key=lambda each: each.model_id)}
        self.runs = {run.run_id: run for run in sorted(runs, key=lambda each: each.run_id)}
        self.handed: dict[int, list[HandedOver]] = {run_id: [] for run_id in self.runs}
        for each in handed:
            if each.run_id in self.runs:
                self.handed[each.run_id].append(each)
        self.made: dict[int, list[ModelLine]] = {run_id: [] for run_id in self.runs}
        self.given: dict[int, list[ModelLine]] = {model_id: [] for model_id in self.models}
        for model in self.models.values():
            if model.run_id is not None and model.run_id in self.runs:
                self.made[model.run_id].append(model)
            elif model.parent_id in self.given:
                self.given[model.parent_id].append(model)
        self.after: dict[int, list[ModelRun]] = {run_id: [] for run_id in self.runs}
        self.first: dict[int, list[ModelRun]] = {model_id: [] for model_id in self.models}
        # The latest first, because a run that descends from another one is later than it.
        for run in reversed(self.runs.values()):
            if not self.made[run.run_id] and not self.after[run.run_id]:
                continue
            above = run.control_of or run.teacher_id
            if above is not None and above in self.runs and above < run.run_id:
                self.after[above].insert(0, run)
            elif run.base_id in self.first:
                self.first[run.base_id].insert(0, run)

    def roots(self) -> list[ModelLine]:
        """Models with no parent. A student without a run of its own stands under its teacher's run only."""
        taught = {run.base_id for runs in self.after.values() for run in runs if not run.control_of}
        return [
            model
            for model in self.models.values()
            if model.run_id not in self.runs
            and model.parent_id not in self.models
            and (model.model_id not in taught or self.first[model.model_id] or self.given[model.model_id])
        ]

    def below(self, entry: _Entry) -> list[_Entry]:
        """The direct children of an entry."""
        if entry.run is None and entry.model:
            base = entry.model.model_id
            found = [self._of_run(run) for run in self.first[base]]
            return found + [_Entry(model.name, model, None) for model in self.given[base]]
        if entry.run is None or entry.handed:
            return []
        made, handed = self.made[entry.run.run_id], self.handed[entry.run.run_id]
        if entry.model and entry.model.kind == "adapter":
            return [_of_folder(each, entry.run) for each in handed if list(each.rounds) == [entry.model.round]]
        rounds = [_Entry(f"round {model.round}", model, entry.run) for model in made]
        alone = {model.round for model in made}
        mixed = [
            _of_folder(each, entry.run) for each in handed if len(each.rounds) != 1 or not alone & {*each.rounds}
        ]
        return rounds + mixed + [self._of_run(run) for run in self.after[entry.run.run_id]]

    def _of_run(self, run: ModelRun) -> _Entry:
        name = f"run {run.run_id}"
        if run.control:
            return _Entry(f"{name}, control: {run.control}", None, run)
        student = self.models.get(run.base_id)
        if run.teacher_id and student:
            return _Entry(f"{name}, student: {student.name}", student, run)
        return _Entry(name, None, run)


def _of_folder(handed: HandedOver, run: ModelRun) -> _Entry:
    """An export, named like 'merged gguf, q4_k_m'."""
    words = "adapter" if handed.what == "adapter" else f"merged {handed.what}"
    return _Entry(", ".join(filter(None, (words, handed.tensor_type))), None, run, handed)


def model_tree(
    models: Iterable[ModelLine], runs: Iterable[ModelRun], handed: Iterable[HandedOver] = ()
) -> tuple[ModelNode, ...]:
    """All models, each under the one it comes from, oldest first. Runs that made no model are omitted."""
    tree = _Tree(models, runs, handed)
    found: list[ModelNode] = []

    def grow(entry: _Entry, depth: int, before: str, branch: str) -> None:
        found.append(ModelNode(depth, before + branch, entry.name, entry.model, entry.run, entry.handed))
        below = tree.below(entry)
        if branch:
            before += BLANK if branch == LAST else DOWN
        for index, each in enumerate(below):
            grow(each, depth + 1, before, LAST if index == len(below) - 1 else BRANCH)

    for model in tree.roots():
        grow(_Entry(model.name, model, None), 0, "", "")
    return tuple(found)
