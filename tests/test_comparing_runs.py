"""Runs side by side: what differs, paired tests as one family, and the items gained and lost."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from crescent_lite.cli import main
from crescent_lite.config import load_config
from crescent_lite.evaluation.statistics import corrected, mcnemar, p_values_in_words
from crescent_lite.records import (
    Benchmark,
    BenchmarkItem,
    Completion,
    Generation,
    ItemScore,
    Measurement,
    ModelFile,
    PairedComparison,
    PromptText,
)
from crescent_lite.report.run_comparison import FAMILY, compare_runs
from crescent_lite.store import Store
from crescent_lite.store.run_rows import common_differences
from crescent_lite.workspace import Workspace

PROMPT = PromptText("set/bare", "{question}", "p" * 64)
RIGHT = {1: "yyyyynnnnn", 2: "yyyyyyyynn", 3: "nnnnnnnnnn"}
"""Which of ten items each run's round answers right."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three runs with one round each, measured on the same ten items, and a fourth one without a measurement."""
    workspace = Workspace(tmp_path)
    workspace.create('preset = "quick"\n')
    with closing(Store.open(workspace.database_path)) as store:
        store.runs.insert_prompt(PROMPT)
        base_id = store.runs.insert_model(ModelFile("base", Path("base.gguf"), "b" * 64, "embedded"))
        for number, right in RIGHT.items():
            adapter_id = store.runs.insert_model(
                ModelFile(f"a{number}", Path(f"{number}.gguf"), f"{number:064}", "", "adapter"), base_id
            )
            rate = f"train.learning_rate={number / 1000}"
            run_id = insert_run(store, base_id, [rate])
            this = store.runs.insert_round(run_id, 1, base_id)
            store.database.write("UPDATE rounds SET adapter_id = ? WHERE round_id = ?", [adapter_id, this.round_id])
            measure(store, run_id, 0, base_id, "ynynynynyn")
            measure(store, run_id, 1, adapter_id, right)
        insert_run(store, base_id, [])
    return workspace


def insert_run(store: Store, base_id: int, overrides: list[str]) -> int:
    run_id = store.runs.insert_run("improvement", base_id, {})
    config = load_config(preset="quick", overrides=["vote.min_share=0.7", *overrides])
    store.runs.set_plan(run_id, config.as_dict(), 1)
    store.runs.set_state(run_id, "finished")
    return run_id


def measure(store: Store, run_id: int, number: int, model_id: int, right: str, name: str = "sums") -> None:
    items = tuple(BenchmarkItem(f"{n}", f"What is {n} + 1?", f"{n + 1}", f"n:{n + 1}") for n in range(len(right)))
    benchmark = Benchmark(name, "sums.jsonl", "s" * 64, items)
    benchmark_id = store.evaluations.insert_benchmark(benchmark)
    measurement = Measurement(benchmark, PROMPT, Generation(16, 0.0))
    evaluation_id = store.evaluations.insert_evaluation(run_id, number, model_id, benchmark_id, measurement, 1)
    for item, (owed, _) in zip(right, store.evaluations.fetch_owed_items(evaluation_id), strict=False):
        key = owed.answer_key if item == "y" else "n:0"
        reply = Completion("key", 0, 1, key, "stop", 3, 9)
        store.evaluations.insert_item(
            evaluation_id, owed.item_id, reply, ItemScore(key, key, item == "y", item == "y")
        )
    store.evaluations.finish_evaluation(evaluation_id)


