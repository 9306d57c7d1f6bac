"""The command that sends a stored run's curves and scores to a tracker: log.

Example: main(["log", "--to", "tensorboard", "--run", "1"]) -> 0
"""

from __future__ import annotations

import argparse
from contextlib import closing

from crescent_lite.cli.options import Subparsers, add_command, add_run_option
from crescent_lite.cli.terminal import result
from crescent_lite.cli.which_run import named_run
from crescent_lite.config.names import TRACKERS
from crescent_lite.workspace.database import open_store, open_workspace


def add_log(subparsers: Subparsers) -> None:
    """`crescent log` and its options."""
    about = "send the curves and scores of a run to TensorBoard, Trackio or W&B"
    parser = add_command(subparsers, "log", log_command, about, example="crescent log --to tensorboard --run 1")
    parser.add_argument("--to", choices=TRACKERS, required=True, help="tracker that gets them; each is an extra")
    add_run_option(parser)


def log_command(options: argparse.Namespace) -> int:
    """Send every stored point of a run to a tracker."""
    from crescent_lite.trackers import open_tracker, points

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        run = named_run(store, options.run)
        tracker = open_tracker(options.to, f"run-{run.run_id}", workspace.logs, run.config)
        found = list(points(store, run.run_id))
        try:
            for point in found:
                tracker.log(point.step, point.values)
        finally:
            tracker.close()
    value = {"run": run.run_id, "to": options.to, "points": len(found), "where": tracker.where}
    return result(options, value, f"run {run.run_id}: {len(found)} points; see them with: {tracker.where}")
