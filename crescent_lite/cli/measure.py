"""Commands that measure: eval, headroom, controls, plan.

What a command needs is imported when it is called. Example:
    plan_command(Namespace(points=5.0, items=None, differ=20.0, json=False, workspace=Path("data"))) -> 0
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from crescent_lite.cli.options import (
    Subparsers,
    add_command,
    add_estimate_options,
    add_name_options,
    add_run_option,
    add_settings_options,
    number,
    positive_integer,
)
from crescent_lite.cli.runs import follow, watch
from crescent_lite.cli.terminal import print_table, result, say
from crescent_lite.cli.which_run import named_run, number_of_run
from crescent_lite.config.names import CONTROLS
from crescent_lite.errors import ConfigError
from crescent_lite.workspace.database import open_store, open_workspace


def add_eval(subparsers: Subparsers) -> None:
    """`crescent eval` and its options."""
    about = "measure a model on the configured benchmarks, without training"
    example = "crescent eval --adapter data/adapters/run-1/round-1/adapter.gguf"
    parser = add_command(subparsers, "eval", eval_command, about, example=example)
    parser.add_argument("--adapter", type=Path, metavar="FILE", help="GGUF adapter to measure together with the base")
    add_estimate_options(parser)
    add_name_options(parser)
    add_settings_options(parser)


def eval_command(options: argparse.Namespace) -> int:
    """Measure the base, and the base with an adapter if one is given."""
    from crescent_lite.cli.forecasts import ended_before
    from crescent_lite.engine import RunOptions, run_evaluation
    from crescent_lite.forecast import forecast_evaluation

    workspace = open_workspace(options.workspace)
    wanted = RunOptions(
        preset=options.preset, overrides=tuple(options.overrides), name=options.name, note=options.note
    )
    if not workspace.is_busy() or options.dry_run:
        code = ended_before(options, lambda: forecast_evaluation(workspace, wanted, options.adapter, tell=say))
        if code is not None:
            return code
    return follow(options, workspace, run_evaluation(workspace, wanted, options.adapter))


def add_headroom(subparsers: Subparsers) -> None:
    """`crescent headroom` and its options."""
    about = "measure what voting is worth for a model, before any run"
    parser = add_command(
        subparsers, "headroom", headroom_command, about, example="crescent headroom --items 200 --samples 8"
    )
    parser.add_argument(
        "--items",
        type=positive_integer,
        metavar="N",
        help="first items of each benchmark (default: as many as show a difference of 5 points, at most those of the "
        "settings)",
    )
    parser.add_argument(
        "--samples",
        type=positive_integer,
        default=8,
        metavar="N",
        help="samples of each item that vote (default: 8)",
    )
    add_estimate_options(parser)
    add_settings_options(parser)


def headroom_command(options: argparse.Namespace) -> int:
    """Draw a greedy reply and several samples of each item, and print what their majority is worth."""
    from crescent_lite.cli.forecasts import ended_before
    from crescent_lite.engine import RunOptions, run_headroom
    from crescent_lite.evaluation.headroom import in_a_sentence, warnings
    from crescent_lite.forecast import forecast_headroom
    from crescent_lite.report.headroom import fetch_headroom, headroom_table

    workspace = open_workspace(options.workspace)
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    if not workspace.is_busy() or options.dry_run:
        code = ended_before(
            options, lambda: forecast_headroom(workspace, wanted, options.items, options.samples, tell=say)
        )
        if code is not None:
            return code
    run_id = watch(options, run_headroom(workspace, wanted, options.items, options.samples))
    with closing(open_store(workspace)) as store:
        found = fetch_headroom(store, run_id=run_id)
    if not options.json:
        table = headroom_table(found)
        print_table(table.title, table.columns, table.rows, full=options.full)
    value = {
        "run": run_id,
        "benchmarks": [each.as_dict() for each in found],
        "result": in_a_sentence(found),
        "warnings": warnings(found),
    }
    lines = [in_a_sentence(found), *(f"Warning: {line}." for line in warnings(found))]
    return result(options, value, "\n".join(lines))


def add_recheck(subparsers: Subparsers) -> None:
    """`crescent recheck` and its options."""
    about = "let a trained model answer its training questions again"
    parser = add_command(subparsers, "recheck", recheck_command, about, example="crescent recheck --run 1 --round 2")
    add_run_option(parser)
    parser.add_argument("--round", type=positive_integer, metavar="N", help="round (default: the kept one)")


def recheck_command(options: argparse.Namespace) -> int:
    """Print how often the base and the round's model answer the training questions as labelled."""
    from crescent_lite.engine import run_recheck
    from crescent_lite.report.recheck import fetch_recheck

    workspace = open_workspace(options.workspace)
    run_id = watch(options, run_recheck(workspace, number_of_run(workspace, options.run), options.round))
    with closing(open_store(workspace)) as store:
        found = fetch_recheck(store, run_id)
    if not options.json:
        columns = ("model", "as labelled", "share", "95% interval", "cut off", "tokens a reply")
        print_table("Training questions answered again", columns, found.rows(), found.note, full=options.full)
    return result(options, {"run": run_id, **found.as_dict()}, found.in_words())


