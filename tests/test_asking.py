"""Asking, judging and rewriting: a question that is not new is rewritten; asking ends when little is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.events import AskingStopped, Event
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow


def run(workspace: Workspace, sampler: FakeSampler, *overrides: str) -> tuple[list[Event], Store]:
    options = RunOptions(overrides=("bait.questions=400", "train.min_examples=100000", *overrides))
    events = list(run_engine(workspace, options, lambda _path, _config: sampler))
    return events, Store.open_read_only(workspace.database_path)


def test_a_model_that_repeats_itself_is_asked_no_further(tmp_path: Path) -> None:
    events, store = run(make_workspace(tmp_path), FakeSampler(" 2 + 3?"))

    assert store.questions.count_verdicts(1) == {("kept", "new"): 1, ("rejected", "near_duplicate"): 99}
    (stopped,) = [event for event in events if isinstance(event, AskingStopped)]
    assert "1 of the last 100 texts were kept, below the floor of 5%" in stopped.reason
    assert store.runs.fetch_round(1, 1).asking_stopped == stopped.reason


def test_without_a_floor_every_question_is_asked_and_each_repetition_rewritten_once(tmp_path: Path) -> None:
    events, store = run(make_workspace(tmp_path), FakeSampler(" 2 + 3?"), "bait.min_acceptance=0")

    assert store.questions.count_verdicts(1) == {("rejected", "near_duplicate"): 798, ("kept", "new"): 1}
    assert not any(isinstance(event, AskingStopped) for event in events)
    assert store.database.value("SELECT max(rewrites) FROM questions") == 1


def test_a_rewrite_is_judged_against_everything_kept_before_it(tmp_path: Path) -> None:
    _, store = run(make_workspace(tmp_path), FakeSampler(), "diversify.max_rewrites=2")

    rewrites = store.database.rows("SELECT DISTINCT verdict FROM questions WHERE rewritten_from IS NOT NULL")
    assert {row["verdict"] for row in rewrites} == {"kept", "rejected"}
    kept = store.database.rows("SELECT text FROM questions WHERE verdict = 'kept'")
    numbers = [tuple(sorted(row["text"].removeprefix("What is ").removesuffix("?").split(" + "))) for row in kept]
    assert len(set(numbers)) == len(numbers) > 100


def test_a_benchmarks_item_is_rejected_and_not_rewritten(tmp_path: Path) -> None:
    _, store = run(make_workspace(tmp_path), FakeSampler(" 4 + 7?"))

    row = store.database.row("SELECT reason, benchmark_item, match, similarity FROM v_rejections LIMIT 1")
    assert row is not None
    assert (row["reason"], row["match"], row["similarity"]) == ("contaminated", "What is 4 + 7?", 100.0)
    assert row["benchmark_item"].startswith("sums/")
    assert store.database.value("SELECT count(*) FROM questions WHERE rewritten_from IS NOT NULL") == 0


def test_what_a_bait_was_steered_by_is_stored(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    for name, text in {"bait": "About {topic}.", "rewrite": "{question}", "solve": "{question}"}.items():
        (prompts / f"{name}.txt").write_text(text, encoding="utf-8")
    (prompts / "bait.topic.txt").write_text("eggs\ntrains\n", encoding="utf-8")
    _, store = run(
        make_workspace(tmp_path / "w"), FakeSampler(), f"run.prompts={prompts}", "evaluate.prompts=['bare']"
    )

    rows = store.database.rows("SELECT DISTINCT steering FROM questions WHERE ask_index IS NOT NULL ORDER BY 1")
    assert [json.loads(row["steering"]) for row in rows] == [{"topic": "eggs"}, {"topic": "trains"}]
    assert (
        store.database.value("SELECT count(*) FROM questions WHERE rewritten_from IS NULL AND steering IS NULL") == 0
    )
