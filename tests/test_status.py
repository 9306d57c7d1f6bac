"""`crescent status` says where a run is, how long it will take, and what it has reached."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.cli.status import StatusFollower, status_text
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return load_sample_run(tmp_path / "data")


def log_line(seconds: float, event: str, **detail: object) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"at": at.isoformat(timespec="milliseconds"), "event": event, **detail}) + "\n"


def at_work(workspace: Workspace) -> None:
    """Make the sample run one that votes: 25 of 100 votes in 50 seconds."""
    with closing(Store.open(workspace.database_path)) as store:
        store.runs.set_state(1, "running")
        store.run_rows.set_name(1, "sample", None)
        store.database.write("UPDATE rounds SET finished_at = NULL WHERE number = 2")
    lines = [
        log_line(-60, "RunStarted", run_id=1),
        log_line(-50, "StageStarted", round=2, stage="vote", done=0, total=100),
    ]
    lines += [
        log_line(2 * n - 50, "StageProgressed", stage="vote", done=n, total=100, tokens=20 * n) for n in range(1, 26)
    ]
    workspace.log_of(1).write_text("".join(lines), encoding="utf-8")


def test_a_run_at_work_says_its_stage_its_speed_and_the_time_left(workspace: Workspace) -> None:
    at_work(workspace)
    owed = [[1, "vote", 999.0], [2, "ask", 999.0], [2, "vote", 999.0], [2, "train", 60.0], [3, "ask", 40.0]]
    kept = {"run": 1, "rounds": 2, "seconds": owed}
    (workspace.folder / ".estimate.json").write_text(json.dumps(kept), encoding="utf-8")

    with workspace.lock():
        status = StatusFollower(workspace).look()

    assert (status["run"], status["name"], status["state"]) == (1, "sample", "running")
    stage = status["stage"]
    assert (stage["name"], stage["round"], stage["done"], stage["total"]) == ("vote", 2, 25, 100)
    assert stage["tokens_per_second"] == pytest.approx(10, abs=0.5)
    assert status["seconds_left"]["stage"] == pytest.approx(150, rel=0.1)
    left = status["seconds_left"]
    assert left["round"] == pytest.approx(left["stage"] + 60)
    assert left["run"] == pytest.approx(left["stage"] + 100)
    text = status_text(status)
    assert "stage: voting (round 2): 25/100, 1" in text
    assert "time left: stage 2:3" in text
    assert "run: 1 (sample)" in text


def test_scores_have_their_difference_to_the_base(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["-w", str(workspace.folder)]

    assert main(["status", "--json", *place]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert main(["status", *place]) == 0
    text = capsys.readouterr().out

    assert all(score["difference"] == pytest.approx(score["score"] - score["base"]) for score in scores)
    assert f"({100 * scores[0]['difference']:+.1f} points) in round {scores[0]['round']}" in text
    assert "stage:" not in text


def test_watching_a_run_that_is_over_shows_it_once_without_escape_codes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--watch", "-w", str(workspace.folder)]) == 0

    out = capsys.readouterr().out
    assert out.count("state: finished") == 1
    assert "\x1b" not in out


def test_a_run_that_was_killed_has_no_stage(workspace: Workspace) -> None:
    at_work(workspace)

    status = StatusFollower(workspace).look()

    assert status["state"].startswith("killed")
    assert "stage" not in status