def add_controls(subparsers: Subparsers) -> None:
    """`crescent controls` and its options."""
    about = "run the control experiments, which show where a gain comes from"
    example = "crescent controls --only majority --samples 8"
    parser = add_command(subparsers, "controls", controls_command, about, example=example)
    add_run_option(parser, "number or name of the run to compare with")
    parser.add_argument("--only", nargs="+", choices=CONTROLS, help="controls to run (default: all)")
    parser.add_argument(
        "--samples",
        type=positive_integer,
        metavar="N",
        help="samples per item of the majority control (default: as many tokens as the run's questions and votes)",
    )
    add_estimate_options(parser)
    add_settings_options(parser)


def controls_command(options: argparse.Namespace) -> int:
    """Run the controls of a run, and show its report with them."""
    from crescent_lite.cli.forecasts import ended_before
    from crescent_lite.engine import RunOptions, run_controls
    from crescent_lite.forecast import forecast_controls

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        run_id = named_run(store, options.run, "improvement").run_id
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    if not workspace.is_busy() or options.dry_run:
        code = ended_before(
            options,
            lambda: forecast_controls(workspace, wanted, run_id, options.only, options.samples, tell=say),
        )
        if code is not None:
            return code
    controls = run_controls(workspace, wanted, run_id, options.only, options.samples)
    return follow(options, workspace, controls, run_id)


def add_plan(subparsers: Subparsers) -> None:
    """`crescent plan` and its options."""
    about = "compute how many items it takes to show a difference in score"
    parser = add_command(subparsers, "plan", plan_command, about, example="crescent plan --points 3 --items 500")
    parser.add_argument(
        "--points", type=number, metavar="POINTS", help="difference to show, in points of the score (0-100)"
    )
    parser.add_argument(
        "--items", type=positive_integer, metavar="N", help="items: compute the smallest difference that they show"
    )
    parser.add_argument(
        "--differ",
        type=number,
        metavar="PERCENT",
        help="percentage of items that only one of two models gets right (default: as in this workspace, else 20)",
    )


def plan_command(options: argparse.Namespace) -> int:
    """Print the items needed for a difference, and the smallest difference that a number of items shows."""
    from crescent_lite.evaluation.sample_sizes import CLAIMED, items_needed, smallest_visible

    if options.points is None and options.items is None:
        raise ConfigError("crescent plan: nothing to compute; give --points, --items or both")
    for name, value in (("--points", options.points), ("--differ", options.differ)):
        if value is not None and not 0 < value <= 100:
            raise ConfigError(f"{name}: {value:g} is no percentage; give a number above 0 and at most 100")
    if options.points and options.differ and options.differ < options.points:
        raise ConfigError(
            f"--differ: must be at least {options.points:g}, as --points: two models that disagree on fewer items "
            f"cannot be {options.points:g} points apart"
        )
    differ, source = _differing(options)
    if 100 * differ < (options.points or 0):
        source = f"at least, for such a difference; {source}, it would be {100 * differ:.0f}%"
        differ = options.points / 100
    found: dict[str, Any] = {"differ": differ, "power": 0.8, "significance": CLAIMED}
    lines = [
        f"If only one of two models is right on {100 * differ:.0f}% of items ({source}), with 80% power at "
        f"p < {CLAIMED:g}:"
    ]
    if options.points is not None:
        found["items_needed"] = items_needed(options.points / 100, differ)
        lines.append(f"a difference of {options.points:g} points takes {found['items_needed']:,} items")
    if options.items is not None:
        visible = smallest_visible(options.items, differ)
        found["points_visible"] = 100 * visible if visible <= differ else None
        lines.append(
            f"{options.items:,} items show a difference of {100 * visible:.2g} points or more"
            if visible <= differ
            else f"{options.items:,} items show no difference: two such models are at most "
            f"{100 * differ:.0f} points apart"
        )
    return result(options, found, "\n".join(lines))


def _differing(options: argparse.Namespace) -> tuple[float, str]:
    """The fraction of items, 0-1, that only one of two models gets right, and where that number comes from."""
    from crescent_lite.workspace import Workspace

    if options.differ is not None:
        return options.differ / 100, "--differ"
    workspace = Workspace(options.workspace)
    if workspace.database_path.exists():
        with closing(open_store(workspace)) as store:
            if (seen := store.evaluations.fetch_differing()) is not None:
                return seen, "as in the runs of this workspace"
    return 0.2, "a guess; set it with --differ"
