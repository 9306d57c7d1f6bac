"""Sweeps: the same settings played over seeds and values, in one queue that a killed process continues.

Owns the plan: which runs there are, in which order, and which of them are owed. The command line plays them one after
the other with `engine.run_engine`. One seed is finished before the next one begins, so that an early look compares
all values. Example:
    plan_sweep(workspace, store, wanted).runs[1].label -> "train.learning_rate = 0.0002, seed 1"
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.config import Config, load_config
from crescent_lite.config.differences import differing
from crescent_lite.config.fields import kinds, override_of
from crescent_lite.errors import ConfigError, UsageError, WorkspaceError
from crescent_lite.preparation import RunOptions
from crescent_lite.store import Store, SweepPlace
from crescent_lite.store.sweeps import StoredSweep
from crescent_lite.workspace import Workspace

MOST_RUNS = 1000
"""Most runs of one sweep: more is a mistake (guess)."""
SEED = "run.seed"


@dataclass(frozen=True)
class SweepOptions:
    """What the command line asks of a sweep."""

    seeds: tuple[int, ...] = ()
    """The seeds; empty for the one in the settings."""
    count: int = 0
    """How many seeds to take, from the one in the settings on, where `seeds` is empty."""
    vary: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Settings with the values they take, as typed. Several settings are combined in every way."""
    rounds: int | None = None
    """Rounds of each run; None takes `run.rounds`."""
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    """`section.key=value` texts that all runs have."""
    name: str | None = None
    """Name of the sweep; None for 'sweep N'."""
    shares_votes: bool = False
    """Whether runs that differ in `train` only learn from the labels of the first of them with their seed."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep."""

    position: int
    """Place in the queue, from 0."""
    seed: int
    varied: Mapping[str, str]
    """The values of the varied settings, as typed."""
    overrides: tuple[str, ...]
    """The `section.key=value` texts of this run."""
    learns_from: int | None = None
    """Position of the run whose labels it learns from; None for a run that asks and votes itself."""

    @property
    def variant(self) -> str:
        """What distinguishes it from the other runs with its seed: 'train.learning_rate = 0.0002'."""
        return ", ".join(f"{name} = {value}" for name, value in self.varied.items()) or "as configured"

    @property
    def label(self) -> str:
        """'train.learning_rate = 0.0002, seed 1'."""
        return f"{self.variant}, seed {self.seed}" if self.varied else f"seed {self.seed}"


@dataclass(frozen=True)
class Sweep:
    """A sweep with its queue."""

    key: str
    name: str
    runs: tuple[PlannedRun, ...]
    rounds: int | None
    preset: str | None
    settings: Mapping[str, Any]
    """The settings that all runs have, as they were when the sweep was planned."""

    @property
    def varied(self) -> set[str]:
        """The settings that differ between its runs."""
        return {SEED, *(name for run in self.runs for name in run.varied)}

    def options(self, store: Store, run: PlannedRun) -> RunOptions:
        """How the engine plays one run of the queue."""
        teacher = None if run.learns_from is None else store.sweeps.fetch_runs(self.key)[run.learns_from]
        return RunOptions(
            rounds=1 if run.learns_from is not None else self.rounds,
            preset=self.preset,
            overrides=run.overrides,
            teacher_id=teacher,
            name=f"{self.name} {run.position + 1}",
            note=run.label,
            place=SweepPlace(self.key, run.position),
        )

    def owed(self, store: Store) -> tuple[PlannedRun, ...]:
        """The runs that are not finished, in order."""
        taken = store.sweeps.fetch_runs(self.key)
        done = {at for at, run_id in taken.items() if store.runs.fetch_run(run_id).state == "finished"}
        return tuple(run for run in self.runs if run.position not in done)


