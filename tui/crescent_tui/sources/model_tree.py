"""The models of a workspace as a tree: a base, the runs that began with it, the adapters of their rounds, and what of
them was handed over: merged models, and copies of adapters.

A run that learnt from another one's labels stands under that one, and so does a control. Pure; knows no file and no
widget. Example: [node.depth for node in model_tree(models, runs)] -> [0, 1, 2, 2]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crescent_lite.export.provenance import HandedOver
from crescent_lite.store.model_lines import ModelLine, ModelRun

BRANCH, LAST, DOWN, BLANK = "├─ ", "└─ ", "│  ", "   "


@dataclass(frozen=True)
class Node:
    """One line of the tree: a model, a run from which models descend, or a folder that was handed over."""

    depth: int
    branch: str
    """What is drawn before it."""
    name: str
    """As stored: untrusted."""
    model: ModelLine | None
    """None for a run, and for what was handed over."""
    run: ModelRun | None
    """That made it; of a base none."""
    handed: HandedOver | None = None

    @property
    def key(self) -> tuple[str, int | str]:
        """The same for the same thing."""
        if self.handed:
            return ("handed", self.handed.folder.name)
        if self.model and (self.model.kind == "adapter" or self.run is None):
            return ("model", self.model.model_id)
        return ("run", self.run.run_id if self.run else 0)


@dataclass(frozen=True)
class _Twig:
    """A node without its place."""

    name: str
    model: ModelLine | None
    run: ModelRun | None
    handed: HandedOver | None = None


class _Tree:
    """Who descends from whom."""

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
        # The later ones first: whatever descends from a run is later than it.
        for run in reversed(self.runs.values()):
            if not self.made[run.run_id] and not self.after[run.run_id]:
                continue
            above = run.control_of or run.teacher_id
            if above is not None and above in self.runs and above < run.run_id:
                self.after[above].insert(0, run)
            elif run.base_id in self.first:
                self.first[run.base_id].insert(0, run)

    def roots(self) -> list[ModelLine]:
        """Every model that stands under no other one. A student that was only taught stands under its teacher."""
        taught = {run.base_id for runs in self.after.values() for run in runs if not run.control_of}
        return [
            model
            for model in self.models.values()
            if model.run_id not in self.runs
            and model.parent_id not in self.models
            and (model.model_id not in taught or self.first[model.model_id] or self.given[model.model_id])
        ]

    def below(self, twig: _Twig) -> list[_Twig]:
        """What descends from it at once."""
        if twig.run is None and twig.model:
            base = twig.model.model_id
            found = [self._of_run(run) for run in self.first[base]]
            return found + [_Twig(model.name, model, None) for model in self.given[base]]
        if twig.run is None or twig.handed:
            return []
        made, handed = self.made[twig.run.run_id], self.handed[twig.run.run_id]
        if twig.model and twig.model.kind == "adapter":
            return [_of_folder(each, twig.run) for each in handed if list(each.rounds) == [twig.model.round]]
        rounds = [_Twig(f"round {model.round}", model, twig.run) for model in made]
        alone = {model.round for model in made}
        mixed = [_of_folder(each, twig.run) for each in handed if len(each.rounds) != 1 or not alone & {*each.rounds}]
        return rounds + mixed + [self._of_run(run) for run in self.after[twig.run.run_id]]

    def _of_run(self, run: ModelRun) -> _Twig:
        name = f"run {run.run_id}"
        if run.control:
            return _Twig(f"{name}, control: {run.control}", None, run)
        student = self.models.get(run.base_id)
        if run.teacher_id and student:
            return _Twig(f"{name}, student: {student.name}", student, run)
        return _Twig(name, None, run)


def _of_folder(handed: HandedOver, run: ModelRun) -> _Twig:
    """'merged gguf, q4_k_m'."""
    words = "adapter" if handed.what == "adapter" else f"merged {handed.what}"
    return _Twig(", ".join(filter(None, (words, handed.tensor_type))), None, run, handed)


def model_tree(
    models: Iterable[ModelLine], runs: Iterable[ModelRun], handed: Iterable[HandedOver] = ()
) -> tuple[Node, ...]:
    """All models, each under the one it comes from, the oldest first. Runs that made no model are left out."""
    tree = _Tree(models, runs, handed)
    found: list[Node] = []

    def grow(twig: _Twig, depth: int, before: str, branch: str) -> None:
        found.append(Node(depth, before + branch, twig.name, twig.model, twig.run, twig.handed))
        below = tree.below(twig)
        if branch:
            before += BLANK if branch == LAST else DOWN
        for index, each in enumerate(below):
            grow(each, depth + 1, before, LAST if index == len(below) - 1 else BRANCH)

    for model in tree.roots():
        grow(_Twig(model.name, model, None), 0, "", "")
    return tuple(found)
