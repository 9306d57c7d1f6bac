"""Benchmarks are read, checked and identified by a checksum; a bad row is named."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from crescent_lite.config import PRESET_DIR, BenchmarkConfig, Config, EvaluateConfig, load_config
from crescent_lite.errors import BenchmarkError, ConfigError, MissingPackageError
from crescent_lite.evaluation import OwedItem, load_benchmark, measurements, prompts_of, shots_of
from crescent_lite.preparation import resolve_paths
from crescent_lite.prompts.sets import load_prompt_set

needs_reasoning_gym = pytest.mark.skipif(
    importlib.util.find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed"
)
GOOD = '{"question": "What is 12 + 7?", "answer": "19"}'


def resolved(benchmark: BenchmarkConfig, folder: Path) -> BenchmarkConfig:
    """The settings of a benchmark as a run in the workspace `folder` reads them."""
    config = Config(evaluate=EvaluateConfig(benchmarks={"it": benchmark}))
    return resolve_paths(config, folder).evaluate.benchmarks["it"]


def write(folder: Path, *lines: str) -> BenchmarkConfig:
    (folder / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return BenchmarkConfig(source="items.jsonl")


def test_a_file_is_read_in_order_with_stable_ids(tmp_path: Path) -> None:
    config = write(tmp_path, GOOD, "", '{"id": "mine", "question": "2 + 2?", "answer": "so 4\\n#### 4", "x": 1}')
    benchmark = load_benchmark("sums", resolved(config, tmp_path))
    assert [(item.item_id, item.answer, item.answer_key) for item in benchmark.items] == [
        ("line-1", "19", "n:19"),
        ("mine", "4", "n:4"),
    ]
    assert (benchmark.name, benchmark.source) == ("sums", str(tmp_path / "items.jsonl"))


def test_the_checksum_is_of_questions_and_answers_only(tmp_path: Path) -> None:
    first = load_benchmark("a", resolved(write(tmp_path, GOOD), tmp_path)).sha256
    same = load_benchmark("b", resolved(write(tmp_path, "", GOOD.replace("{", '{"id": 7, ', 1)), tmp_path)).sha256
    other = load_benchmark("a", resolved(write(tmp_path, GOOD.replace("19", "20")), tmp_path)).sha256
    assert first == same != other


def test_fields_can_be_named_and_numbers_keep_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"q": "a tenth?", "gold": 0.10}\n{"q": "more?", "gold": 12345678901234567890}')
    config = BenchmarkConfig(source="f.jsonl", question_field="q", answer_field="gold")
    items = load_benchmark("f", resolved(config, tmp_path)).items
    assert [(item.answer, item.answer_key) for item in items] == [
        ("0.10", "n:1/10"),
        ("12345678901234567890", "n:12345678901234567890"),
    ]


def test_only_the_first_items_are_read(tmp_path: Path) -> None:
    rows = [json.dumps({"question": f"What is {n} + 1?", "answer": n + 1}) for n in range(9)]
    write(tmp_path, *rows)
    items = load_benchmark("few", resolved(BenchmarkConfig(source="items.jsonl", items=4), tmp_path)).items
    assert [item.answer_key for item in items] == ["n:1", "n:2", "n:3", "n:4"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "a JSON object"),
        ('{"question": "What is 1 + 1?"}', "no field 'answer'"),
        ('{"answer": "2"}', "no field 'question'"),
        ('{"question": "  ", "answer": "2"}', "'question' is empty"),
        ('{"question": "What is 1 + 1?", "answer": ""}', "'answer' is empty"),
        ('{"question": "What is 1 + 1?", "answer": null}', "'answer' is not text"),
        ('{"question": "What is 1 + 1?", "answer": ["2"]}', "'answer' is not text"),
        ('{"question": "What is 1 + 1?", "answer": NaN}', "not a value that can be compared"),
        ('{"question": "What is 1 + 1?", "answer": "a lot"}', "the answer a lot is not a value"),
        ('{"question": "What is 1 + 1?", "answer": "\\u001b[31mred"}', "the answer  [31mred is not a value"),
        (GOOD, "the same question as"),
        ('{"id": "line-1", "question": "1 + 1?", "answer": "2"}', "the same id 'line-1'"),
        ('{"question": "' + "x" * 200_000 + '", "answer": "2"}', "longer than"),
    ],
)
def test_a_bad_row_is_named_with_its_file_and_line(tmp_path: Path, line: str, complaint: str) -> None:
    config = write(tmp_path, GOOD, "", line, GOOD.replace("12", "13"))
    with pytest.raises(BenchmarkError) as caught:
        load_benchmark("bad", resolved(config, tmp_path))
    message = str(caught.value)
    assert "items.jsonl, line 3: " in message and complaint in message
    assert "\n" not in message and "\x1b" not in message


def test_a_missing_empty_or_binary_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    for source, complaint in (
        ("nowhere.jsonl", "no file"),
        ("empty.jsonl", "has no items"),
        ("binary.jsonl", "not UTF-8"),
        (".", "cannot be read"),
    ):
        with pytest.raises(BenchmarkError, match=complaint):
            load_benchmark("broken", resolved(BenchmarkConfig(source=source), tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is installed")
def test_a_hub_set_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError, match="crescent-lite\\[hub\\]"):
        load_benchmark("hub", resolved(BenchmarkConfig(source="hub:owner/name"), tmp_path))


SUMS = {"chain_sum": {"min_terms": 2, "max_terms": 2, "max_digits": 1}, "gcd": {}}


@needs_reasoning_gym
@pytest.mark.slow
def test_a_generated_benchmark_depends_on_its_seed_alone(tmp_path: Path) -> None:
    config = BenchmarkConfig(source="reasoning-gym", items=40, seed=5, tasks=SUMS)
    first, again = load_benchmark("g", resolved(config, tmp_path)), load_benchmark("g", resolved(config, tmp_path))
    other = load_benchmark(
        "g", resolved(BenchmarkConfig(source="reasoning-gym", items=40, seed=6, tasks=SUMS), tmp_path)
    )
    assert first == again
    assert first.sha256 != other.sha256


@pytest.mark.slow
@needs_reasoning_gym
def test_generated_items_are_shared_evenly_interleaved_and_different(tmp_path: Path) -> None:
    config = BenchmarkConfig(source="reasoning-gym", items=40, seed=5, tasks=SUMS)
    items = load_benchmark("g", resolved(config, tmp_path)).items
    tasks = [item.item_id.rpartition("-")[0] for item in items]
    assert Counter(tasks) == {"chain_sum": 20, "gcd": 20}
    assert tasks[:4] == ["chain_sum", "gcd", "chain_sum", "gcd"]
    assert len({item.question for item in items}) == len({item.item_id for item in items}) == 40


@pytest.mark.slow
@needs_reasoning_gym
def test_more_items_begin_with_the_same_items(tmp_path: Path) -> None:
    few, many = (
        load_benchmark(
            "g", resolved(BenchmarkConfig(source="reasoning-gym", items=count, tasks=SUMS), tmp_path)
        ).items
        for count in (10, 30)
    )
    assert many[:10] == few


@needs_reasoning_gym
@pytest.mark.parametrize(
    ("tasks", "complaint"),
    [
        ({}, "needs tasks"),
        ({"no_such_task": {}}, "not registered"),
        ({"gcd": {"bogus": 1}}, "bogus"),
        ({"chain_sum": {"min_terms": 0}}, "min_terms"),
        ({"gcd": 3}, "a table, not 3"),
        ({"gcd": {"seed": 3}}, "takes its seed"),
    ],
)
def test_a_bad_task_is_named(tmp_path: Path, tasks: dict[str, object], complaint: str) -> None:
    with pytest.raises(BenchmarkError, match=complaint):
        load_benchmark("g", resolved(BenchmarkConfig(source="reasoning-gym", tasks=tasks), tmp_path))


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_read_with_its_own_field_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    rows = [{"problem": f"How much is {n} + 1?", "solution": f"{n} and 1.\n#### {n + 1}"} for n in range(5)]
    folder = tmp_path / "someone" / "sums"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    # A folder of this name in the working folder is what the client takes before it asks the hub.
    monkeypatch.chdir(tmp_path)
    config = BenchmarkConfig("hub:someone/sums", items=3, question_field="problem", answer_field="solution")

    benchmark = load_benchmark("sums", resolved(config, tmp_path))

    assert [item.answer_key for item in benchmark.items] == ["n:1", "n:2", "n:3"]
    assert benchmark.source == "hub:someone/sums"


def builtin(name: str, source: str, **given: object) -> BenchmarkConfig:
    """A known data set's fields over a file."""
    values = {"builtin": name, "source": source, **given}
    overrides = [f"evaluate.benchmarks={{it={{{', '.join(f'{k}={json.dumps(v)}' for k, v in values.items())}}}}}"]
    return load_config(overrides=overrides).evaluate.benchmarks["it"]


