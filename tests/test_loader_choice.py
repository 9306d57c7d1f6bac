"""The library that loads a model for training is chosen by what this machine has, and has to be importable."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from tiny_model import make_tiny_gguf

from crescent_lite.config import TrainConfig
from crescent_lite.errors import MissingPackageError
from crescent_lite.training import choose_loader, refuse_untrainable
from crescent_lite.training.child import what_the_log_says
from crescent_lite.training.packages import UNUSABLE, Surroundings, import_problem


def test_without_a_request_unsloth_is_used_where_it_works_and_peft_says_why_it_does_not() -> None:
    here = Surroundings(lambda _package: True, lambda: True, lambda: "2.9.0+cu128", lambda _package: "")
    broken = "ImportError: the driver is too old"

    def chosen(**change: object) -> tuple[str, str]:
        return choose_loader(TrainConfig(), dataclasses.replace(here, **change))  # type: ignore[arg-type]

    assert chosen() == ("unsloth", "there is an NVIDIA GPU and Unsloth")
    assert chosen(has_gpu=lambda: False)[0] == "peft"
    assert chosen(torch_version=lambda: "2.9.0+cpu")[0] == "peft"
    loader, reason = chosen(import_problem=lambda _package: broken)
    assert loader == "peft"
    assert reason.startswith(UNUSABLE)
    assert broken in reason


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("print('a banner')", ""),
        ("raise ImportError('no triton\\nmore lines')", "ImportError: no triton"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit('CUDA 13 is needed')", "SystemExit: CUDA 13 is needed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by signal 11 (Segmentation fault)"),
        ("import os; os._exit(3)", "the import ended with code 3"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_line(
    content: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / f"broken_{tmp_path.name}.py"
    package.write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    found = import_problem(package.stem)
    assert found == problem if not problem.startswith("ended") else found.endswith(problem)


def test_an_unsloth_that_cannot_be_imported_is_refused_with_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make_tiny_gguf(tmp_path / "tiny.gguf")
    (tmp_path / "unsloth.py").write_text("raise RuntimeError('no triton')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(tmp_path))
    import_problem.cache_clear()
    try:
        with pytest.raises(MissingPackageError, match=r"\(RuntimeError: no triton\).*set train\.loader = 'peft'"):
            refuse_untrainable(tiny, TrainConfig(loader="unsloth"))
    finally:
        import_problem.cache_clear()


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "its log is empty"),
        ("a banner\n\n", "a banner"),
        (
            "Traceback (most recent call last):\n  File 'x', line 1\nValueError: first\nmore\n  lines\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n  File 'y', line 2\n    g()\n"
            "lib.Broken: second\nMore lines\nand more\n",
            "lib.Broken: second",
        ),
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
    ],
)
def test_a_program_that_ended_is_explained_by_the_first_line_of_its_exception(
    log: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "training.log"
    path.write_text(log)
    assert what_the_log_says(path) == said
