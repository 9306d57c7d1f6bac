"""Requests to a running engine: pause, resume, one more round, and notes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.events import RoundAdded, RunPaused, RunResumed, StageFinished, StageProgressed, StageStarted
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.interruption import suspended
from crescent_lite.workspace.notes import add_note, pending_notes

pytestmark = pytest.mark.slow


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, min_examples=1000)


def test_a_paused_engine_waits_until_it_is_resumed_and_the_pause_costs_nothing(workspace: Workspace) -> None:
    held, seen = 0.6, {}
    for event in run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()):
        if isinstance(event, StageProgressed) and event.stage == "ask" and event.done == 3:
            workspace.ask("pause")
        if isinstance(event, RunPaused):
            threading.Timer(held, workspace.take, ["pause"]).start()
        if getattr(event, "stage", "ask") == "ask":
            seen[type(event)] = (event, time.monotonic())

    (started, began), (paused, from_then), (resumed, until), (asked, ended) = (
        seen[kind] for kind in (StageStarted, RunPaused, RunResumed, StageFinished)
    )
    assert held <= resumed.seconds <= until - from_then
    assert (started.done, asked.done) == (0, 40)
    assert asked.seconds + resumed.seconds <= ended - began
    assert paused == RunPaused()


def test_a_paused_engine_can_be_stopped_and_resumes_unpaused(workspace: Workspace) -> None:
    events = run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler())
    for event in events:
        if isinstance(event, StageProgressed) and event.stage == "ask":
            workspace.ask("pause")
        if isinstance(event, RunPaused):
            break
    events.close()
    assert workspace.is_asked("pause")

    seen = list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))

    assert not any(isinstance(event, RunPaused) for event in seen)
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.runs.fetch_run(1).state == "finished"


def test_a_suspended_process_stops_working_and_continues() -> None:
    with psutil.Popen(["sleep", "5"]) as process:
        with suspended(process.pid):
            wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
        wait_for(lambda: process.status() != psutil.STATUS_STOPPED)
        process.kill()
    with suspended(process.pid):  # no effect after the process has ended
        pass


def test_a_finished_run_plays_one_more_round_on_request(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))

    more = list(run_engine(workspace, RunOptions(next_round=True), lambda _path, _config: FakeSampler()))

    assert [e.round for e in more if isinstance(e, StageFinished) and e.stage == "ask"] == [2]
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert (store.runs.fetch_run(1).rounds, len(store.runs.fetch_rounds(1))) == (2, 2)
        assert store.runs.fetch_run(None).run_id == 1


def test_a_running_engine_plays_one_more_round_on_request(workspace: Workspace) -> None:
    seen = []
    for event in run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()):
        seen.append(event)
        if isinstance(event, StageProgressed) and event.stage == "vote" and not workspace.is_asked("round"):
            workspace.ask("round")
        if isinstance(event, RoundAdded):
            break
    assert seen[-1] == RoundAdded(2)


def test_a_note_is_stored_at_once_without_a_running_engine(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    folder = str(workspace.folder)

    assert main(["note", "3", "the majority is wrong", "-w", folder]) == 0
    assert main(["show", "question", "3", "-w", folder]) == 0
    assert "the majority is wrong" in capsys.readouterr().out
    assert main(["note", "99999", "?", "-w", folder]) == ExitCode.NOT_FOUND
    assert main(["note", "3", "", "-w", folder]) == 0
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.notes.fetch(3) == []


def test_a_note_is_stored_by_a_running_engine(workspace: Workspace) -> None:
    noted = False
    for event in run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()):
        if isinstance(event, StageProgressed) and event.stage == "vote" and not noted:
            add_note(workspace, 3, "ambiguous")
            noted = True
            assert [note.text for note in pending_notes(workspace)] == ["ambiguous"]
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert [note.text for note in store.notes.fetch(3)] == ["ambiguous"]
    assert pending_notes(workspace) == []


def test_lines_that_are_not_notes_are_skipped(workspace: Workspace) -> None:
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    workspace.notes.write_text('{"key": 1}\n[]\nnot json\n{"key": "a", "question_id": "3"', encoding="utf-8")
    add_note(workspace, 99999, "on nothing")

    list(run_engine(workspace, RunOptions(next_round=True), lambda _path, _config: FakeSampler()))

    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.database.value("SELECT count(*) FROM notes") == 0


def test_the_words_of_questions_are_found_as_they_are_now(workspace: Workspace) -> None:
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        texts = dict(store.database.rows("SELECT question_id, text FROM questions"))
        found = {row[0] for row in store.database.rows("SELECT rowid FROM questions_fts WHERE text MATCH 'what'")}
    assert found == {question_id for question_id, text in texts.items() if "what" in text.lower()} != set()
