"""The data that a watcher reads: counts of the stored items, at any moment of a run."""

from contextlib import closing
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace

from crescent_lite.store import Store
from crescent_lite.store.watching import STEPS, RunSnapshot, Watching
from crescent_tui.sources.follower import relative_paths


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    return SampleWorkspace(tmp_path)


def snapshot_of(sample: SampleWorkspace) -> RunSnapshot:
    run = Watching(sample.store.database).fetch_snapshot()
    assert run
    return run


def test_without_a_run_there_is_nothing_to_see(sample: SampleWorkspace) -> None:
    assert Watching(sample.store.database).fetch_snapshot() is None
    assert Watching(sample.store.database).fetch_runs() == ()


def test_before_the_first_round_only_the_base_is_scored(sample: SampleWorkspace) -> None:
    sample.begin_run()
    sample.score(0, sample.base_id, right=1, items=3, of=10)
    run = snapshot_of(sample)
    assert run.round == 0
    assert [(step.done, step.total) for step in run.steps] == [(0, 0)] * 5 + [(3, 10)]


def test_every_step_counts_what_is_stored(tmp_path: Path) -> None:
    run = snapshot_of(filled_workspace(tmp_path))
    steps = dict(zip(STEPS, run.steps, strict=True))
    assert [(steps[name].done, steps[name].total, steps[name].passed) for name in STEPS] == [
        (40, 40, 40), (40, 40, 14), (112, 112, 112), (14, 14, 11), (120, 120, 120), (181, 240, 181),
    ]  # fmt: skip
    assert steps["kept"].reasons == (("near_duplicate", 14), ("no_number", 9), ("empty", 3))
    assert steps["labelled"].reasons == (("low_share", 3),)
    assert steps["voted"].seconds == 187.0
    assert len(run.losses) == 120


def test_a_question_not_judged_yet_is_owed(sample: SampleWorkspace) -> None:
    sample.begin_run(questions=5)
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    sample.store.database.write("UPDATE questions SET verdict = NULL, reason = NULL")
    steps = snapshot_of(sample).steps
    assert [(step.done, step.total) for step in steps[:3]] == [(1, 5), (0, 1), (0, 0)]


def test_a_write_of_somebody_else_changes_the_version(sample: SampleWorkspace) -> None:
    with closing(Store.open_read_only(sample.workspace.database_path)) as reader:
        watching = Watching(reader.database)
        before = watching.version()
        assert watching.version() == before
        sample.begin_run()
        assert watching.version() != before


def test_messages_are_shown_without_the_path_of_the_workspace(tmp_path: Path) -> None:
    assert relative_paths(f"{tmp_path}/crescent.db: is locked", tmp_path) == "crescent.db: is locked"
    assert relative_paths("crescent: data/a.gguf: is not a model", Path("data")) == "crescent: a.gguf: is not a model"
    for elsewhere, folder in (("../x.gguf: missing", "."), ("/my/data/x.gguf: missing", "data"), ("x: missing", "x")):
        assert relative_paths(elsewhere, Path(folder)) == elsewhere
