"""Plays what a sweep owes with the real engine and the fake sampler, as a process that can be made to die.

python sweep_child.py WORKSPACE            plays all that is owed
python sweep_child.py WORKSPACE 3 train    kills itself (SIGKILL) in the third run, at the first item of the stage
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from fake_sampler import FakeSampler

from crescent_lite.engine import run_engine
from crescent_lite.events import StageProgressed, StageStarted, TrainingStepped
from crescent_lite.store import Store
from crescent_lite.sweep import find_sweep
from crescent_lite.workspace import Workspace


def main(folder: str, number: str = "0", stage: str = "") -> None:
    workspace, current = Workspace(Path(folder)), ""
    with closing(Store.open(workspace.database_path)) as store:
        sweep = find_sweep(store)
        owed = sweep.owed(store)
    for run in owed:
        with closing(Store.open_read_only(workspace.database_path)) as store:
            options = sweep.options(store, run)
        for event in run_engine(workspace, options, lambda _path, _config: FakeSampler()):
            if isinstance(event, StageStarted):
                current = event.stage
            if isinstance(event, StageProgressed | TrainingStepped) and (run.position + 1, current) == (
                int(number),
                stage,
            ):
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
