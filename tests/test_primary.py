"""The primary number of a run: which items, prompt and scoring it has, read from a real database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crescent_lite.config import Config
from crescent_lite.intervals import wilson
from crescent_lite.records import (
    Benchmark,
    BenchmarkItem,
    Completion,
    Generation,
    ItemScore,
    Measurement,
    ModelFile,
    PromptText,
    Role,
    TrainedAdapter,
)
from crescent_lite.report.primary import Primary, primary_number, sampled_verdicts
from crescent_lite.report.scores import compare
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


def trained(digit: str) -> ModelFile:
    return ModelFile("adapter", Path("adapter.gguf"), digit * 64, "trained", "adapter")


class Measured:
    """A run of which only the evaluations are stored."""

    def __init__(self, folder: Path) -> None:
        workspace = Workspace(folder)
        workspace.create("")
        self.store = Store.open(workspace.database_path)
        base = ModelFile("base", Path("base.gguf"), "1" * 64, "embedded")
        after = trained("2")
        self.models = [self.store.runs.insert_model(base)]
        self.models.append(self.store.runs.insert_model(after, self.models[0]))
        self.run_id = self.store.runs.insert_run("improvement", self.models[0], {})
        self.plan({})

    def plan(self, evaluate: Mapping[str, Any]) -> None:
        """Set the run's settings of the evaluation."""
        config = Config().as_dict()
        config["evaluate"] |= evaluate
        self.store.runs.set_plan(self.run_id, config, 1)

    def answer(self, name: str, number: int, marks: str, *, prompt: str = "bare", role: Role = "score") -> None:
        """Store an evaluation: '+' is right, '!' right in a marked place, '-' wrong, '.' cut off; 'r' and 'w' are
        samples, several to an item, with the items parted by spaces."""
        items = marks.split() if " " in marks else list(marks)
        found = tuple(BenchmarkItem(f"{n}", f"{n} + 1?", f"{n + 1}", f"n:{n + 1}") for n in range(len(items)))
        benchmark = Benchmark(name, f"{name}.jsonl", name.ljust(64, "3"), found, role=role)
        used = PromptText(f"set/{prompt}", "{question}", prompt.ljust(64, "4"))
        self.store.runs.insert_prompt(used)
        measurement = Measurement(benchmark, used, Generation(64), len(items[0]))
        stored = self.store.evaluations
        evaluation_id = stored.insert_evaluation(
            self.run_id, number, self.models[number], stored.insert_benchmark(benchmark), measurement, seed=1
        )
        for n, samples in enumerate(items):
            for index, mark in enumerate(samples):
                ended = "length" if mark == "." else "stop"
                right = mark in "+!r"
                key = f"n:{n + 1}" if right else "n:0"
                stored.insert_item(
                    evaluation_id,
                    f"{n}",
                    Completion(f"{n}", index, index, "", ended, 4, 20),  # type: ignore[arg-type]
                    ItemScore(key, key, strict=mark == "!", flexible=right),
                )
        stored.finish_evaluation(evaluation_id)

    def keep_adapter(self, number: int) -> None:
        """Let round `number` have trained the model with this number."""
        this = self.store.runs.insert_round(self.run_id, number, self.models[0])
        training_id = self.store.trainings.start_training(this.round_id, [])
        adapter = TrainedAdapter(Path("adapter.gguf"), Path("peft"), "peft", 1.0)
        self.store.trainings.finish_training(training_id, this.round_id, adapter, self.models[number])

    @property
    def primary(self) -> Primary:
        found = primary_number(self.store, self.store.runs.fetch_run(self.run_id))
        assert found
        return found


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Measured]:
    made = Measured(tmp_path / "data")
    yield made
    made.store.close()


def test_the_items_of_all_benchmarks_that_choose_the_round_are_pooled(measured: Measured) -> None:
    for number, marks in ((0, "+---"), (1, "++--")):
        measured.answer("sums", number, marks)
        measured.answer("words", number, marks + marks)
        measured.answer("last", number, "++++", role="final")
    assert measured.primary.measured == (("sums", "set/bare"), ("words", "set/bare"))
    assert measured.primary.scores == {0: wilson(3, 12), 1: wilson(6, 12)}
    assert (measured.primary.verdicts[1].comparison.gained, measured.primary.verdicts[1].comparison.lost) == (3, 0)
    assert measured.primary.name == "sums and words, bare, flexible"


