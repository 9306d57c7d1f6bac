"""Several rounds: which one is kept, when a run ends by itself, what a round trains on, and the choice of a round."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from small_workspace import make_workspace
from test_training import HOT, plan_of
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode, TrainingError
from crescent_lite.events import RunFinished
from crescent_lite.loop import model_before
from crescent_lite.report import build_report, report_markdown
from crescent_lite.rounds import Standing, best_round, why_no_more
from crescent_lite.store import Store
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.trainer import train
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("scores", "best"), [({}, None), ({0: 0.3}, 0), ({0: 0.3, 1: 0.4, 2: 0.4}, 1), ({0: 0.5, 1: 0.4, 3: 0.45}, 0)]
)
def test_the_best_round_is_the_earliest_of_the_highest(scores: dict[int, float], best: int | None) -> None:
    assert best_round(scores) == best


@pytest.mark.parametrize(
    ("scores", "trained", "chosen", "kept"),
    [
        ({0: 0.9, 1: 0.4, 2: 0.5, 3: 0.45}, [1, 2, 3], None, 2),
        ({0: 0.9, 1: 0.4, 2: 0.5}, [1, 2], 1, 1),
        ({}, [1, 2], None, 2),
        ({0: 0.3}, [], None, None),
    ],
)
def test_the_kept_round_is_the_chosen_or_the_best_trained_one(
    scores: dict[int, float], trained: list[int], chosen: int | None, kept: int | None
) -> None:
    assert Standing(1, scores, {number: 10 * number for number in trained}, chosen).kept == kept


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 5))
def test_a_run_ends_when_its_best_round_is_long_ago(values: list[float], patience: int) -> None:
    scores, latest = dict(enumerate(values)), len(values) - 1
    ended = why_no_more(scores, latest, patience) is not None
    assert ended == (patience > 0 and latest - values.index(max(values)) >= patience)


def test_the_reason_says_what_was_not_beaten() -> None:
    assert why_no_more({0: 0.3, 1: 0.4}, 3, 2) == "no round after round 1 was better than its 40.0% (2 tried)"
    assert why_no_more({0: 0.3, 1: 0.2}, 1, 1) == "no round after the base was better than its 30.0% (1 tried)"


class WorseAndWorse(FakeSampler):
    """A sampler that is right less often in later rounds."""

    def _right(self) -> float:
        number = int(self.adapter.parent.name.removeprefix("round-")) if self.adapter else 0
        return (0.75, 0.95, 0.6, 0.5, 0.4)[number]


@pytest.fixture(scope="module")
def declined(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run with five planned rounds, of which the first is best, and with a benchmark of the role 'final'."""
    workspace = make_workspace(tmp_path_factory.mktemp("declined"))
    with workspace.config_path.open("a", encoding="utf-8") as settings:
        settings.write('[evaluate.benchmarks.last]\nsource = "last.jsonl"\nrole = "final"\nprompts = ["bare"]\n')
    (workspace.folder / "last.jsonl").write_text('{"question": "What is 41 + 1?", "answer": "42"}\n')
    options = RunOptions(rounds=5, overrides=("bait.questions=30", "train.start_from='last'", "alarms.stop=false"))
    events = list(run_engine(workspace, options, lambda _path, _config: WorseAndWorse()))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason is not None
    assert events[-1].reason.startswith("no round after round 1 was better than its ")
    return workspace


def test_a_run_that_gets_no_better_ends_by_itself_and_says_why(declined: Workspace) -> None:
    store = Store.open_read_only(declined.database_path)
    run = store.runs.fetch_run(1)
    assert (run.state, [r.number for r in store.runs.fetch_rounds(1)]) == ("finished", [1, 2, 3])
    assert run.reason is not None
    assert "(2 tried)" in run.reason
    said = report_markdown(build_report(store, 1))
    assert "Kept: round 1, the best trained round; it is better than" in said or "Round 1 is kept as the best" in said
    store.close()


def test_final_benchmarks_are_for_the_base_and_the_kept_round(declined: Workspace) -> None:
    store = Store.open_read_only(declined.database_path)
    measured = [(e.benchmark, e.round_number) for e in store.evaluations.fetch_evaluations(1) if e.prompt == "bare"]
    assert measured == [("last", 0), ("last", 1), *(("sums", number) for number in range(4))]
    assert set(store.fetch_standing(1).scores) == {0, 1, 2, 3}
    store.close()


