"""The training labels nearest to the items that a round lost, and whether nearness tells them from the others."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crescent_lite.cli import main
from crescent_lite.errors import NotFoundError
from crescent_lite.report.attribution import attribute
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

PACKED = Path(__file__).parents[1] / "data" / "reports" / "coder-0.5b" / "crescent.db.xz"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("coder"))
    workspace.config_path.write_text('preset = "quick"\n', encoding="utf-8")
    workspace.database_path.write_bytes(lzma.decompress(PACKED.read_bytes()))
    Store.open(workspace.database_path).close()
    yield workspace


def test_each_changed_item_has_the_nearest_labels_that_the_round_was_trained_on(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        run = store.runs.fetch_run(1)
        found = attribute(store, run, 2)
        moved = store.database.rows(
            """SELECT sum(b.right AND NOT a.right), sum(a.right AND NOT b.right) FROM v_items a JOIN v_items b
                ON b.run_id = 1 AND b.round = 0 AND b.benchmark = a.benchmark AND b.prompt = a.prompt
                AND b.item = a.item
            WHERE a.run_id = 1 AND a.round = 2"""
        )[0]
        trained = {
            row[0] for row in store.database.rows("SELECT question_id FROM v_examples WHERE run_id = 1 AND round = 2")
        }

    fates = [change.fate for change in found.changes]
    assert (fates.count("lost"), fates.count("gained")) == tuple(moved)
    assert fates == sorted(fates, key=lambda fate: fate != "lost")
    assert {near.question_id for change in found.changes for near in change.nearest} <= trained
    for change in found.changes:
        likeness = [near.likeness for near in change.nearest]
        assert len(likeness) == 3 and likeness == sorted(likeness, reverse=True)
    assert found.p_value is not None and 0 <= found.p_value <= 1
    assert "stayed right" in found.in_words()


def test_a_round_without_labels_has_nothing_to_attribute(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        control = store.runs.fetch_controls(1)["step-by-step"]
        with pytest.raises(NotFoundError):
            attribute(store, control, 1)


def test_the_command_lists_the_items(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "1", "--round", "2", "-w", str(workspace.folder)]) == 0
    assert "Mean likeness in wording of the nearest of" in capsys.readouterr().out
    assert main(["why", "1", "--json", "--labels", "2", "-w", str(workspace.folder)]) == 0
    assert {len(each["nearest"]) for each in json.loads(capsys.readouterr().out)["changes"]} == {2}
    assert main(["why", "nobody", "-w", str(workspace.folder)]) == 13
