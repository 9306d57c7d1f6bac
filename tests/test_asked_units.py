"""A score that needed the unit of the question is counted apart in the report."""

from __future__ import annotations

import json
from pathlib import Path

from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.engine import RunOptions, run_evaluation
from crescent_lite.report import build_report, report_markdown
from crescent_lite.store import Store


def test_the_report_counts_the_answers_that_are_right_only_in_the_asked_unit(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    asked = ("What percentage of them walks?", "How many walk?", "How many percent is it?")
    rows = [{"question": question, "answer": gold} for question, gold in zip(asked, ("60", "60%", "50"), strict=True)]
    (workspace.folder / "walks.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with (workspace.folder / "crescent.toml").open("a", encoding="utf-8") as settings:
        settings.write("[evaluate.benchmarks.walks]\nsource = 'walks.jsonl'\nprompts = ['bare']\n")

    for _ in run_evaluation(workspace, RunOptions(), None, lambda _path, _config: FakeSampler("The answer is 60%.")):
        pass

    store = Store.open_read_only(workspace.database_path)
    assert store.evaluations.fetch_right_in_asked_unit(1) == (1, 2)
    report = report_markdown(build_report(store, 1))
    store.close()
    assert "1 of 2 right answers are right only in the unit that the question asks for" in report
