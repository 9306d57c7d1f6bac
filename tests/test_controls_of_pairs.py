"""Controls of a run that learns preference pairs, and the base's samples at lower temperatures."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.config import load_config
from crescent_lite.engine import RunOptions, run_controls, run_engine
from crescent_lite.errors import NotFoundError
from crescent_lite.evaluation.controls import LOWER_TEMPERATURES, Spent, control_config, why_left_out
from crescent_lite.report import build_report
from crescent_lite.report.gains import compared
from crescent_lite.store import Store
from crescent_lite.store.trainings import StoredPair
from crescent_lite.workspace import Workspace

SETTINGS = (
    "train.objective='preference'",
    "train.min_pairs=3",
    "vote.stopping='never'",
    "vote.prompt='bare'",
    "evaluate.benchmarks={sums={source='sums.jsonl', items=5, samples=4}}",
)


def sampler(_path: object, _config: object) -> FakeSampler:
    return FakeSampler()


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run with pairs and three of its controls."""
    workspace = make_workspace(tmp_path_factory.mktemp("pairs"))
    list(run_engine(workspace, RunOptions(overrides=SETTINGS), sampler))
    list(run_controls(workspace, RunOptions(), None, ("temperatures", "unvoted", "coin"), opener=sampler))
    return workspace


def pairs(store: Store, run_id: int) -> list[StoredPair]:
    return store.trainings.fetch_pairs_of_round(store.runs.fetch_round(run_id, 1).round_id)


@pytest.mark.slow
def test_the_coin_learns_the_same_pairs_with_sides_by_lot(controlled: Workspace) -> None:
    with closing(Store.open_read_only(controlled.database_path)) as store:
        own, by_lot = pairs(store, 1), pairs(store, store.runs.fetch_controls(1)["coin"].run_id)
    assert [(p.question_id, {p.winner_id, p.loser_id}, p.weight) for p in own] == [
        (p.question_id, {p.winner_id, p.loser_id}, p.weight) for p in by_lot
    ]
    swapped = [p.winner_id == q.loser_id for p, q in zip(own, by_lot, strict=True)]
    assert len(own) >= 10
    assert {*swapped} == {True, False}  # odds that ten sides all fall alike: 1 in 512; the seed is fixed


@pytest.mark.slow
def test_unvoted_learns_as_many_samples_as_there_are_pairs_in_as_many_steps(controlled: Workspace) -> None:
    with closing(Store.open_read_only(controlled.database_path)) as store:
        run_id = store.runs.fetch_controls(1)["unvoted"].run_id
        own, unvoted = (
            store.trainings.fetch_latest(store.runs.fetch_round(each, 1).round_id) for each in (1, run_id)
        )
        assert (unvoted.examples, len(unvoted.losses)) == (own.examples, len(own.losses))
        assert not pairs(store, run_id)
        turns = store.database.rows(
            """SELECT count(DISTINCT question_id) AS questions, count(*) AS examples FROM v_examples
            WHERE run_id = ?""",
            [run_id],
        )[0]
        asked = store.fetch_round_counts(store.runs.fetch_round(1, 1).round_id).kept
        assert turns["questions"] == min(asked, turns["examples"])  # further samples only when first ones run out
        tables = {table.title: table for table in build_report(store, 1).tables}
        text = tables["Where the gain comes from"].note
        assert f"coin: {own.examples} pairs in {len(own.losses)} steps" in text
        assert f"unvoted: {own.examples} examples in {len(own.losses)} steps" in text


@pytest.mark.slow
def test_the_report_shows_samples_of_the_base_at_each_temperature(controlled: Workspace) -> None:
    with closing(Store.open_read_only(controlled.database_path)) as store:
        table = next(each for each in build_report(store, 1).tables if each.title == "Several answers to each item")
        shown = {(row[2], row[3], row[5]) for row in table.rows}
        of_votes = load_config(controlled.config_path).vote.temperature
        assert {("base", f"{t:g}", "maj@4") for t in (*LOWER_TEMPERATURES, of_votes)} <= shown
        assert ("round 1", f"{of_votes:g}", "pass@4") in shown
        assert {gain.about for gain in compared(store, 1)} >= {"the votes", "which side of a pair won"}


def test_a_run_without_pairs_has_no_coin_and_one_without_samples_no_temperatures() -> None:
    config = load_config(overrides=['evaluate.benchmarks={a={builtin="gsm8k"}}'])
    assert "learns no pairs" in (why_left_out("coin", config) or "")
    assert "set evaluate.benchmarks.NAME.samples" in (why_left_out("temperatures", config) or "")
    several = 'evaluate.benchmarks={a={builtin="gsm8k",samples=8}}'
    sampled = load_config(overrides=["train.objective='preference'", several])
    assert why_left_out("coin", sampled) is why_left_out("temperatures", sampled) is None


def test_a_control_without_votes_is_an_sft_with_its_own_rate_and_the_steps_of_the_round() -> None:
    config = load_config(overrides=["train.objective='preference'", "train.learning_rate=0.00001"])
    train = control_config("unvoted", config, Spent(9, 641, 4, epochs=3.0, batch_size=16)).train
    assert (train.objective, train.learning_rate, train.max_examples) == ("sft", 0.0, 641)
    assert (train.epochs, train.batch_size) == (3.0, 16)
    coin = control_config("coin", config, Spent(9, 641, 4, epochs=3.0, batch_size=16)).train
    assert (coin.objective, coin.learning_rate, coin.epochs) == ("preference", 0.00001, 3.0)


@pytest.mark.slow
def test_a_control_that_the_run_cannot_have_is_refused_by_name_and_else_left_out(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    list(run_engine(workspace, RunOptions(), sampler))
    with pytest.raises(NotFoundError, match="cannot have the control coin: train"):
        list(run_controls(workspace, RunOptions(), None, ("coin",), opener=sampler))
