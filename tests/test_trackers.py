"""The curves and scores of a run on one axis, and how they reach other programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from sample_run import load_sample_run
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.config.names import TRACKERS
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.events import RoundFinished, RoundStarted, TrainingStepped
from crescent_lite.records import TrainingStep
from crescent_lite.store import Store
from crescent_lite.trackers import followed, points
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return load_sample_run(tmp_path_factory.mktemp("trackers") / "data")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = Store.open_read_only(workspace.database_path)
    yield opened
    opened.close()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads from a folder: (step, value) by name."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    util = pytest.importorskip("tensorboard.util.tensor_util")
    return {
        name: [(each.step, float(util.make_ndarray(each.tensor_proto))) for each in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def test_the_axis_of_a_run_never_runs_backwards(store: Store) -> None:
    found = list(points(store, 1))
    steps = [point.step for point in found]
    losses = [point for point in found if "train/loss" in point.values]
    scores = [point for point in found if any(name.startswith("score/") for name in point.values)]
    assert steps == sorted(steps)
    assert [point.step for point in losses] == list(range(1, len(losses) + 1))
    assert [point.values["round"] for point in scores] == [0, 1, 2]
    assert (scores[0].step, scores[-1].step) == (0, len(losses))
    assert scores[1].values["questions/labels"] == 20


@pytest.mark.parametrize("name", [name for name in TRACKERS if find_spec(name) is None])
def test_a_tracker_that_is_not_installed_is_one_line(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["log", "--to", name, "-w", str(workspace.folder)]) == ExitCode.MISSING_PACKAGE
    said = capsys.readouterr().err
    assert f"pip install 'crescent-lite[{name}]'" in said
    assert said.count("\n") == 1


def test_tensorboard_reads_what_was_logged(
    workspace: Workspace, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    for _ in range(2):  # a second time replaces the first
        assert main(["log", "--to", "tensorboard", "-w", str(workspace.folder)]) == ExitCode.OK
    read = scalars(workspace.logs / "tensorboard" / "run-1")
    losses = [(p.step, p.values["train/loss"]) for p in points(store, 1) if "train/loss" in p.values]
    assert [step for step, _ in read["train/loss"]] == [step for step, _ in losses]
    assert [value for _, value in read["train/loss"]] == pytest.approx([value for _, value in losses])
    assert "tensorboard --logdir" in capsys.readouterr().out


def test_a_run_in_progress_is_followed(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    stored = max(point.step for point in points(store, 1))
    with followed(store, 1, "tensorboard", tmp_path) as note:
        note(RoundStarted(3))
        for step in (1, 2):
            note(TrainingStepped(TrainingStep(step, 2, 1.0, 0.5 / step, 1e-4, 100, 50.0)))
        note(RoundFinished(3, "trained"))
    read = scalars(tmp_path / "tensorboard" / "run-1")
    assert read["train/loss"][-2:] == [(stored + 1, 0.5), (stored + 2, 0.25)]


def test_a_tracker_that_fails_is_warned_of_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorboard").write_text("in the way")
    with caplog.at_level(logging.WARNING), followed(store, 1, "tensorboard", tmp_path) as note:
        note(RoundStarted(3))
        note(RoundFinished(3, "trained"))
    assert [record.getMessage().partition(" gets no more values")[1] for record in caplog.records] == [
        " gets no more values"
    ]


LIBRARY = """
import json, pathlib
SENT = pathlib.Path(__file__).with_name("sent.jsonl")
def init(project, name, config):
    SENT.write_text("")
def log(values, step):
    with SENT.open("a") as file:
        file.write(json.dumps([step, values]) + "\\n")
def finish():
    log({"finished": 1.0}, -1)
"""
"""A library with Trackio's three functions, which keeps in a file what it is sent."""


def played(folder: Path, tracker: str, sent: Callable[[], int]) -> tuple[Workspace, list[int]]:
    """Play a run of two rounds that is followed. Returns how much was `sent` when each training step was stored."""
    workspace = make_workspace(folder)
    options = RunOptions(2, overrides=(f'run.log_to="{tracker}"',))
    events = run_engine(workspace, options, lambda _path, _config: FakeSampler())
    return workspace, [sent() for event in events if isinstance(event, TrainingStepped)]


@pytest.mark.slow
def test_a_whole_run_is_followed_while_it_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackio.py").write_text(LIBRARY)
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))

    def sent() -> list[tuple[int, dict[str, float]]]:
        return [tuple(json.loads(line)) for line in (tmp_path / "sent.jsonl").read_text().splitlines()]

    workspace, during = played(tmp_path / "data", "trackio", lambda: sum("train/loss" in each for _, each in sent()))
    *found, (_, last) = sent()
    assert during == list(range(1, len(during) + 1))  # each step is there as soon as it is stored
    assert last == {"finished": 1.0}
    assert [step for step, _ in found] == sorted(step for step, _ in found)
    with closing(Store.open_read_only(workspace.database_path)) as opened:
        stored = list(points(opened, 1))
    for name in ("train/loss", "round", "questions/labels"):
        of_run = {(point.step, point.values[name]) for point in stored if name in point.values}
        assert {(step, values[name]) for step, values in found if name in values} == of_run
    scores = {name: value for point in stored for name, value in point.values.items() if name.startswith("score/")}
    assert scores
    assert scores.items() <= {item for _, values in found for item in values.items()}


@pytest.mark.slow
def test_tensorboard_reads_what_a_whole_run_sent(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    workspace, _ = played(tmp_path / "data", "tensorboard", int)
    read = scalars(workspace.logs / "tensorboard" / "run-1")
    with closing(Store.open_read_only(workspace.database_path)) as opened:
        losses = [(each.step, each.values["train/loss"]) for each in points(opened, 1) if "train/loss" in each.values]
    assert [step for step, _ in read["train/loss"]] == [step for step, _ in losses]
    assert [value for _, value in read["train/loss"]] == pytest.approx([value for _, value in losses])
