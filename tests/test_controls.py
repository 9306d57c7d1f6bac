"""Controls: runs from the same base, each without one part of the method."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.config import load_config
from crescent_lite.config.names import CONTROLS
from crescent_lite.engine import RunOptions, run_controls, run_engine
from crescent_lite.errors import ExitCode, NotFoundError
from crescent_lite.evaluation.controls import Spent, control_config, equal_samples
from crescent_lite.events import RunStarted
from crescent_lite.report import build_report, report_markdown
from crescent_lite.report.gains import compared
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow


def controls(workspace: Workspace, **options: object) -> list[object]:
    return list(run_controls(workspace, RunOptions(), None, opener=lambda _path, _config: FakeSampler(), **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A round of 120 texts with its four controls. Some texts ask the same sum (odds of none: 1 in 1,000)."""
    workspace = make_workspace(tmp_path_factory.mktemp("controlled"))
    list(run_engine(workspace, RunOptions(overrides=("bait.questions=120",)), lambda _path, _config: FakeSampler()))
    controls(workspace, samples=3)
    return workspace


def test_each_control_is_a_separate_run_with_its_name(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    found = store.runs.fetch_controls(1)
    had = [name for name in CONTROLS if name not in ("temperatures", "coin")]  # no samples, and no pairs
    assert [(name, run.state) for name, run in found.items()] == [(name, "finished") for name in had]
    assert store.runs.fetch_run(kind="improvement").run_id == 1  # controls do not count as the latest run
    store.close()


def test_the_controls_that_train_learn_from_as_many_examples(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    found = store.runs.fetch_controls(1)
    counts = {
        name: store.trainings.count_examples(store.runs.fetch_round(run_id, 1).round_id)
        for name, run_id in {"run": 1, **{n: found[n].run_id for n in ("unvoted", "undiversified")}}.items()
    }
    assert counts["run"] == counts["unvoted"] == counts["undiversified"] > 0
    store.close()


def test_unvoted_trains_on_the_first_sample_of_a_question_whatever_the_others_say(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    rows = store.database.rows(
        """SELECT v.sample_index, v.answer_key = c.answer_key AS agrees FROM examples e
        JOIN trainings t USING (training_id) JOIN rounds d USING (round_id) JOIN votes v USING (vote_id)
        JOIN consensus c ON c.question_id = e.question_id
        WHERE d.run_id = (SELECT run_id FROM runs WHERE control = 'unvoted')"""
    )
    assert {row["sample_index"] for row in rows} == {0}
    assert {row["agrees"] for row in rows} == {0, 1}  # 1 answer in 4 is wrong; odds that all of 20 are right: 0.3%
    store.close()


def test_undiversified_rejects_no_question_as_a_repeat(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    run_id = store.runs.fetch_controls(1)["undiversified"].run_id
    rejected = store.database.rows(
        "SELECT reason FROM questions JOIN rounds USING (round_id) WHERE run_id = ? AND verdict = 'rejected'",
        [run_id],
    )
    assert store.questions.count_verdicts(1)["rejected", "near_duplicate"]
    assert {row[0] for row in rejected}.isdisjoint({"near_duplicate", "same_template"})
    store.close()


def test_majority_draws_samples_and_reuses_the_greedy_replies(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    found = store.runs.fetch_controls(1)
    of_majority = store.evaluations.fetch_evaluations(found["majority"].run_id)
    assert [(e.prompt, e.samples) for e in of_majority] == [("arithmetic/solve", 1), ("arithmetic/solve", 3)]
    assert store.evaluations.fetch_evaluations(found["step-by-step"].run_id) == of_majority[:1]
    assert (
        store.database.value(
            "SELECT count(*) FROM evaluated_items WHERE evaluation_id = ?", [of_majority[1].evaluation_id]
        )
        == 60
    )
    store.close()


def test_finished_controls_are_not_repeated(controlled: Workspace) -> None:
    assert not [event for event in controls(controlled, samples=3) if isinstance(event, RunStarted)]


def test_a_run_that_trained_nothing_has_no_trained_controls(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    with pytest.raises(NotFoundError, match="round 1 trained nothing, so the control unvoted has nothing"):
        controls(workspace, names=("unvoted",))


def test_controls_without_a_run_are_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path)
    Store.open(workspace.database_path).close()
    assert main(["controls", "-w", str(workspace.folder)]) == ExitCode.NOT_FOUND
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(("drawn", "one", "samples"), [(0, 100, 3), (1000, 100, 11), (10**9, 1, 64), (5, 0, 3)])
def test_equal_tokens_in_samples(drawn: int, one: float, samples: int) -> None:
    assert equal_samples(drawn, one) == samples


def test_only_benchmarks_whose_answers_are_values_have_a_majority() -> None:
    config = load_config(overrides=['evaluate.benchmarks={a={builtin="gsm8k"}, b={builtin="arc-easy"}}'])
    assert list(control_config("majority", config, Spent(9, 5, 4)).evaluate.benchmarks) == ["a"]
    assert list(control_config("unvoted", config, Spent(9, 5, 4)).evaluate.benchmarks) == ["a", "b"]


def test_the_gain_is_split_into_its_parts(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    gains = {(gain.about, gain.before, gain.after): gain.verdict for gain in compared(store, 1)}
    assert list(gains) == [
        ("the prompt", "base, bare", "base, solve"),
        ("everything", "base, bare", "round 1, bare"),
        ("all but the prompt", "base, solve", "round 1, bare"),
        ("training instead of voting", "base, solve, majority of 3", "round 1, bare"),
        ("the votes", "unvoted, bare", "round 1, bare"),
        ("the diversity", "undiversified, bare", "round 1, bare"),
        ("everything", "base, solve", "round 1, solve"),
        ("training instead of voting", "base, solve, majority of 3", "round 1, solve"),
        ("the votes", "unvoted, solve", "round 1, solve"),
        ("the diversity", "undiversified, solve", "round 1, solve"),
    ]
    assert {verdict.comparison.items for verdict in gains.values()} == {20}
    store.close()


def test_the_report_says_how_many_examples_each_had(controlled: Workspace) -> None:
    store = Store.open_read_only(controlled.database_path)
    examples = store.trainings.count_examples(store.runs.fetch_round(1, 1).round_id)
    text = report_markdown(build_report(store, 1))
    steps = len(store.trainings.fetch_latest(store.runs.fetch_round(1, 1).round_id).losses)
    same = f"{examples} examples in {steps} steps"
    assert f"Trained on: round 1: {same}, unvoted: {same}, undiversified: {same}." in text
    store.close()


def test_a_run_without_controls_has_no_gains(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "crescent.db")
    assert compared(store, 1) == []
    store.close()
