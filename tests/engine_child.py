"""The real engine with the fake sampler, as a process of its own that can be made to die.

python engine_child.py WORKSPACE            runs to the end
python engine_child.py WORKSPACE vote 17    kills itself (SIGKILL) when the stage has stored its 17th item here
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from fake_sampler import FakeSampler

from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.events import StageProgressed, StageStarted, TrainingStepped
from crescent_lite.workspace import Workspace


def main(folder: str, stage: str = "", item: str = "0") -> None:
    current, seen = "", 0
    for event in run_engine(Workspace(Path(folder)), RunOptions(), lambda _path, _config: FakeSampler()):
        if isinstance(event, StageStarted):
            current, seen = event.stage, 0
        if isinstance(event, StageProgressed | TrainingStepped):
            seen += 1
            if (current, seen) == (stage, int(item)):
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
