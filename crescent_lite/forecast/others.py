"""What the commands beside `crescent run` would take: eval, headroom, distill, controls, sweep.

Each plans the runs that its command would play, as the engine does, and lets `gather` estimate them. Example:
    forecast_headroom(workspace, RunOptions(), items=200, samples=8).estimate.seconds.value -> 310.0
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from crescent_lite.config import config_from_dict
from crescent_lite.config.names import CONTROLS, Control
from crescent_lite.evaluation.controls import TRAINED, why_left_out
from crescent_lite.evaluation.headroom import SAMPLES, headroom_config
from crescent_lite.evaluation.spent import spent_by
from crescent_lite.forecast.gather import Forecast, Planned, forecast_plans, opened
from crescent_lite.models import find_adapter
from crescent_lite.preparation import OpenSampler, Purpose, RunOptions, control_plan, find_base, settings_of
from crescent_lite.sampling import open_sampler
from crescent_lite.workspace import Workspace

Tell = Callable[[str], object]


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """A run that a sweep still owes."""

    label: str
    """What tells it apart: 'train.learning_rate = 0.0002, seed 1'."""
    options: RunOptions
    learns: bool = False
    """Whether it learns from the labels of another run of the sweep."""


def forecast_evaluation(
    workspace: Workspace,
    options: RunOptions,
    adapter: Path | None,
    *,
    opener: OpenSampler = open_sampler,
    tell: Tell = lambda _line: None,
) -> Forecast:
    """Estimate `run_evaluation`. Raises the CrescentErrors with which it would refuse."""
    with opened(workspace) as store:
        config, _ = settings_of(workspace, options, None)
        measured = find_adapter(adapter, find_base(workspace, config)) if adapter else None
        planned = Planned(config, Purpose("evaluation", adapter=measured))
        return forecast_plans(workspace, store, [planned], what="an evaluation", opener=opener, tell=tell)


def forecast_headroom(
    workspace: Workspace,
    options: RunOptions,
    items: int | None = None,
    samples: int = SAMPLES,
    *,
    opener: OpenSampler = open_sampler,
    tell: Tell = lambda _line: None,
) -> Forecast:
    """Estimate `run_headroom`. Raises the CrescentErrors with which it would refuse."""
    with opened(workspace) as store:
        settings, _ = settings_of(workspace, options, None)
        planned = Planned(headroom_config(settings, items, samples), Purpose("evaluation"))
        return forecast_plans(workspace, store, [planned], what="the headroom", opener=opener, tell=tell)


def forecast_controls(
    workspace: Workspace,
    options: RunOptions,
    run_id: int,
    names: Sequence[Control] | None = None,
    samples: int | None = None,
    *,
    opener: OpenSampler = open_sampler,
    tell: Tell = lambda _line: None,
) -> Forecast | None:
    """Estimate those controls that `run_controls` would run; None if there are none, or if it would refuse."""
    with opened(workspace) as store:
        assert store is not None  # the run exists
        run = store.runs.fetch_run(run_id, "improvement")
        settings, _ = settings_of(workspace, options, run)
        settings = dataclasses.replace(settings, model=config_from_dict(run.config).model)
        spent, earlier = spent_by(store, run, settings, samples), store.runs.fetch_controls(run_id)
        plans = []
        for name in sorted(names or CONTROLS, key=CONTROLS.index):
            done = name in earlier and earlier[name].state == "finished"
            if run.teacher_id or done or why_left_out(name, settings) or (name in TRAINED and not spent.examples):
                continue
            config, purpose = control_plan(name, run, settings, spent)
            labels = None if purpose.teacher_id is None else spent.examples
            plans.append(
                Planned(config, purpose, int(purpose.trains), earlier.get(name), labels, name=f"control {name}")
            )
        what = f"the controls of run {run_id}"
        return forecast_plans(workspace, store, plans, what=what, opener=opener, tell=tell) if plans else None


def forecast_sweep(
    workspace: Workspace,
    name: str,
    runs: Iterable[SweepRun],
    *,
    opener: OpenSampler = open_sampler,
    tell: Tell = lambda _line: None,
) -> Forecast | None:
    """Estimate the runs that a sweep still owes; None without any."""
    with opened(workspace) as store:
        plans = []
        for run in runs:
            config, _ = settings_of(workspace, run.options, None)
            purpose = Purpose(teacher_id=0 if run.learns else None)  # whichever run it will be
            plans.append(Planned(config, purpose, run.options.rounds or config.run.rounds, name=run.label))
        what = f"{name}, {len(plans)} run{'' if len(plans) == 1 else 's'} to play"
        return forecast_plans(workspace, store, plans, what=what, opener=opener, tell=tell) if plans else None
