"""`make` works with spaces and quotes in every path, and takes the CPU build of torch where there is no GPU.

A small shell program stands in for Python, since a real installation takes a quarter of an hour; it records what it
is called with, and makes what venv, pip and crescent would make.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crescent_lite.cli import build_parser

ROOT = Path(__file__).parent.parent
STAND_IN = """#!/bin/sh
case "$1 $2 $3" in
  "-m venv "*)
    mkdir -p "$3/bin"
    for name in python crescent; do cp "$0" "$3/bin/$name"; done ;;
  "-m pip config") echo "$FAKE_PIP_CONFIG" ;;
  "-m pip install") echo "pip index: $PIP_EXTRA_INDEX_URL" >> "$FAKE_LOG"; test -z "$FAKE_FAILURE" || exit 1 ;;
  "init "*) mkdir -p "$2"; touch "$2/crescent.toml"; echo "init: $2" >> "$FAKE_LOG" ;;
  "run -w "*) echo "run: $3" >> "$FAKE_LOG"; exit "${FAKE_CODE:-0}" ;;
  *benchmarks/sampling.py*) echo "bench: $3" >> "$FAKE_LOG" ;;
  "-c import os, shlex"*) exec "$FAKE_PYTHON" -c "$2" ;;
  "-c "*embedded_path*) echo "the embedded one.gguf" ;;
esac
"""
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
NAMES = ("plain", "my maths", 'café\'s "x"')


@pytest.fixture(params=NAMES)
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
        os.utime(folder / name, (1, 1))
    python = folder / "a python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    return folder


def make(checkout: Path, *arguments: str, code: int = 0, **variables: str) -> list[str]:
    """What the stand-in was called with."""
    called(checkout, *arguments, code=code, **variables)
    log = checkout / "log"
    return log.read_text().splitlines() if log.exists() else []


def called(checkout: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    """What make printed."""
    log = checkout / "log"
    log.unlink(missing_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "FAKE_"))}
    commands = checkout / "commands"  # a PATH without nvidia-smi, wherever that is on this machine
    commands.mkdir(exist_ok=True)
    for name in ("sh", "make", "mkdir", "cp", "touch", "test", "grep"):
        if not (commands / name).exists():
            (commands / name).symlink_to(str(shutil.which(name)))
    environment = {**kept, "FAKE_LOG": str(log), "PATH": str(commands), "FAKE_PYTHON": sys.executable, **variables}
    done = subprocess.run(
        ["make", f"PYTHON={checkout / 'a python'}", *arguments],
        cwd=checkout, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode != 0) == (code != 0), done.stderr
    return done.stdout


def test_a_run_ends_with_the_next_commands_as_they_work_there(checkout: Path) -> None:
    for name in NAMES:
        environment, workspace = f"env of {name}", f"data of {name}"
        said = called(checkout, f"VENV={environment}", f"WORKSPACE={workspace}", "run")
        _, _, following = said.partition("Next:\n")
        tui, run, better = (shlex.split(line, comments=True) for line in following.splitlines()[:3])
        crescent = f"{environment}/bin/crescent"
        assert tui == [crescent, "tui", "-w", workspace]
        assert run == [crescent, "run", "-w", workspace, "--next-round"]
        assert better == [crescent, "init", "maths", "--preset", "default", "&&", crescent, "models"]
        for line in (tui, run, better[:5]):
            assert build_parser().parse(line[1:]).command


def test_a_run_that_fails_fails_make(checkout: Path) -> None:
    assert "Next:" in called(checkout, "run", code=2, FAKE_CODE="5")


def test_every_path_may_have_spaces_and_quotes(checkout: Path) -> None:
    for name in NAMES:
        said = make(checkout, f"VENV=env of {name}", f"WORKSPACE=data of {name}", "run")
        assert said[-2:] == [f"init: data of {name}", f"run: data of {name}"]
        assert make(checkout, f"VENV=env of {name}", f"WORKSPACE=data of {name}", "run") == [f"run: data of {name}"]
    made = {path.name for path in checkout.iterdir()}
    assert made == {
        "Makefile", "pyproject.toml", "a python", "commands", "log",
        *(f"{what} of {name}" for what in ("env", "data") for name in NAMES),
    }  # fmt: skip
    assert make(checkout, "VENV=env of plain", "bench") == ["bench: the embedded one.gguf"]
    assert make(checkout, "VENV=env of plain", "MODEL=my own.gguf", "bench") == ["bench: my own.gguf"]


def test_an_interrupted_installation_is_repeated(checkout: Path) -> None:
    make(checkout, "installed", code=2, FAKE_FAILURE="yes")
    assert make(checkout, "installed")
    assert make(checkout, "installed") == []
    os.utime(checkout / "pyproject.toml", (2**31, 2**31))
    assert make(checkout, "installed")


def test_without_a_gpu_torch_comes_from_the_index_of_cpu_builds(tmp_path: Path) -> None:
    checkout = tmp_path
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout / name)
    (checkout / "a python").write_text(STAND_IN)
    (checkout / "a python").chmod(0o755)
    cpu = "pip index: https://download.pytorch.org/whl/cpu "

    def index(name: str, *arguments: str, **variables: str) -> set[str]:
        return set(make(checkout, f"VENV={name}", *arguments, "installed", **variables)[1:])

    assert index("a") == {cpu}
    assert index("b", FAKE_PIP_CONFIG="global.extra-index-url='file:///mirror'") == {"pip index: "}
    assert index("c", "TORCH_INDEX=") == {"pip index: "}
    assert index("d", "TORCH_INDEX=https://mine", FAKE_PIP_CONFIG="global.index-url='x'") == {
        "pip index: https://mine "
    }
    (checkout / "commands" / "nvidia-smi").symlink_to(str(shutil.which("true")))
    assert index("e") == {"pip index: "}
