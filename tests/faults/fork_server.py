"""A Python in which everything is imported, which forks a process for each piece of work and lets it be killed.

Started by `kills.py` with killer.so preloaded. Reads one request as JSON per line, and answers with the exit code and
the number of writes. The forked process is a whole engine or command, on a real workspace; only its imports are
inherited. A request:
    {"call": "engine", "arguments": ["maths"], "folder": "/tmp/maths", "at": 17, "tear": true, "output": "said.txt"}
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import llama_cpp  # noqa: F401
from fake_sampler import FakeSampler

import crescent_lite.export.handover
import crescent_lite.report
import crescent_lite.store.merging
import crescent_lite.store.upkeep
import crescent_lite.workspace.merging  # noqa: F401
from crescent_lite.cli import main as command_line
from crescent_lite.engine import run_controls, run_engine, run_evaluation, run_headroom, run_recheck
from crescent_lite.errors import CrescentError
from crescent_lite.preparation import RunOptions
from crescent_lite.workspace import Workspace

sys.modules["math_verify"] = None  # type: ignore[assignment]  # its program takes a second to start


def engine(folder: str, *options: str) -> int:
    """Run an engine with the fake sampler to its end."""
    workspace, run = Workspace(Path(folder)), RunOptions(next_round="--next-round" in options)
    works = {
        "eval": lambda: run_evaluation(workspace, run, None, opened),
        "headroom": lambda: run_headroom(workspace, run, 4, 3, opened),
        "recheck": lambda: run_recheck(workspace, None, None, opened),
        "controls": lambda: run_controls(workspace, run, None, ("majority",), 4, opened),
    }
    opener = None if "real" in options else opened
    work = next((works[name] for name in options if name in works), lambda: run_engine(workspace, run, opener))
    for _ in work():
        pass
    return 0


def sweep(folder: str) -> int:
    """Play what a sweep owes, with the fake sampler."""
    import sweep_child

    sweep_child.main(folder)
    return 0


def plan(folder: str) -> int:
    """Plan a sweep over two seeds."""
    from crescent_lite.sweep import SweepOptions, plan_sweep
    from crescent_lite.workspace.database import store_to_change

    with store_to_change(Workspace(Path(folder))) as store:
        plan_sweep(Workspace(Path(folder)), store, SweepOptions(seeds=(1, 2)))
    return 0


def opened(_path: object, _config: object) -> FakeSampler:
    return FakeSampler()


def cli(*arguments: str) -> int:
    """Run a command as a user types it."""
    return int(command_line(list(arguments)) or 0)


CALLS: dict[str, Callable[..., int]] = {"engine": engine, "plan": plan, "sweep": sweep, "cli": cli}


def work(call: str, arguments: Sequence[str], output: str) -> int:
    """Do one piece of work in the forked process; returns its exit code."""
    with Path(output).open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        return CALLS[call](*arguments)
    except CrescentError as error:
        print(f"crescent: {error}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    except SystemExit as end:
        return int(end.code or 0) if not isinstance(end.code, str) else 2
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main() -> None:
    killer = ctypes.CDLL(None)
    killer.crescent_count.restype = ctypes.c_long
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    print("ready", file=answers, flush=True)
    while line := requests.readline():
        request = json.loads(line)
        killer.crescent_arm(b"", ctypes.c_long(0), 0)
        if not (pid := os.fork()):
            where = os.fsencode(request["folder"])
            killer.crescent_arm(where, ctypes.c_long(request["at"]), int(request["tear"]))
            os._exit(work(request["call"], request["arguments"], request["output"]))
        _, status = os.waitpid(pid, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "writes": killer.crescent_count()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
