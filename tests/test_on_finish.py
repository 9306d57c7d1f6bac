"""The user's program at the end of a run: a list of arguments for no shell, and its failure changes nothing."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.config import load_config
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.events import RunStarted
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.finishing import start_on_finish

NOTE = """
import json, os, sys
facts = {name: value for name, value in os.environ.items() if name.startswith("CRESCENT")}
json.dump([sys.argv[2:], facts], open(sys.argv[1], "w"))
"""


def test_the_program_gets_its_arguments_as_they_are_and_the_facts_of_the_run(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    hostile = "; touch x `touch y` $(touch z) > w"
    start_on_finish(
        (sys.executable, "-c", NOTE, str(noted), "run {run}: {state}", hostile), Workspace(tmp_path), 3, "finished"
    )
    arguments, environment = json.loads(noted.read_text())
    assert arguments == ["run 3: finished", hostile]
    assert environment["CRESCENT_RUN"] == "3" and environment["CRESCENT_STATE"] == "finished"
    assert environment["CRESCENT_WORKSPACE"] == str(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["noted"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/no/such/program",), "could not be started: No such file or directory"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "ended with exit code 3"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "was stopped after 0.2 s"),
        (("a\0b",), "could not be started"),
    ],
)
def test_a_program_that_fails_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: tuple[str, ...], why: str
) -> None:
    with caplog.at_level(logging.WARNING):
        start_on_finish(command, Workspace(tmp_path), 3, "failed", seconds=0.2 if "sleep" in command[-1] else 30)
    assert why in caplog.text and "run.on_finish" in caplog.text


def test_a_run_that_is_stopped_starts_the_program_when_the_workspace_is_free_again(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    noted = tmp_path / "noted"
    command = [sys.executable, "-c", NOTE, str(noted), "{state}"]
    options = RunOptions(overrides=(f"run.on_finish={json.dumps(command)}",))
    with closing(run_engine(workspace, options, lambda _path, _config: FakeSampler())) as events:
        assert isinstance(next(events), RunStarted)
        assert not noted.exists() and workspace.is_busy()
    arguments, environment = json.loads(noted.read_text())
    assert arguments == ["stopped"] and environment["CRESCENT_RUN"] == "1"
    assert not workspace.is_busy()


def test_without_a_setting_nothing_is_started_and_a_list_is_what_the_settings_take(tmp_path: Path) -> None:
    start_on_finish((), Workspace(tmp_path), 1, "finished")
    given = load_config(overrides=['run.on_finish=["notify-send", "run {run}"]'])
    assert given.run.on_finish == ("notify-send", "run {run}")
