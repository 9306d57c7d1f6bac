"""Rounds compared without gold: by how often greedy replies agree with the base's votes on questions set aside."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.engine import RunOptions, run_controls, run_engine
from crescent_lite.events import RoundFinished
from crescent_lite.records import AGREEMENT
from crescent_lite.report import build_report
from crescent_lite.report.scores import compare
from crescent_lite.stages.agreement import FEWEST
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.content.round import standing
from crescent_tui.sources.round_detail import fetch_round

pytestmark = pytest.mark.slow
CHOSEN = ("run.choose_by='agreement'", "bait.questions=160", "train.replay_share=0.5")


def sampler(_path: object, _config: object) -> FakeSampler:
    return FakeSampler()


def outcomes(workspace: Workspace, rounds: int, *overrides: str) -> list[str]:
    events = run_engine(workspace, RunOptions(rounds, overrides=overrides), sampler)
    return [event.outcome for event in events if isinstance(event, RoundFinished)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two rounds of a run with more than 60 labels each, and the control that learns from unvoted samples."""
    workspace = make_workspace(tmp_path_factory.mktemp("agreement"))
    found = outcomes(workspace, 2, *CHOSEN)
    assert f"{FEWEST} questions set aside to choose the round by" in found[0]
    list(run_controls(workspace, RunOptions(), None, ("unvoted",), opener=sampler))
    return workspace


def test_what_is_set_aside_is_trained_on_in_no_round_and_no_control(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        items = store.database.rows(
            "SELECT item_id, i.question, answer_key FROM benchmark_items i JOIN benchmarks USING (benchmark_id) "
            "WHERE name = ?",
            [AGREEMENT],
        )
        aside = {int(row["item_id"]) for row in items}
        assert len(aside) == len(items) == FEWEST  # the control has set aside the same questions
        trained = store.database.rows("SELECT run_id, round, question_id FROM v_examples")
        assert {(row["run_id"], row["round"]) for row in trained} == {(1, 1), (1, 2), (2, 1)}
        assert aside.isdisjoint(row["question_id"] for row in trained)
        labels = {str(label.question_id): label.answer_key for label in store.votes.fetch_labels(run_id=1)}
        assert {row["item_id"]: row["answer_key"] for row in items}.items() <= labels.items()


def test_the_agreement_chooses_the_round_and_is_no_score(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = {one.round_number: one.agreed / one.items for one in store.evaluations.fetch_agreements(1)}
        kept = store.fetch_standing(1)
        assert kept.by_agreement
        assert kept.scores == pytest.approx(found)
        assert {*found} == {0, 1, 2}
        assert AGREEMENT not in {one.evaluation.benchmark for one in compare(store, store.runs.fetch_run(1))}
        facts = store.measures.fetch_facts(1, 1)
        assert AGREEMENT not in {each.benchmark for each in facts.evaluations}


def test_report_and_screen_give_agreement_cut_off_share_and_length(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        report = build_report(store, 1)
        table = next(each for each in report.tables if each.title == "Agreement with the base's votes")
        assert [row[0] for row in table.rows] == ["base", "round 1", "round 2"]
        assert all(row[1].endswith(f"/{FEWEST}") and row[4:] == ("0.0%", "5") for row in table.rows)
        assert any("agreement with the base's votes" in line for line in report.lines)
        said = standing(fetch_round(store, (1, 1)), 200).plain
        assert f"Agreement with the base's votes {table.rows[1][1]}, " in said
        assert "0.0% cut off, 5 tokens a reply." in said


def test_with_few_labels_benchmarks_choose_and_it_is_said(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    assert "fewer than 60 labels, so benchmarks choose the round" in outcomes(workspace, 1, CHOSEN[0])[0]
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert not store.evaluations.fetch_agreements(1)
        assert not store.fetch_standing(1).by_agreement
        assert set(store.fetch_standing(1).scores) == {0, 1}
