"""Surroundings that lack something: streams, a home, a temporary folder, files, threads or bytes.

Every command gives its result or one line on stderr, with a documented exit code, and a run loses nothing by it.
"""

from __future__ import annotations

import functools
import os
import resource
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bed import (
    TRACEBACK,
    broken_invariants,
    count,
    crescent,
    crescent_command,
    environment,
    faults_of,
    is_full,
    source,
    trials,
    what_was_said,
)
from sample_run import load_sample_run
from scripted_workspace import make_scripted_workspace

from crescent_lite.errors import ExitCode

pytestmark = pytest.mark.slow
MIB = 1 << 20


def limited(kind: int, most: int) -> Callable[[], None]:
    return functools.partial(resource.setrlimit, kind, (most, most))


def without_threads() -> None:
    """The stack of a new thread is larger than the address space, so none can be made."""
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 35, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34))


@dataclass(frozen=True)
class Lack:
    """What a command is started without."""

    shell: str = ""
    """Redirections of a shell after the command, or a program that reads its output."""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    """Changes of the environment; None removes a variable."""
    first: Callable[[], object] | None = None
    """What the new process does before the command starts."""


LACKS = {
    "stdin closed": Lack("<&-"),
    "stdout closed": Lack(">&-"),
    "stderr closed": Lack("2>&-"),
    "all streams closed": Lack("<&- >&- 2>&-"),
    "stdout full": Lack(">/dev/full"),
    "stderr full": Lack("2>/dev/full"),
    "both full": Lack(">/dev/full 2>/dev/full"),
    "a reader of one line": Lack("| head -1 >/dev/null"),
    "a reader that has left": Lack("| true"),
    "no HOME": Lack(variables={"HOME": None}),
    "a HOME that cannot be": Lack(variables={"HOME": "/proc/nowhere", "XDG_CACHE_HOME": None}),
    "no TMPDIR": Lack(variables={"TMPDIR": "/nonexistent"}),
    "an empty environment": Lack(variables={name: None for name in os.environ if name != "PATH"}),
    "an old locale": Lack(variables={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "64 open files": Lack(first=limited(resource.RLIMIT_NOFILE, 64)),
    "12 open files": Lack(first=limited(resource.RLIMIT_NOFILE, 12)),
    "no threads": Lack(first=without_threads),
    "files of no byte": Lack(first=limited(resource.RLIMIT_FSIZE, 0)),
    "300 MiB": Lack(first=limited(resource.RLIMIT_AS, 300 * MIB)),
    "500 MiB": Lack(first=limited(resource.RLIMIT_AS, 500 * MIB)),
    "800 MiB": Lack(first=limited(resource.RLIMIT_AS, 800 * MIB)),
}
QUICK = ("stderr closed", "both full", "12 open files", "no threads")
COMMANDS = {
    "help": ["--help"],
    "runs": ["runs"],
    "runs as JSON": ["runs", "--json"],
    "status": ["status"],
    "show": ["show", "question", "3"],
    "report": ["report"],
    "query": ["query", "SELECT * FROM v_votes"],
    "query as CSV": ["query", "SELECT * FROM v_votes", "--csv"],
    "doctor": ["doctor"],
    "models": ["models"],
    "check": ["db", "check"],
    "vacuum": ["db", "vacuum"],
    "backup": ["db", "backup", "--output", "{folder}/copy.db"],
    "export": ["export", "examples", "--output", "{folder}/examples.jsonl"],
    "note": ["note", "3", "seen"],
    "config": ["config"],
    "tui": ["tui"],
    "run": ["run"],
}
FEW_COMMANDS = ("runs", "query as CSV", "run")
KILLED_BY_A_LIMIT = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ, 128 + signal.SIGPIPE)
"""How a process ends that the kernel or a shell ends for the limit that it was started with, before Python runs."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_sample_run(tmp_path_factory.mktemp("sample") / "data").folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_scripted_workspace(tmp_path_factory.mktemp("unbroken") / "data").folder
    assert not faults_of(crescent("run", "-w", str(folder), seconds=200), [ExitCode.OK])
    return folder


def started_without(lack: Lack, arguments: list[str], seconds: float = 150.0) -> subprocess.CompletedProcess[str]:
    """A command to its end, started by a shell that lacks something."""
    line = f"set -o pipefail; {shlex.join(crescent_command(*arguments))} {lack.shell}"
    return subprocess.run(
        ["bash", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        env=environment(**lack.variables),
        preexec_fn=lack.first,
        timeout=seconds,
        check=False,
    )


@pytest.mark.parametrize("name", LACKS if is_full() else QUICK)
def test_a_command_without_something_says_so_in_one_line(name: str, sample: Path, tmp_path: Path) -> None:
    faults = list[str]()
    for command in COMMANDS if is_full() else FEW_COMMANDS[:2]:
        if command == "run":
            continue
        folder = tmp_path / command.replace(" ", "-")
        shutil.copytree(sample, folder / "data")
        known = broken_invariants(folder / "data", at_rest=False)  # the adapters of the sample are not real ones
        arguments = [each.format(folder=folder) for each in COMMANDS[command]]
        arguments += [] if command == "help" else ["-w", str(folder / "data")]
        ended = started_without(LACKS[name], arguments)
        faults += [f"{command}: {fault}" for fault in faults_without(ended)]
        found = broken_invariants(folder / "data", at_rest=False)
        faults += [f"{command}: {fault}" for fault in found if fault not in known]
        count("commands that lacked something")
        shutil.rmtree(folder)
    assert not faults


@pytest.mark.parametrize("name", LACKS if is_full() else QUICK[-1:])
def test_a_run_without_something_loses_nothing(name: str, tmp_path: Path, unbroken: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data").folder
    ended = started_without(LACKS[name], ["run", "-w", str(folder)])
    assert not faults_without(ended)
    assert not broken_invariants(folder, at_rest=False)
    again = crescent("run", "-w", str(folder), seconds=150)
    assert not faults_of(again, [ExitCode.OK, ExitCode.WORKSPACE])  # WORKSPACE: it was finished
    assert not broken_invariants(folder)
    assert what_was_said(folder) == what_was_said(unbroken)
    count("runs that lacked something")


@pytest.mark.parametrize("mib", sorted(source("address space").sample(range(400, 2400), trials(1, 25))))
def test_a_run_with_any_amount_of_address_space_ends_or_says_so(mib: int, tmp_path: Path, unbroken: Path) -> None:
    folder = make_scripted_workspace(tmp_path / "data").folder
    ended = started_without(Lack(first=limited(resource.RLIMIT_AS, mib * MIB)), ["run", "-w", str(folder)])
    assert not faults_without(ended)
    assert not broken_invariants(folder, at_rest=False)
    again = crescent("run", "-w", str(folder), seconds=150)
    assert not faults_of(again, [ExitCode.OK, ExitCode.WORKSPACE])
    assert what_was_said(folder) == what_was_said(unbroken)
    count("limits of memory")


def faults_without(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What a command that lacked something did and may not: a traceback, another exit code, more than one line."""
    said = ended.stdout + ended.stderr
    allowed = [code for code in ExitCode if code != ExitCode.BUG]
    lines = [line for line in ended.stderr.splitlines() if line.startswith("crescent: ")]
    faults = [
        *(["a traceback"] if TRACEBACK in said or "Exception ignored" in said else []),
        *([f"exit code {ended.returncode}"] if ended.returncode not in (*allowed, *KILLED_BY_A_LIMIT) else []),
        *(["several errors"] if len(lines) > 1 else []),
    ]
    return [f"{', '.join(faults)}: {said[-1500:]}"] if faults else []