def plan_sweep(workspace: Workspace, store: Store, wanted: SweepOptions, *, keeps: bool = True) -> Sweep:
    """Check every combination of settings, and store the queue if it `keeps` it. Raises ConfigError or UsageError."""
    config = load_config(workspace.config_path, preset=wanted.preset, overrides=wanted.overrides)
    seeds = wanted.seeds or tuple(range(config.run.seed, config.run.seed + max(1, wanted.count)))
    combinations = list(itertools.product(*(values for _, values in wanted.vary)))
    _refuse_unplayable(wanted, seeds, combinations)
    name = wanted.name or f"sweep {store.sweeps.count() + 1}"
    runs: list[PlannedRun] = []
    for seed in seeds:
        first = len(runs)
        for values in combinations:
            varied = {key: value for (key, _), value in zip(wanted.vary, values, strict=True)}
            overrides = (*wanted.overrides, *(override_of(*each) for each in varied.items()), f"{SEED}={seed}")
            _check(workspace, wanted, overrides)
            shares = wanted.shares_votes and len(runs) > first
            runs.append(PlannedRun(len(runs), seed, varied, overrides, first if shares else None))
    for run in runs:
        store.run_rows.check_name(f"{name} {run.position + 1}")
    plan = {
        "runs": [dataclasses.asdict(run) for run in runs],
        "rounds": wanted.rounds,
        "preset": wanted.preset,
        "settings": config.as_dict(),
    }
    return _read(StoredSweep(store.sweeps.insert(name, plan) if keeps else "", name, plan, ""))


def find_sweep(store: Store, name: str | None = None) -> Sweep:
    """The latest sweep, or the latest with this name. Raises NotFoundError."""
    return _read(store.sweeps.fetch(name))


def refuse_changed_settings(workspace: Workspace, sweep: Sweep, run: PlannedRun) -> None:
    """Raise WorkspaceError if crescent.toml changed since the sweep was planned: its runs would not be comparable."""
    config = load_config(workspace.config_path, preset=sweep.preset, overrides=run.overrides)
    changed = [
        name
        for name in differing(sweep.settings, config.as_dict())
        if not any(name == varied or name.startswith(f"{varied}.") for varied in sweep.varied)
    ]
    if changed:
        raise WorkspaceError(
            f"{sweep.name}: {changed[0]} has changed in {workspace.config_path} since the sweep was planned; "
            "put it back, or plan another sweep (--new)"
        )


def parse_vary(text: str) -> tuple[str, tuple[str, ...]]:
    """A setting and its values: 'train.learning_rate=1e-4,2e-4'. Commas in brackets or quotes are part of a value.

    Raises UsageError.
    """
    name, sign, values = (part.strip() for part in text.partition("="))
    split = _split(values)
    if not sign or not name or not all(split):
        raise UsageError(f"--vary {text!r}: write SECTION.KEY=VALUE,VALUE")
    if name not in kinds():
        raise UsageError(f"--vary {text!r}: no setting is called {name!r}; `crescent config` lists all")
    if len(set(split)) < len(split):
        raise UsageError(f"--vary {text!r}: a value is named twice; use --seeds to repeat a run")
    return name, split


def _split(text: str) -> tuple[str, ...]:
    parts, depth, quote = [""], 0, ""
    for character in text:
        quote = "" if character == quote else character if character in "\"'" and not quote else quote
        depth += 0 if quote else (character in "[{") - (character in "]}")
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts)


def _refuse_unplayable(wanted: SweepOptions, seeds: Sequence[int], combinations: Sequence[tuple[str, ...]]) -> None:
    names = [name for name, _ in wanted.vary]
    if len(set(names)) < len(names):
        raise UsageError("--vary: a setting is varied twice; give all its values at once")
    if SEED in names:
        raise UsageError("--vary: run.seed is varied by --seeds")
    if len(seeds) * len(combinations) > MOST_RUNS:
        raise UsageError(f"a sweep of {len(seeds) * len(combinations):,} runs; at most {MOST_RUNS:,} are played")
    if wanted.shares_votes and any(not name.startswith("train.") for name in names):
        raise UsageError("--share-votes: needs settings of [train] only, since other settings change the votes")
    if wanted.shares_votes and (wanted.rounds or 1) > 1:
        raise UsageError(
            "--share-votes: needs runs of one round, since later rounds vote with the model they trained"
        )


def _check(workspace: Workspace, wanted: SweepOptions, overrides: Sequence[str]) -> Config:
    """The settings of one run. Raises ConfigError for a value that its setting does not accept."""
    try:
        config = load_config(workspace.config_path, preset=wanted.preset, overrides=list(overrides))
    except ConfigError as error:
        raise ConfigError(str(error).replace("--set:", "--vary:")) from None
    if wanted.shares_votes and wanted.rounds is None and config.run.rounds > 1:
        raise UsageError("--share-votes: needs runs of one round; add --rounds 1")
    return config


def _read(stored: StoredSweep) -> Sweep:
    runs = tuple(PlannedRun(**{**run, "overrides": tuple(run["overrides"])}) for run in stored.plan["runs"])
    plan = stored.plan
    return Sweep(stored.key, stored.name, runs, plan["rounds"], plan["preset"], plan["settings"])
