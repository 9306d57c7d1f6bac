"""Tries GGUFs in a child process: a file may make llama.cpp end its process, hang, or take all memory.

The child has limits on time and memory, and whatever ends it is one line here. Knows files, not exports or runs.
Example: require_decoding(Path("merged.gguf"))
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import CrescentError, ModelError, OutOfMemoryError
from crescent_lite.printable import printable_line
from crescent_lite.sampling.build_info import MAY_DIE, end_in_words

TOKENS = 20
"""Tokens that are decoded after the prompt. An error of a tensor shows at the first."""
DATA_BYTES = 4 << 30
"""Memory of the child beside the weights, bytes (guess): most of it is for what a GPU's driver takes."""
BASE_SECONDS = 60.0
"""Time of the child for a small file on a busy machine (guess)."""
BYTES_PER_SECOND = 20e6
"""A slower disk lets the child run out of time (guess)."""
REASON_CHARACTERS = 300
"""Longest message of a library in an error's line."""


@dataclass(frozen=True)
class Problem:
    """Why a model cannot be used."""

    words: str
    """One line; begins with the file."""
    kind: str = ModelError.__name__
    """The class of the error that says so."""

    def error(self) -> CrescentError:
        """The problem as an exception: OutOfMemoryError if memory ran out, else ModelError."""
        return (OutOfMemoryError if self.kind == OutOfMemoryError.__name__ else ModelError)(self.words)


def child_environment() -> dict[str, str]:
    """The environment of a child process that uses llama.cpp and may die of it.

    An abort there starts no debugger, which can hang, and neither the library nor a file is tried in yet another
    child first.
    """
    return {"GGML_NO_BACKTRACE": "1", MAY_DIE: "1"} | os.environ


def require_decoding(model: Path, adapter: Path | None = None) -> None:
    """Raise ModelError unless llama.cpp decodes some tokens with the model, or with the adapter on it."""
    if problem := decoding_problems([model], adapter)[model]:
        raise ModelError(problem)


def decoding_problems(models: Sequence[Path], adapter: Path | None = None) -> dict[Path, str]:
    """For each model, what is wrong when llama.cpp decodes with it, one line; '' if nothing is."""
    return {
        model: problem.words if problem else "" for model, problem in try_models(models, adapter, mapped=True).items()
    }


def try_models(
    models: Sequence[Path], adapter: Path | None = None, *, tokens: int = TOKENS, mapped: bool
) -> dict[Path, Problem | None]:
    """Load each model in a child process and decode with it; None for a model that works.

    For 0 `tokens` no weights are read. `mapped`: whether the file is mapped, which takes little memory, or
    read as for sampling.
    """
    problems: dict[Path, Problem | None] = {}
    left = list(models)
    while left:
        size = sum(file.stat().st_size for file in (*left, *([adapter] if adapter else [])) if file.is_file())
        job = {
            "models": [str(model) for model in left],
            "adapter": str(adapter or ""),
            "mapped": mapped,
            "tokens": tokens,
            "data_bytes": DATA_BYTES + 2 * size,
        }
        output, end = _tried(job, BASE_SECONDS + size / BYTES_PER_SECOND)
        for model, line in zip(left, output.splitlines(), strict=False):
            answer = json.loads(line)
            problems[model] = Problem(answer["problem"], answer["kind"]) if answer["problem"] else None
        left = [model for model in left if model not in problems]
        if left:  # the program ended at the first of these
            problems[left[0]] = Problem(f"{left[0]}: a program that tries it {end}; use another file of the model")
            left = left[1:]
    return problems


def _tried(job: dict[str, object], seconds: float) -> tuple[str, str]:
    """What the program wrote, and how it ended in words."""
    command = [sys.executable, "-P", "-m", "crescent_lite.sampling.decode_program"]
    try:
        ended = subprocess.run(
            command, input=json.dumps(job), capture_output=True, text=True, encoding="utf-8", errors="replace",
            env=child_environment() | {"OPENBLAS_NUM_THREADS": "1"}, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        written = (error.stdout or b"").decode("utf-8", "replace")
        return written[: written.rfind("\n") + 1], f"did not end within {seconds:.0f} s and was stopped"
    return ended.stdout, how_it_ended(ended)


def how_it_ended(ended: subprocess.CompletedProcess[str]) -> str:
    """How the program ended, and the assertion that failed, or else the last line on stderr."""
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    named = [line for line in lines if "GGML_ASSERT" in line] or lines[-1:]
    reason = [printable_line(line, REASON_CHARACTERS) for line in named[:1]]
    return ": ".join([end_in_words(ended.returncode), *reason])