def test_each_run_is_tested_against_the_first_on_the_same_items(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = compare_runs(store, [1, 2, 3])

    (sums,) = found.benchmarks
    verdicts = [scored.against_first for scored in sums.scored]
    assert verdicts[0] is None
    assert [(v.comparison.gained, v.comparison.lost) for v in verdicts[1:] if v] == [(3, 0), (0, 5)]
    both = corrected([PairedComparison(10, 3, 0, 0.25), PairedComparison(10, 0, 5, 0.0625)])
    assert [v.p_corrected for v in verdicts[1:] if v] == pytest.approx([v.p_corrected for v in both])
    assert {v.family for v in verdicts[1:] if v} == {FAMILY}
    assert found.tests == 2
    assert [(scored.score.right, scored.base) for scored in sums.scored] == [(5, 0.5), (8, 0.5), (0, 0.5)]


def test_the_settings_that_differ_are_named_with_the_value_of_each_run(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = compare_runs(store, [2, 1, 4])
        common = common_differences(store.run_rows.fetch([1, 2]))

    assert [(setting.name, setting.values) for setting in found.settings] == [
        ("train.learning_rate", (0.002, 0.001, load_config(preset="quick").train.learning_rate))
    ]
    assert common == {"vote.min_share": 0.7}


def test_an_item_with_another_question_under_the_same_id_is_not_the_same_item(workspace: Workspace) -> None:
    with closing(Store.open(workspace.database_path)) as store:
        store.database.write("PRAGMA foreign_keys = OFF")
        base_id = store.runs.fetch_run(1).base_id
        run_id = insert_run(store, base_id, [])
        items = (BenchmarkItem("0", "What is 9 + 9?", "18", "n:18"), BenchmarkItem("1", "What is 1 + 1?", "2", "n:2"))
        benchmark = Benchmark("sums", "other.jsonl", "o" * 64, items)
        measurement = Measurement(benchmark, PROMPT, Generation(16, 0.0))
        of_it = store.evaluations.insert_benchmark(benchmark)
        evaluation_id = store.evaluations.insert_evaluation(run_id, 0, base_id, of_it, measurement, 1)
        for item, _ in store.evaluations.fetch_owed_items(evaluation_id):
            reply = Completion("key", 0, 1, "n:0", "stop", 3, 9)
            store.evaluations.insert_item(evaluation_id, item.item_id, reply, ItemScore("0", "n:0", False, False))
        store.evaluations.finish_evaluation(evaluation_id)

        found = compare_runs(store, [1, run_id])

    verdict = found.benchmarks[0].scored[1].against_first
    assert verdict is not None
    assert verdict.comparison == mcnemar({"1": True}, {"1": False})


def test_every_item_that_changed_is_listed(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = compare_runs(store, [1, 2])

    assert [(change.item_id, change.gained) for change in found.changes] == [("5", True), ("6", True), ("7", True)]


def test_the_commands_find_runs_by_name_and_print_what_the_report_computed(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["-w", str(workspace.folder)]
    with closing(Store.open(workspace.database_path)) as store:
        store.run_rows.set_name(2, "twice the rate", "to see")

    assert main(["runs", *place]) == 0
    listed = capsys.readouterr().out
    assert "twice the rate" in listed
    assert "Run 2: to see" in listed
    assert "80.0% +30.0" in listed
    assert listed.count("vote.min_share") == 1
    assert main(["compare", "1", "twice the rate", "--items", *place]) == 0
    assert "What is 6 + 1?" in capsys.readouterr().out
    assert main(["compare", "1", "2", "--json", *place]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["benchmarks"][0]["scores"][1]["against_first"]["p_corrected"] == pytest.approx(0.25)
    assert found["family"] == {"name": FAMILY, "comparisons": 1, "method": "holm"}
    assert main(["runs", "--json", "twice", *place]) == 0
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]] == [2]


@pytest.mark.parametrize(("runs", "code"), [(["1"], 2), (["1", "1"], 2), (["1", "9"], 13), (["1", "twise"], 13)])
def test_runs_that_cannot_be_compared_are_said_in_a_line(
    workspace: Workspace, runs: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = main(["compare", *runs, "-w", str(workspace.folder)])

    said = capsys.readouterr().err
    assert ended == code, said
    assert said.count("\n") == 1


def test_both_p_values_are_said_with_the_family() -> None:
    comparison = PairedComparison(100, 8, 1, 0.039)

    (alone,) = corrected([comparison])
    assert p_values_in_words(alone) == "p=0.039"
    of_two = corrected([comparison, PairedComparison(100, 1, 1, 1.0)], family="rounds")[0]
    assert p_values_in_words(of_two) == "p=0.039, corrected 0.078 for 2 rounds"
