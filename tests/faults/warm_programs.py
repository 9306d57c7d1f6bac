"""Runs commands, each in a fork of this process, which has imported what they need: a start takes milliseconds.

Reads one JSON object a line from stdin, {"program", "arguments", "out", "err", "seconds"}, and writes {"exit_code"}
once the program has ended. Programs: `cli` is the command line; `engine` is `crescent run` with the fake sampler and
the same messages and exit codes; `tui` starts the terminal UI without a terminal, and ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from fake_sampler import FakeSampler

from crescent_lite.cli import main
from crescent_lite.cli.main import reported
from crescent_lite.cli.runs import watch
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.workspace import Workspace

IMPORTED = (
    "crescent_lite.cli.forecasts", "crescent_lite.cli.progress", "crescent_lite.export.examples",
    "crescent_lite.export.handover", "crescent_lite.export.requantised", "crescent_lite.report",
    "crescent_lite.report.document", "crescent_lite.report.query_plot", "crescent_lite.sampling.quantising",
    "crescent_lite.store.checking", "crescent_lite.store.schema", "crescent_lite.store.upkeep",
    "crescent_lite.workspace.merging", "crescent_lite.workspace.notes", "crescent_tui.app", "rich.live",
    "sqlite_utils",
)  # fmt: skip


def serve() -> None:
    """Run one program after another, until stdin closes."""
    sys.modules["math_verify"] = None  # type: ignore[assignment]  # its program takes a second to start
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # so that a fork shares the memory
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            become(wanted)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"exit_code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


def become(wanted: dict[str, Any]) -> None:
    """Run the program in this process, and end."""
    code = 1
    try:
        signal.alarm(wanted["seconds"])
        for target, path in ((1, wanted["out"]), (2, wanted["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), target)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = PROGRAMS[wanted["program"]](wanted["arguments"])
        gc.collect()  # what is said by a file that is closed only now
    except BaseException:  # noqa: BLE001  whatever it is, the test sees it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def engine(arguments: list[str]) -> int:
    """Play a run with the fake sampler: a workspace, then settings as `section.key=value`."""
    folder, *overrides = arguments
    options = argparse.Namespace(workspace=Path(folder), verbose=False, json=False, resumed_by="run")
    wanted = RunOptions(overrides=tuple(overrides))

    def play(_options: argparse.Namespace) -> int:
        watch(options, run_engine(Workspace(Path(folder)), wanted, lambda _path, _config: FakeSampler()))
        return 0

    return reported(play, options)


def tui(arguments: list[str]) -> int:
    """Start the terminal UI of a workspace, wait until it shows something, and end it."""
    from crescent_tui.app import CrescentApp

    async def look() -> None:
        app = CrescentApp(Workspace(Path(arguments[0])))
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause(0.3)

    asyncio.run(look())
    return 0


PROGRAMS = {"cli": main, "engine": engine, "tui": tui}

if __name__ == "__main__":
    serve()