def test_half_of_the_examples_of_a_round_are_replayed(declined: Workspace) -> None:
    store = Store.open_read_only(declined.database_path)
    rows = store.database.rows(
        """SELECT t.number AS trained, d.number AS asked FROM examples JOIN trainings USING (training_id)
        JOIN rounds t ON t.round_id = trainings.round_id JOIN questions USING (question_id)
        JOIN rounds d ON d.round_id = questions.round_id"""
    )
    counts = Counter((row["trained"], row["asked"]) for row in rows)
    store.close()
    assert {trained for trained, _ in counts} == {1, 2, 3}
    assert {asked for trained, asked in counts if trained == 1} == {1}
    own, before = counts[3, 3], counts[3, 1] + counts[3, 2]
    assert before == min(own, counts[1, 1] + counts[2, 2])


def test_another_round_is_chosen_and_the_best_one_again(
    declined: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported() -> str:
        out = tmp_path / "o"
        assert main(["export", "adapter", "-w", str(declined.folder), "--output", str(out)]) == ExitCode.OK
        (adapter,) = out.glob("*.gguf")
        shutil.rmtree(out)
        return adapter.name

    assert exported() == "round-1.gguf"
    assert main(["rollback", "2", "-w", str(declined.folder)]) == ExitCode.OK
    assert "run 1: round 2 is kept" in capsys.readouterr().out
    assert exported() == "round-2.gguf"
    assert main(["rollback", "best", "-w", str(declined.folder)]) == ExitCode.OK
    assert exported() == "round-1.gguf"
    assert main(["rollback", "9", "-w", str(declined.folder)]) == ExitCode.NOT_FOUND
    assert "run 1: round 9 has no adapter; rounds with one: 1, 2, 3" in capsys.readouterr().err


def test_after_a_choice_the_chosen_round_asks(declined: Workspace) -> None:
    store = Store.open(declined.database_path)
    job = SimpleNamespace(store=store, run_id=1, base_id=store.runs.fetch_run(1).base_id)
    adapters = [this.adapter_id for this in store.runs.fetch_rounds(1)]
    assert [model_before(job, number) for number in (1, 2, 4)] == [job.base_id, adapters[0], adapters[2]]  # type: ignore[arg-type]
    store.runs.set_chosen_round(1, 2)
    assert model_before(job, 4) == adapters[1]  # type: ignore[arg-type]
    store.runs.set_chosen_round(1, None)
    store.close()


def test_a_training_starts_from_the_adapter_of_the_round_before(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    tiny = make_tiny_gguf(tmp_path / "tiny.gguf")
    first = train(plan_of(tmp_path / "first", tiny, HOT), read_base(tiny), lambda step: None)
    still = dataclasses.replace(HOT, epochs=1, learning_rate=1e-12)
    plan = dataclasses.replace(plan_of(tmp_path / "second", tiny, still), start=first.peft_dir)
    losses: list[float] = []
    second = train(plan, read_base(tiny), lambda step: losses.append(step.loss))
    assert losses[0] < 1.0  # a new adapter starts above 5
    before, after = (load_file(a.peft_dir / "adapter_model.safetensors") for a in (first, second))
    assert all(abs(before[name] - after[name]).max() < 1e-6 for name in before)

    other_rank = dataclasses.replace(still, rank=2)
    plan = dataclasses.replace(plan_of(tmp_path / "third", tiny, other_rank), start=first.peft_dir)
    with pytest.raises(TrainingError, match=r"has another shape: set train\.rank to the value"):
        train(plan, read_base(tiny), lambda step: None)
    plan = dataclasses.replace(plan_of(tmp_path / "fourth", tiny, still), start=tmp_path)
    with pytest.raises(TrainingError, match="the adapter to start from cannot be read"):
        train(plan, read_base(tiny), lambda step: None)


def test_a_run_may_train_each_round_further(declined: Workspace) -> None:
    folder = declined.adapters.resolve() / "run-1"
    started = [json.loads((folder / f"round-{number}" / "plan.json").read_text())["start"] for number in (1, 2, 3)]
    assert started == [None, str(folder / "round-1" / "peft"), str(folder / "round-2" / "peft")]
