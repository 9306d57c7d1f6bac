"""Makes sure that a GGUF decodes before it is handed over: a file that loads may still abort llama.cpp.

A child process decodes, so that an abort is one line here. Knows files, not exports.
Example: require_decoding(Path("merged.gguf"))
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from crescent_lite.errors import ModelError
from crescent_lite.sampling.build_info import MAY_DIE, end_in_words


def child_environment() -> dict[str, str]:
    """The environment of a child process that uses llama.cpp and may die of it.

    An abort there starts no debugger, which can hang, and the library is not tried in yet another child first.
    """
    return {"GGML_NO_BACKTRACE": "1", MAY_DIE: "1"} | os.environ


def require_decoding(model: Path, adapter: Path | None = None) -> None:
    """Raise ModelError unless llama.cpp decodes some tokens with the model, or with the adapter on it."""
    if problem := decoding_problems([model], adapter)[model]:
        raise ModelError(problem)


def decoding_problems(models: Sequence[Path], adapter: Path | None = None) -> dict[Path, str]:
    """For each model, what is wrong when llama.cpp decodes with it, one line; '' if nothing is."""
    problems: dict[Path, str] = {}
    left = list(models)
    while left:
        ended = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "crescent_lite.sampling.decode_program",
                str(adapter or ""),
                *map(str, left),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            env=child_environment(),
            check=False,
        )
        for model, line in zip(left, ended.stdout.splitlines(), strict=False):
            problems[model] = json.loads(line)["problem"]
        left = [model for model in left if model not in problems]
        if left:  # the program ended at the first of these
            problems[left[0]] = f"{left[0]}: a program that decodes with it {how_it_ended(ended)}"
            left = left[1:]
    return problems


def how_it_ended(ended: subprocess.CompletedProcess[str]) -> str:
    """How the program ended, and the assertion that failed, or else the last line on stderr."""
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    named = [line for line in lines if "GGML_ASSERT" in line] or lines[-1:]
    return ": ".join([end_in_words(ended.returncode), *named[:1]])