ROWS = {
    "gsm8k": ({"question": "How many?", "answer": "4 and 3.\n#### 7"}, "How many?", "n:7"),
    "svamp": ({"Body": "He had 3.", "Question": "How many?", "Answer": "7.0"}, "He had 3. How many?", "n:7"),
    "asdiv": ({"body": "He had 3.", "question": "How many?", "answer": "7 (apples)"}, "He had 3. How many?", "n:7"),
    "gsm-plus": ({"question": "How many?", "solution": "4 + 3", "answer": "7"}, "How many?", "n:7"),
    "math-500": ({"problem": "What?", "solution": "s", "answer": "\\frac{7}{2}"}, "What?", "n:7/2"),
    "aime-2024": ({"problem": "What?", "solution": "s", "answer": "073"}, "What?", "n:73"),
    "arc-easy": (
        {"question": "Which?", "choices": {"text": ["iron", "glass"], "label": ["1", "2"]}, "answerKey": "2"},
        "Which?\nA. iron\nB. glass",
        "choice:B",
    ),
    "mmlu": (
        {"question": "Which?", "choices": ["iron", "glass"], "answer": 1},
        "Which?\nA. iron\nB. glass",
        "choice:B",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_known_data_set_is_one_line_of_settings(tmp_path: Path, name: str) -> None:
    row, question, key = ROWS[name]
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    item = load_benchmark("it", resolved(builtin(name, "rows.jsonl"), tmp_path)).items[0]
    assert (item.question, item.answer_key) == (question, key)


def test_every_known_data_set_is_of_the_hub_and_resolves() -> None:
    known = tomllib.loads((PRESET_DIR / "benchmarks.toml").read_text(encoding="utf-8"))
    assert all(table["source"].startswith("hub:") for table in known.values())
    for name in known:
        assert builtin(name, known[name]["source"]).builtin == name


def test_an_unknown_data_set_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"evaluate\.benchmarks\.it\.builtin: unknown data set 'gsm9k'; choose from gsm8k, "
    ):
        builtin("gsm9k", "rows.jsonl")


def test_unreadable_rows_are_left_out_and_counted_if_requested(tmp_path: Path) -> None:
    config = write(tmp_path, GOOD, '{"question": "Can he?", "answer": "None"}', '{"question": "", "answer": "1"}')
    benchmark = load_benchmark("some", resolved(replace(config, unreadable="leave-out"), tmp_path))
    assert (len(benchmark.items), benchmark.left_out) == (1, 2)
    only_bad = replace(write(tmp_path, '{"question": "Can he?", "answer": "None"}'), unreadable="leave-out")
    with pytest.raises(BenchmarkError, match="has no items; 1 rows were left out"):
        load_benchmark("none", resolved(only_bad, tmp_path))


def test_a_value_that_is_not_text_is_rejected(tmp_path: Path) -> None:
    config = write(tmp_path, '{"Body": "He had 3.", "Question": ["How many?"], "answer": 7}')
    config = replace(config, question_field="{Body} {Question}")
    with pytest.raises(BenchmarkError, match=r"line 1: the field 'Question' is not text: \['How many\?'\]"):
        load_benchmark("mixed", resolved(config, tmp_path))


SHOTS = [json.dumps({"question": f"What is {n} + 1?", "answer": f"{n} and 1.\n#### {n + 1}"}) for n in range(12, 20)]


def test_shots_are_worked_examples_that_are_not_items(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join([GOOD.replace("7", "1").replace("19", "13"), *SHOTS[1:]]))
    config = replace(write(tmp_path, SHOTS[0]), shots="train.jsonl")
    benchmark = load_benchmark("sums", resolved(config, tmp_path), shots=2)
    assert benchmark.shots == (("What is 13 + 1?", "13 and 1.\n#### 14"), ("What is 14 + 1?", "14 and 1.\n#### 15"))
    assert benchmark.sha256 != load_benchmark("sums", resolved(config, tmp_path)).sha256
    with pytest.raises(BenchmarkError, match="needs 9 shots, but only 7 were found"):
        load_benchmark("sums", resolved(config, tmp_path), shots=9)
    with pytest.raises(ConfigError, match="needs 'shots'"):
        load_benchmark("sums", resolved(replace(config, shots=""), tmp_path), shots=2)


def test_a_prompt_with_shots_shows_them_before_the_question(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join(SHOTS[1:]))
    write(tmp_path, SHOTS[0])
    table = 'evaluate.benchmarks={sums={source="items.jsonl", shots="train.jsonl", prompts=["1-shot"]}}'
    config = load_config(overrides=[table])
    settings = config.evaluate.benchmarks["sums"]
    benchmark = load_benchmark("sums", resolved(settings, tmp_path), shots_of(prompts_of(settings, config)))
    (measured,) = measurements(benchmark, config, load_prompt_set("word-problems"))
    assert measured.title == "sums, 1-shot"
    assert measured.generation.stop == ("\nQuestion:",)
    assert OwedItem(measured, benchmark.items[0], (0,)).request(1).user == (
        "Question: What is 13 + 1?\nAnswer: 13 and 1.\n#### 14\n\nQuestion: What is 12 + 1?\nAnswer:"
    )


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('prompts=["bare", "bare"]', "a prompt is named twice"),
        ('prompts=["nonesuch"]', "nonesuch.txt: this prompt is missing"),
    ],
)
def test_prompts_that_cannot_be_asked_are_refused(tmp_path: Path, table: str, complaint: str) -> None:
    write(tmp_path, GOOD)
    config = load_config(overrides=[f'evaluate.benchmarks={{sums={{source="items.jsonl", {table}}}}}'])
    benchmark = load_benchmark("sums", resolved(config.evaluate.benchmarks["sums"], tmp_path))
    with pytest.raises(ConfigError, match=complaint):
        measurements(benchmark, config, load_prompt_set("word-problems"))


def test_samples_are_drawn_as_votes_are_with_the_last_prompt(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    config = load_config(overrides=['evaluate.benchmarks={sums={source="items.jsonl", samples=4}}'])
    benchmark = load_benchmark("sums", resolved(config.evaluate.benchmarks["sums"], tmp_path))
    found = measurements(benchmark, config, load_prompt_set("word-problems"))
    assert [each.title for each in found] == ["sums, bare", "sums, solve", "sums, solve, 4 samples"]
    assert [each.generation.temperature for each in found] == [0.0, 0.0, config.vote.temperature]
