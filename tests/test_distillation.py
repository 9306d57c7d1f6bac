"""A student learns from the labels of another model's run, and is measured like a round."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.events import RunStarted, StageFinished
from crescent_lite.report import build_report, report_markdown
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A teacher's run without a training, then a student of another architecture that learns from it."""
    workspace = make_workspace(tmp_path_factory.mktemp("taught"), min_examples=1000)
    student = make_tiny_gguf(workspace.folder / "student.gguf", "qwen2", seed=5)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    overrides = (f"model.source={json.dumps(str(student))}", "train.min_examples=4", "train.max_examples=5")
    wanted = RunOptions(1, True, overrides=overrides, teacher_id=1)
    events = list(run_engine(workspace, wanted, lambda _path, _config: FakeSampler()))
    stages = [event.stage for event in events if isinstance(event, StageFinished)]
    assert [stage for stage in stages if stage != "second_opinion"] == ["evaluate", "train", "evaluate"]
    return workspace


def test_the_student_learns_the_teachers_labels(taught: Workspace) -> None:
    store = Store.open_read_only(taught.database_path)
    labels = {label.question_id: label.vote_id for label in store.votes.fetch_labels(run_id=1)}
    this = store.runs.fetch_round(2, 1)
    rows = store.database.rows("SELECT question_id, vote_id FROM examples")
    assert len(rows) == store.trainings.count_examples(this.round_id) == 5
    assert all(labels[row["question_id"]] == row["vote_id"] for row in rows)
    assert not store.votes.fetch_labels(run_id=2)
    store.close()


def test_its_lineage_is_in_the_database(taught: Workspace) -> None:
    store = Store.open_read_only(taught.database_path)
    run, this = store.runs.fetch_run(2), store.runs.fetch_round(2, 1)
    assert run.teacher_id == 1
    assert store.runs.fetch_model(run.base_id).path.name == "student.gguf"
    assert this.adapter_id is not None
    parent = store.database.value("SELECT parent_id FROM models WHERE model_id = ?", [this.adapter_id])
    assert parent == run.base_id
    store.close()


def test_the_report_says_from_whom_it_learnt(taught: Workspace) -> None:
    store = Store.open_read_only(taught.database_path)
    text = report_markdown(build_report(store, 2))
    store.close()
    assert "it learns from the labels of run 1, by tiny" in text
    assert "| labels of run 1 |" in text
    assert "| examples | 5 |" in text
    assert "against the base" in text


def test_the_card_says_from_whom_it_learnt(taught: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", "adapter", "--run", "2", "-w", str(taught.folder), "--output", str(out)]) == ExitCode.OK
    card = (out / "README.md").read_text()
    assert "# student, taught by tiny" in card
    assert "- labels: from run 1 of tiny, sha256 `" in card
    assert "bait:\n\n    " in card


def test_a_student_stands_beside_its_own_runs(taught: Workspace) -> None:
    overrides = (f"model.source={json.dumps(str(taught.folder / 'student.gguf'))}", "train.min_examples=4")
    list(run_engine(taught, RunOptions(1, True, overrides=overrides), lambda _path, _config: FakeSampler()))
    store = Store.open_read_only(taught.database_path)
    assert re.search(r"\| run 3, round 1: taught by itself, \d+ examples \|", report_markdown(build_report(store, 2)))
    store.close()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--run", "9", "--student", "x.gguf"], ExitCode.NOT_FOUND, "run 9: not in"),
        (["--run", "2", "--student", "x.gguf"], ExitCode.NOT_FOUND, "run 2: has no labels to learn from"),
        (["--run", "1", "--student", "x.gguf"], ExitCode.MODEL, "x.gguf"),
    ],
)
def test_what_cannot_be_distilled_is_one_line(
    options: list[str], code: ExitCode, words: str, taught: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", *options, "-w", str(taught.folder)]) == code
    assert words in capsys.readouterr().err


def test_a_distillation_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    student = make_tiny_gguf(tmp_path / "student.gguf", "qwen2", seed=5)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    overrides = (f"model.source={json.dumps(str(student))}", "train.min_examples=4", "train.max_examples=5")
    wanted = RunOptions(1, overrides=overrides, teacher_id=1)
    begun = run_engine(workspace, wanted, lambda _path, _config: FakeSampler())
    for _ in range(8):
        next(begun)
    begun.close()
    again = run_engine(workspace, wanted, lambda _path, _config: FakeSampler())
    started = next(again)
    assert isinstance(started, RunStarted)
    assert (started.run_id, started.resumed) == (2, True)
    again.close()
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    store = Store.open_read_only(workspace.database_path)
    run = store.runs.fetch_run()
    assert (run.run_id, run.state, run.teacher_id) == (2, "finished", 1)
    assert store.runs.fetch_model(run.base_id).path.name == "student.gguf"
    assert store.trainings.count_examples(store.runs.fetch_round(2, 1).round_id) == 5
    store.close()


def test_labels_that_repeat_the_students_benchmark_are_left_out(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    student = make_tiny_gguf(tmp_path / "student.gguf", "qwen2", seed=5)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    store = Store.open_read_only(workspace.database_path)
    labels = store.votes.fetch_labels(run_id=1)
    store.close()
    rows = [{"question": label.question, "answer": "1"} for label in labels[:3]]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = (f"model.source={json.dumps(str(student))}", "train.min_examples=1")
    list(run_engine(workspace, RunOptions(1, True, None, overrides, 1), lambda _path, _config: FakeSampler()))
    store = Store.open_read_only(workspace.database_path)
    this = store.runs.fetch_round(2, 1)
    assert store.trainings.count_examples(this.round_id) == len(labels) - 3
    assert this.outcome is not None
    assert "3 repeat a benchmark's item and were left out" in this.outcome
    store.close()


def test_an_unfinished_run_is_not_left_behind_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    student = make_tiny_gguf(tmp_path / "student.gguf", "qwen2", seed=5)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    begun = run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler())
    for _ in range(60):
        next(begun)
    begun.close()
    assert main(["distill", "--run", "1", "--student", str(student), "-w", str(tmp_path)]) == ExitCode.WORKSPACE
    assert "run 2 is unfinished: `crescent run` resumes it" in capsys.readouterr().err
