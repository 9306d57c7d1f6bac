"""Runs are told apart by name, by the settings that differ, and by what automatic settings came to."""

from __future__ import annotations

import dataclasses
import itertools
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from sample_run import load_sample_run
from small_workspace import make_workspace

from crescent_lite.config import load_config
from crescent_lite.config.differences import differing, differing_from_preset
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import NotFoundError, UsageError
from crescent_lite.records import MachineSample, ModelFile
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.load_recorder import LoadRecorder

NO_TRAINING = 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "crescent.db")


def insert_run(store: Store, **given: object) -> int:
    base_id = store.runs.insert_model(ModelFile("base", Path("base.gguf"), "b" * 64, "embedded"))
    return store.runs.insert_run("improvement", base_id, {}, **given)  # type: ignore[arg-type]


def play(workspace: Workspace, options: RunOptions) -> None:
    for _ in run_engine(workspace, options, lambda _path, _config: FakeSampler()):
        pass


def sample(at: str = "t") -> MachineSample:
    return MachineSample(at, 1, "vote", 0.5, 1000, None, None, 12.5)


def test_the_settings_that_differ_from_the_preset_are_named_and_no_others() -> None:
    config = load_config(
        preset="quick", overrides=["train.learning_rate=0.001", "evaluate.benchmarks={mine={source='mine.jsonl'}}"]
    )

    found = differing_from_preset(config.as_dict())

    assert found == {"train.learning_rate": 0.001, "evaluate.benchmarks": ["mine"]}
    assert differing_from_preset(load_config(preset="quick").as_dict()) == {}
    assert differing_from_preset({"preset": "unheard-of"}) == {}


def test_a_benchmark_that_two_runs_have_is_compared_key_by_key() -> None:
    one, two = (
        load_config(
            preset="quick", overrides=[f"evaluate.benchmarks={{mine={{source='mine.jsonl', items={items}}}}}"]
        )
        for items in (20, 30)
    )

    assert differing(one.as_dict(), two.as_dict()) == {"evaluate.benchmarks.mine.items": (20, 30)}


def test_a_setting_that_an_older_run_does_not_have_is_no_difference() -> None:
    stored = load_config(preset="quick").as_dict()
    del stored["vote"]["min_share"]

    assert differing_from_preset(stored) == {}


def test_a_run_is_found_by_its_number_and_its_name(store: Store) -> None:
    first, second = insert_run(store), insert_run(store)
    store.run_rows.set_name(second, "high rate", "twice the rate")

    assert store.run_rows.find("1") == first
    assert store.run_rows.find("high rate") == second
    assert store.runs.fetch_run(second).note == "twice the rate"
    with pytest.raises(NotFoundError, match="did you mean 'high rate'"):
        store.run_rows.find("high-rate")
    with pytest.raises(NotFoundError, match="run 9: not in"):
        store.run_rows.find("9")


@pytest.mark.parametrize("name", ["", " ", "12", " padded", "n" * 81, "taken"])
def test_a_name_that_could_not_find_the_run_is_refused(store: Store, name: str) -> None:
    store.run_rows.set_name(insert_run(store), "taken", None)
    run_id = insert_run(store)

    with pytest.raises(UsageError):
        store.run_rows.set_name(run_id, name, None)

    assert store.runs.fetch_run(run_id).name is None


def test_a_name_that_two_merged_runs_have_asks_for_the_number(store: Store) -> None:
    for _ in range(2):
        store.database.write("UPDATE runs SET name = 'lr' WHERE run_id = ?", [insert_run(store)])

    with pytest.raises(UsageError, match="runs 1 and 2; give a number"):
        store.run_rows.find("lr")


def test_controls_and_distillations_stand_under_their_run(store: Store) -> None:
    first = insert_run(store)
    insert_run(store, control="unvoted", control_of=first)
    last = insert_run(store)
    student = insert_run(store, teacher_id=first)
    insert_run(store, control="majority", control_of=student)

    rows = store.run_rows.fetch()

    assert [(row.run_id, row.depth) for row in rows] == [(last, 0), (first, 0), (2, 1), (student, 1), (5, 2)]
    assert [row.title for row in rows[1:3]] == ["run 1", "run 2: control unvoted"]


def test_a_row_has_what_the_report_says_of_the_kept_round(tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "data")
    with closing(Store.open(workspace.database_path)) as store:
        (row,) = store.run_rows.fetch()
        standing = store.fetch_standing(1)

        assert row.round == standing.kept
        primary = next(score for score in row.scores if score.is_primary)
        assert primary.difference == pytest.approx(primary.score - primary.base)
        (view,) = store.database.rows("SELECT base_score, score, labels FROM v_runs")
        assert view["score"] == pytest.approx(standing.scores[row.round])
        assert view["base_score"] == pytest.approx(standing.scores[0])
        labels = store.database.value("SELECT count(*) FROM v_labels")
        assert row.labels == view["labels"] == labels
        store.runs.set_chosen_round(1, 1)
        assert store.run_rows.fetch()[0].round == 1


def test_the_items_of_the_view_add_up_to_the_scores(tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "data")
    with closing(Store.open(workspace.database_path)) as store:
        of_items = store.database.rows(
            """SELECT round, benchmark, prompt, sum(right), count(*) FROM v_items
            GROUP BY round, evaluation_id ORDER BY 1, 2, 3"""
        )
        of_scores = store.database.rows(
            "SELECT round, benchmark, prompt, right_flexible, items FROM v_scores ORDER BY 1, 2, 3"
        )
    assert list(map(tuple, of_items)) == list(map(tuple, of_scores))


@pytest.mark.slow
def test_a_run_keeps_its_name_and_what_its_automatic_settings_came_to(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=NO_TRAINING)

    play(workspace, RunOptions(name="first", note="as it comes", overrides=("vote.min_share=0.6",)))
    with pytest.raises(UsageError, match="'first': is the name of run 1"):
        play(workspace, RunOptions(new=True, name="first"))
    play(workspace, RunOptions(new=True))

    with closing(Store.open_read_only(workspace.database_path)) as store:
        second, first = store.run_rows.fetch()
        assert (first.name, first.note, second.name) == ("first", "as it comes", None)
        assert (first.differs["vote.min_share"], second.differs.get("vote.min_share")) == (0.6, None)
        assert first.effective == {"sampling.slots": 1}


def test_samples_are_thinned_evenly_and_go_on_at_the_lower_rate(store: Store) -> None:
    run_id = insert_run(store)

    for number in range(35):
        store.machine.insert_samples(run_id, [sample(str(number))], most=8)

    indexes = [row[0] for row in store.database.rows("SELECT sample_index FROM machine_samples ORDER BY 1")]
    steps = {later - before for before, later in itertools.pairwise(indexes)}
    assert len(indexes) <= 8
    assert steps == {store.machine.fetch_stride(run_id)}
    assert store.machine.fetch_samples(run_id)[0] == sample("0")


def test_the_load_is_sampled_while_a_run_is_at_work() -> None:
    with LoadRecorder(seconds=0.02, first_seconds=0.01) as recorder:
        found: list[MachineSample] = []
        while len(found) < 3:
            found += recorder.take()

    assert all(0 <= one.cpu <= 1 and one.memory_bytes > 0 and one.stage is None for one in found)
    assert len({one.at for one in found}) > 1
    assert dataclasses.asdict(found[0])["tokens_per_second"] is None
