"""A trained model answers its training questions again, and the share that agrees with the labels is compared."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace, workspace_with_adapter

from crescent_lite.engine import RunOptions, run_engine, run_recheck
from crescent_lite.errors import NotFoundError
from crescent_lite.report.recheck import fetch_recheck
from crescent_lite.store import Store


def test_a_round_that_was_trained_on_no_label_has_nothing_to_recheck(tmp_path: Path) -> None:
    workspace = workspace_with_adapter(tmp_path)

    with pytest.raises(NotFoundError, match="was trained on no label"):
        list(run_recheck(workspace, 1, None, lambda *_: FakeSampler()))
    with pytest.raises(NotFoundError, match="round 2 has no adapter"):
        list(run_recheck(workspace, 1, 2, lambda *_: FakeSampler()))


@pytest.mark.slow
def test_the_training_questions_are_answered_before_and_after(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    list(run_engine(workspace, RunOptions(), lambda *_: FakeSampler()))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        before = store.fetch_standing(1)
        examples = store.trainings.count_examples(store.runs.fetch_rounds(1)[0].round_id)

    for _ in range(2):  # without a run's number, and again after a recheck is the latest run
        list(run_recheck(workspace, None, None, lambda *_: FakeSampler()))

    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = fetch_recheck(store, 2)
        assert found.base.items == found.trained.items == examples
        assert found.trained.agreed >= found.base.agreed  # the fake sampler is right more often with an adapter
        comparison = found.verdict.comparison
        assert comparison.gained - comparison.lost == found.trained.agreed - found.base.agreed
        assert (store.run_rows.fetch()[1].run_id, store.run_rows.fetch()[1].depth) == (2, 1)
        assert store.fetch_standing(1) == before
        assert store.runs.fetch_controls(1) == {}
        said = store.database.rows("SELECT sum(right) FROM v_items WHERE run_id = 2 GROUP BY round ORDER BY round")
        assert [row[0] for row in said] == [found.base.agreed, found.trained.agreed]
