"""Loads benchmarks: questions with known answers from a JSONL file, a hub data set or reasoning-gym.

Owns reading and checking rows: each item gets a canonical answer key; a row whose answer has none is an error that
names the row, or is left out with `unreadable = "leave-out"`. A benchmark is identified by the checksum of its
questions and answers. Knows no model and no database. Example:
    sums = load_benchmark("sums", BenchmarkConfig(source="reasoning-gym", tasks={"chain_sum": {}}))
    sums.items[0].answer_key    # "n:10", for "... the following arithmetic problem: 1 - 0 + 8 + 1 ="
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from crescent_lite.answers.given import read_given_answer
from crescent_lite.config import BenchmarkConfig
from crescent_lite.errors import BenchmarkError, ConfigError
from crescent_lite.evaluation.benchmark_rows import file_rows, hub_rows
from crescent_lite.evaluation.choices import choice_item
from crescent_lite.evaluation.generated_rows import generated_rows
from crescent_lite.records import Benchmark, BenchmarkItem
from crescent_lite.rows import Row, shortened, text_field


def load_benchmark(name: str, config: BenchmarkConfig, shots: int = 0, *, offline: bool = False) -> Benchmark:
    """Load the benchmark `name` with `shots` worked examples. `offline`: a data set of the hub only from its cache.

    Raises ConfigError, BenchmarkError, MissingPackageError or NetworkError.
    """
    if "/" in name:
        raise ConfigError(f"evaluate.benchmarks.{name}: a benchmark's name must not contain a slash; rename it")
    # A repeated question is a mistake in the user's own file; public data sets and generators do contain repeats.
    refuse_repeats = not config.source.startswith("hub:") and config.source != "reasoning-gym"
    reading = _Reading(name, config, refuse_repeats=refuse_repeats)
    items = tuple(islice(reading.items(_rows(name, config, offline=offline)), config.items))
    if not items:
        left_out = f"; {reading.left_out} rows were left out" if reading.left_out else ""
        raise BenchmarkError(f"benchmark {name}: {config.source} has no items{left_out}")
    shown = _shots(name, config, shots, {item.question for item in items}, offline=offline) if shots else ()
    return Benchmark(
        name, config.source, _checksum(items, shown), items, config.kind, config.role, shown, reading.left_out
    )


def _rows(name: str, config: BenchmarkConfig, *, offline: bool) -> Iterator[Row]:
    if config.source == "reasoning-gym":
        return generated_rows(name, config)
    if config.source.startswith("hub:"):
        return hub_rows(name, config.source.removeprefix("hub:"), config.subset, config.split, offline=offline)
    return file_rows(name, Path(config.source))


def _shots(
    name: str, config: BenchmarkConfig, wanted: int, tested: set[str], *, offline: bool
) -> tuple[tuple[str, str], ...]:
    """Return the first `wanted` worked examples that are not items (whose questions are in `tested`)."""
    if config.source == "reasoning-gym":
        spare = replace(config, items=2 * wanted, seed=config.seed + 1)
        rows = generated_rows(name, spare)
    elif not config.shots:
        raise ConfigError(
            f"evaluate.benchmarks.{name}: a prompt with shots needs 'shots', the split or file that they come from"
        )
    elif config.source.startswith("hub:"):
        rows = hub_rows(name, config.source.removeprefix("hub:"), config.subset, config.shots, offline=offline)
    else:
        rows = file_rows(name, Path(config.shots))
    found: list[tuple[str, str]] = []
    for where, default_id, row in rows:
        item = read_item(where, default_id, row, config)
        if item.question not in tested and "{question}" not in item.question:
            solution = (
                item.answer
                if config.kind == "choices"
                else text_field(where, row, config.solution_field or config.answer_field, BenchmarkError)
            )
            found.append((item.question, solution.replace("{question}", "question")))
        if len(found) == wanted:
            return tuple(found)
    raise BenchmarkError(f"benchmark {name}: needs {wanted} shots, but only {len(found)} were found")


class _Reading:
    """Turns rows into items. Repeated questions and unreadable rows raise BenchmarkError or are left out."""

    def __init__(self, name: str, config: BenchmarkConfig, *, refuse_repeats: bool) -> None:
        self._name = name
        self._config = config
        self._refuse_repeats = refuse_repeats
        self.left_out = 0
        """Rows left out so far."""

    def items(self, rows: Iterable[Row]) -> Iterator[BenchmarkItem]:
        """Yield the items, each question once."""
        ids: dict[str, str] = {}
        questions: dict[str, str] = {}
        for where, default_id, row in rows:
            try:
                item = read_item(where, default_id, row, self._config)
            except BenchmarkError:
                if self._config.unreadable == "refuse":
                    raise
                self.left_out += 1
                continue
            if item.question in questions:
                if self._refuse_repeats:
                    raise BenchmarkError(f"{where}: the same question as {questions[item.question]}; remove one")
                self.left_out += 1
                continue
            if item.item_id in ids:
                raise BenchmarkError(
                    f"{where}: the same id {shortened(item.item_id)!r} as {ids[item.item_id]}; ids must differ"
                )
            ids[item.item_id] = questions[item.question] = where
            yield item


def read_item(where: str, default_id: str, row: Mapping[str, Any], config: BenchmarkConfig) -> BenchmarkItem:
    """Convert a row to an item. Raises BenchmarkError with a message that begins with `where`."""
    item_id = row.get("id")
    named = isinstance(item_id, str | int) and not isinstance(item_id, bool) and str(item_id).strip()
    item_id = str(item_id).strip() if named else default_id
    question = text_field(where, row, config.question_field, BenchmarkError)
    if config.kind == "choices":
        try:
            return choice_item(item_id, question, row, config.choices_field, config.answer_field)
        except ValueError as error:
            raise BenchmarkError(f"{where}: {error}") from None
    answer = text_field(where, row, config.answer_field, BenchmarkError)
    given = read_given_answer(answer)
    if given.key is None:
        raise BenchmarkError(
            f"{where}: the answer {shortened(given.text)} is not a value that can be compared, such as a number"
        )
    return BenchmarkItem(item_id, question, given.text, given.key)


def _checksum(items: Iterable[BenchmarkItem], shots: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for pair in (*((item.question, item.answer) for item in items), *shots):
        digest.update(json.dumps(pair).encode() + b"\n")
    return digest.hexdigest()
