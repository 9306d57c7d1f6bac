"""Generates benchmark rows with reasoning-gym; the same seed and options give the same items on any machine.

Knows reasoning-gym and does no scoring. Tasks take turns, so the first n items are a fair sample of every task.
Example: tasks = {"chain_sum": {"max_digits": 1}, "gcd": {}} gives chain_sum-0, gcd-0, chain_sum-1, gcd-1, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any

from crescent_lite.config import BenchmarkConfig
from crescent_lite.errors import BenchmarkError, MissingPackageError
from crescent_lite.records import derive_seed
from crescent_lite.rows import Row

SPARE = 4
"""Rows generated per row needed, because small tasks repeat themselves and repeats are left out (guess)."""


def generated_rows(name: str, config: BenchmarkConfig) -> Iterator[Row]:
    """Yield rows from the tasks in turn, each question once per task.

    Raises BenchmarkError for an unknown task or option, or MissingPackageError.
    """
    if not config.tasks:
        raise BenchmarkError(f"benchmark {name}: reasoning-gym needs tasks, such as tasks.chain_sum = {{}}")
    rows_per_task = -(-config.items // len(config.tasks))
    tasks = [
        islice(_different_rows(name, task, _task(name, task, options, rows_per_task, config), config), rows_per_task)
        for task, options in config.tasks.items()
    ]
    for turn in zip_longest(*tasks):
        yield from (row for row in turn if row is not None)


def _different_rows(name: str, task: str, rows: Any, config: BenchmarkConfig) -> Iterator[Row]:
    seen = set()
    for index in range(len(rows)):
        question, answer = rows[index]["question"], rows[index]["answer"]
        if question not in seen:
            seen.add(question)
            fields = {config.question_field: question, config.answer_field: answer}
            yield f"benchmark {name}, {task} {index}", f"{task}-{index}", fields


def _task(name: str, task: str, options: Any, rows: int, config: BenchmarkConfig) -> Any:
    try:
        import reasoning_gym
    except ImportError:
        raise MissingPackageError(
            f"benchmark {name}: needs the package reasoning-gym: pip install 'crescent-lite[generate]'"
        ) from None
    if not isinstance(options, Mapping):
        raise BenchmarkError(f"benchmark {name}: the options of task {task!r} must be a table, not {options!r}")
    if {"seed", "size"} & options.keys():
        raise BenchmarkError(
            f"benchmark {name}: task {task!r} takes its seed and size from the benchmark; remove both"
        )
    seed = derive_seed(config.seed, task)
    try:
        return reasoning_gym.create_dataset(task, size=SPARE * rows, seed=seed, **options)
    except (ValueError, TypeError, AssertionError) as error:
        raise BenchmarkError(f"benchmark {name}: reasoning-gym task {task!r}: {error}") from None
