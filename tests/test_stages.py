"""The frame around a stage: what is owed, its events, its cost, and a pause; the same for each of them."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.engine import RunOptions, run_controls, run_engine, run_evaluation
from crescent_lite.errors import StageError, StorageError
from crescent_lite.events import RunPaused, RunResumed, StageFinished, StageProgressed, StageStarted
from crescent_lite.stages.empty_texts import MOST_IN_A_ROW, EmptyTexts
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, min_examples=1000)


def evaluate(workspace: Workspace) -> list[object]:
    return list(run_evaluation(workspace, RunOptions(), None, lambda _path, _config: FakeSampler()))


@pytest.mark.slow
@pytest.mark.second_opinions
def test_second_opinions_are_a_stage_with_events_and_a_cost(workspace: Workspace) -> None:
    pytest.importorskip("math_verify")
    events = evaluate(workspace)

    seen = [(type(event), event.stage) for event in events if isinstance(event, StageStarted | StageFinished)]
    assert seen == [
        (StageStarted, "evaluate"),
        (StageFinished, "evaluate"),
        (StageStarted, "second_opinion"),
        (StageFinished, "second_opinion"),
    ]
    judged = [event for event in events if isinstance(event, StageProgressed) and event.stage == "second_opinion"]
    assert [event.done for event in judged] == list(range(1, judged[0].total + 1))
    assert {event.note for event in judged} <= {"right", "wrong", "no opinion"}
    with closing(Store.open_read_only(workspace.database_path)) as store:
        costs = {cost.stage: cost for cost in store.runs.fetch_stage_costs(1, 0)}
    assert costs["second_opinion"].finished
    assert costs["second_opinion"].seconds > 0
    assert costs["second_opinion"].tokens == 0


@pytest.mark.second_opinions
@pytest.mark.slow
def test_second_opinions_can_be_paused(workspace: Workspace) -> None:
    pytest.importorskip("math_verify")
    at = []
    for event in run_evaluation(workspace, RunOptions(), None, lambda _path, _config: FakeSampler()):
        if isinstance(event, StageProgressed) and event.stage == "second_opinion" and event.done == 1:
            workspace.ask("pause")
        if isinstance(event, RunPaused):
            threading.Timer(0.3, workspace.take, ["pause"]).start()
        if isinstance(event, RunPaused | RunResumed | StageFinished):
            at.append(type(event))
    assert at == [StageFinished, RunPaused, RunResumed, StageFinished]


@pytest.mark.second_opinions
def test_a_stage_that_owes_nothing_says_nothing(workspace: Workspace) -> None:
    evaluate(workspace)
    again = evaluate(workspace)  # the same evaluation, which the second run uses
    assert not any(isinstance(event, StageStarted | StageFinished) for event in again)


def test_a_hundred_empty_texts_in_a_row_end_a_stage_and_one_text_starts_the_count_again() -> None:
    empty = EmptyTexts("vote", "check the chat template")
    for text in ["  "] * (MOST_IN_A_ROW - 1) + ["5"] + ["\n"] * (MOST_IN_A_ROW - 1):
        empty.note(text)
    with pytest.raises(StageError, match=r"vote: the model wrote 100 empty texts in a row; check the chat template"):
        empty.note("")


def test_planning_a_control_inserts_no_round(workspace: Workspace) -> None:
    started = run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler())
    for event in started:
        if isinstance(event, StageFinished) and event.stage == "evaluate":
            break
    started.close()  # before round 1
    controls = run_controls(workspace, RunOptions(), 1, ["step-by-step"], opener=lambda _path, _config: FakeSampler())
    next(controls)
    controls.close()
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.runs.fetch_rounds(1) == []


def test_a_run_that_cannot_be_planned_leaves_no_row(workspace: Workspace) -> None:
    with pytest.raises(StorageError, match="64 bits"):
        list(run_engine(workspace, RunOptions(rounds=2**63), lambda _path, _config: FakeSampler()))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.database.value("SELECT count(*) FROM runs") == 0
