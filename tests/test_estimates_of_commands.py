"""What the commands beside `crescent run` are said to take, and what a run on one's own questions is said to take."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace
from test_estimates import SIZES, SPEED, TimedSampler

from crescent_lite.cli.forecasts import title
from crescent_lite.cli.main import build_parser
from crescent_lite.config import load_config
from crescent_lite.engine import RunOptions, run_controls, run_engine
from crescent_lite.events import MachineNoted
from crescent_lite.forecast import (
    SweepRun,
    forecast_controls,
    forecast_evaluation,
    forecast_headroom,
    forecast_run,
    forecast_sweep,
)
from crescent_lite.forecast.estimates import KEPT_OWN, Amount, estimate
from crescent_lite.store import Store
from crescent_lite.store.experience import Experience, fetch_experience
from crescent_lite.workspace import Workspace


def opener(_path: Path, _config: object) -> TimedSampler:
    return TimedSampler()


def own_questions(folder: Path, count: int) -> tuple[str, ...]:
    rows = [f"What is {number} + {number + 40}?" for number in range(count)]
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return (f"bait.file={json.dumps(str(folder / 'mine.jsonl'))}",)


def test_votes_on_own_questions_that_are_drawn_in_full_are_all_counted() -> None:
    config = load_config(preset="quick", overrides=["vote.stopping='never'", "bait.questions=300"])
    sizes = SIZES.__class__(**{**SIZES.__dict__, "own_questions": 300, "own_question_characters": 70.0})
    found = estimate(config, sizes, Experience(), SPEED)
    assert found.items("vote").value == pytest.approx(300 * 0.97 * config.vote.votes_per_question)
    # what the model's own texts showed, of which half are kept, says nothing about these
    past = Experience(asked=400, texts=400, kept=200, decided=200, labels=20, votes=1000, planned_votes=1600)
    assert estimate(config, sizes, past, SPEED).items("vote") == found.items("vote")
    shown = Experience(own_texts=100, own_kept=90, own_decided=90, own_labels=45)
    assert estimate(config, sizes, shown, SPEED).items("vote").value == pytest.approx(
        300 * 0.9 * config.vote.votes_per_question
    )


@pytest.mark.slow
def test_runs_that_draw_all_votes_say_nothing_about_stopping_early(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    overrides = (*own_questions(tmp_path, 12), "vote.stopping='never'")
    list(run_engine(workspace, RunOptions(1, overrides=overrides), lambda _path, _config: FakeSampler()))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        past = fetch_experience(
            store.database, store.runs.fetch_run(1).base_id, "arithmetic", MachineNoted("", "", "", 8, 1, (), {})
        )
    assert (past.own_texts, past.own_kept, past.own_decided) == (12, 12, 12)
    assert (past.texts, past.decided, past.votes, past.planned_votes) == (0, 0, 0, 0)
    assert past.drawn_votes == 12 * 4
    found = forecast_run(workspace, RunOptions(1, new=True, overrides=overrides), opener=opener)
    assert found.estimate.items("vote").value == pytest.approx(12 * 4 * KEPT_OWN[0])


def test_an_evaluation_and_the_headroom_ask_and_train_nothing(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    found = forecast_evaluation(workspace, RunOptions(), None, opener=opener)
    assert {each.stage for each in found.estimate.stages} == {"evaluate", "second_opinion"}
    assert found.estimate.items("evaluate").value == 2 * 20  # two prompts of 20 items
    assert title(found) == "an evaluation of tiny"
    found = forecast_headroom(workspace, RunOptions(), 10, 4, opener=opener)
    assert found.estimate.items("evaluate").value == 10 * (1 + 4)
    assert not workspace.database_path.exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("trained"))
    list(run_engine(workspace, RunOptions(1), lambda _path, _config: FakeSampler()))
    return workspace


@pytest.mark.slow
def test_each_control_is_estimated_and_a_finished_one_is_not(trained: Workspace) -> None:
    found = forecast_controls(trained, RunOptions(), 1, opener=opener)
    assert found is not None
    names = ["control step-by-step", "control majority", "control unvoted", "control undiversified"]
    assert [name for name, _ in found.parts] == names
    stages = {name: {each.stage for each in part.stages} for name, part in found.parts}
    assert "train" in stages["control unvoted"]
    assert "ask" not in stages["control unvoted"]
    assert "ask" in stages["control undiversified"]
    assert found.estimate.seconds.value == pytest.approx(sum(part.seconds.value for _, part in found.parts))
    assert len(found.as_dict()["runs"]) == 4
    list(run_controls(trained, RunOptions(), 1, ["majority"], 3, lambda _path, _config: FakeSampler()))
    again = forecast_controls(trained, RunOptions(), 1, opener=opener)
    assert again is not None
    assert "control majority" not in [name for name, _ in again.parts]
    assert forecast_controls(trained, RunOptions(), 1, ["majority"], opener=opener) is None


@pytest.mark.slow
def test_a_distillation_learns_from_the_labels_that_are_there(trained: Workspace) -> None:
    with closing(Store.open_read_only(trained.database_path)) as store:
        labels = len(store.votes.fetch_labels(run_id=1))
    found = forecast_run(trained, RunOptions(1, new=True, teacher_id=1), opener=opener)
    assert found.estimate.items("train") == Amount(float(labels))
    assert found.estimate.items("ask").value == found.estimate.items("vote").value == 0


def test_the_runs_of_a_sweep_measure_the_base_of_a_seed_once(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    runs = [
        SweepRun(f"{rank}, {seed}", RunOptions(1, True, overrides=(f"train.rank={rank}", f"run.seed={seed}")))
        for seed in (1, 2)
        for rank in (4, 8)
    ]
    opened: list[Path] = []

    def counting(path: Path, _config: object) -> TimedSampler:
        opened.append(path)
        return TimedSampler()

    found = forecast_sweep(workspace, "sweep 1", runs, opener=counting)
    assert found is not None
    bases = [
        sum(each.items.value for each in part.stages if (each.round, each.stage) == (0, "evaluate"))
        for _, part in found.parts
    ]
    assert bases == [40, 0, 40, 0]
    assert len(opened) == 1  # one calibration for all
    assert title(found) == "sweep 1, 4 runs to play, with tiny"
    learning = forecast_sweep(workspace, "sweep 1", [SweepRun("b", runs[0].options, learns=True)], opener=opener)
    assert learning is not None
    assert {each.stage for each in learning.estimate.stages} == {"evaluate", "second_opinion", "train"}


@pytest.mark.parametrize("command", ["run", "distill", "controls", "eval", "sweep", "headroom"])
def test_every_long_command_takes_a_dry_run_and_a_yes(command: str) -> None:
    given = {"distill": ["--student", "x.gguf"]}.get(command, [])
    options = build_parser().parse([command, *given, "--dry-run", "--yes"])
    assert options.dry_run
    assert options.yes