def test_canaries_are_the_primary_number_of_a_run_without_other_benchmarks(measured: Measured) -> None:
    measured.answer("small", 0, "+-", role="canary")
    measured.answer("arc", 0, "++", role="general")
    assert measured.primary.name == "small, bare, flexible"


def test_a_round_that_was_not_measured_on_every_benchmark_has_no_primary_number_yet(measured: Measured) -> None:
    measured.answer("sums", 0, "+-")
    measured.answer("words", 0, "+-")
    measured.answer("sums", 1, "++")
    assert set(measured.primary.scores) == {0}


@pytest.mark.parametrize(
    ("evaluate", "name", "right"),
    [
        ({}, "sums, bare, flexible", 3),
        ({"primary_prompt": "solve"}, "sums, solve, flexible", 2),
        ({"primary_scoring": "strict"}, "sums, bare, strict", 1),
        ({"primary_prompt": "5-shot"}, "sums, bare, flexible", 3),  # it is not asked with that one
        ({"prompts": ["solve", "bare"]}, "sums, solve, flexible", 2),
    ],
)
def test_prompt_and_scoring_are_those_of_the_settings(
    measured: Measured, evaluate: dict[str, Any], name: str, right: int
) -> None:
    measured.plan(evaluate)
    measured.answer("sums", 0, "!++-")
    measured.answer("sums", 0, "++--", prompt="solve")
    assert (measured.primary.name, measured.primary.scores[0]) == (name, wilson(right, 4))


def test_settings_of_before_the_primary_number_have_its_defaults(measured: Measured) -> None:
    config = Config().as_dict()
    del config["evaluate"]["primary_prompt"], config["evaluate"]["primary_scoring"]
    measured.store.runs.set_plan(measured.run_id, config, 1)
    measured.answer("sums", 0, "+-")
    assert measured.primary.name == "sums, bare, flexible"


def test_replies_that_are_no_longer_cut_off_are_not_called_an_improvement(measured: Measured) -> None:
    measured.answer("sums", 0, "." * 20 + "+-" * 10)
    measured.answer("sums", 1, "+" * 20 + "+-" * 10)
    assert measured.primary.word(1) == "shorter"
    assert measured.primary.cut_off == {0: 0.5, 1: 0.0}
    _, after = compare(measured.store, measured.store.runs.fetch_run(measured.run_id), ["flexible"])
    assert (after.is_primary, after.cut_off, after.ended) == (True, 0.0, wilson(30, 40))


def test_samples_of_the_same_items_say_whether_a_round_is_sharpened_or_better(measured: Measured) -> None:
    run = measured.store.runs.fetch_run(measured.run_id)
    measured.answer("sums", 0, " ".join(["wwwwwwrr"] * 60 + ["rrrrrrww"] * 60))
    assert sampled_verdicts(measured.store, run) == {}
    measured.answer("sums", 1, " ".join(["rrrrrrww"] * 60 + ["rrrrrrww"] * 60))
    found = sampled_verdicts(measured.store, run)
    assert found[1].words == ("better",)
    assert (found[1].counts.learned, found[1].counts.stays_right, found[1].samples) == (60, 60, 8)


def test_the_round_with_the_highest_primary_number_is_kept(measured: Measured) -> None:
    """By the mean over prompts or benchmarks it would be another one."""
    measured.plan({"primary_prompt": "bare", "primary_scoring": "strict"})
    measured.models.append(measured.store.runs.insert_model(trained("3"), measured.models[0]))
    for number, bare, solve in ((0, "++--", "++--"), (1, "++++", "++++"), (2, "!+--", "----")):
        measured.answer("sums", number, bare)
        measured.answer("sums", number, solve, prompt="solve")
        if number:
            measured.keep_adapter(number)
    standing = measured.store.fetch_standing(measured.run_id)
    assert (
        standing.scores
        == {n: score.fraction for n, score in measured.primary.scores.items()}
        == {0: 0, 1: 0, 2: 0.25}
    )
    assert standing.kept == 2


def test_benchmarks_that_choose_no_round_give_no_score_to_choose_by(measured: Measured) -> None:
    measured.answer("arc", 0, "+-", role="general")
    assert measured.primary.scores
    assert measured.store.fetch_standing(measured.run_id).scores == {}
