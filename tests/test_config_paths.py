"""Relative paths in settings start in the workspace, or else in the current folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.config import load_config
from crescent_lite.config.paths import settings_path
from crescent_lite.config.settings import Config, ModelConfig
from crescent_lite.errors import ModelError
from crescent_lite.preparation import find_base, read_inputs
from crescent_lite.prompts.sets import PROMPT_DIR
from crescent_lite.workspace import Workspace


def found_from(source: str, workspace: Path) -> Path:
    """The model file that a workspace with this `model.source` would take."""
    config = Config(model=ModelConfig(source=source))
    return find_base(Workspace(workspace), config).path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; the workspace is its neighbour `maths`."""
    for name in ("maths", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def test_a_relative_path_starts_in_the_workspace_from_whatever_folder_the_command_is_typed(elsewhere: Path) -> None:
    workspace = elsewhere.parent / "maths"
    (workspace / "small.gguf").write_bytes(b"weights")
    (elsewhere / "small.gguf").write_bytes(b"others")

    assert settings_path("small.gguf", workspace) == workspace / "small.gguf"
    assert found_from("small.gguf", workspace) == workspace / "small.gguf"


def test_a_file_that_the_workspace_lacks_is_looked_for_in_the_current_folder(elsewhere: Path) -> None:
    (elsewhere / "small.gguf").write_bytes(b"others")

    assert found_from("small.gguf", elsewhere.parent / "maths") == elsewhere / "small.gguf"


def test_an_absolute_path_is_itself(tmp_path: Path) -> None:
    assert settings_path(str(tmp_path / "nothing"), tmp_path / "maths") == tmp_path / "nothing"


def test_a_run_names_its_model_and_benchmarks_as_the_user_wrote_them(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "tiny.gguf")
    make_tiny_gguf(tmp_path / "tiny.gguf")
    inputs = read_inputs(workspace, load_config(workspace.config_path))

    assert Path(inputs.config.model.source).is_absolute()
    assert not Path(inputs.base.source).is_absolute()
    assert [benchmark.source for benchmark in inputs.benchmarks] == ["sums.jsonl"]


def test_a_path_with_a_slash_is_never_taken_for_the_name_of_something_packaged(
    elsewhere: Path, tmp_path: Path
) -> None:
    make_workspace(elsewhere, "./embedded")
    make_tiny_gguf(elsewhere / "embedded")
    shutil.copytree(PROMPT_DIR / "arithmetic", elsewhere / "arithmetic")
    (elsewhere / "arithmetic" / "solve.txt").write_text("My own prompt: {question}", encoding="utf-8")
    (elsewhere / "sums.jsonl").rename(elsewhere / "reasoning-gym")
    settings = ["run.prompts=./arithmetic", 'evaluate.benchmarks={ sums = { source = "./reasoning-gym" } }']

    for folder in (Path(), tmp_path / "maths"):  # the workspace itself, and one that lacks the files
        config = load_config(elsewhere / "crescent.toml", overrides=settings)
        inputs = read_inputs(Workspace(folder), config)
        assert inputs.prompts.solve.text == "My own prompt: {question}"
        assert inputs.base.path == elsewhere / "embedded"
        assert [len(benchmark.items) for benchmark in inputs.benchmarks] == [20]


def test_the_home_of_an_unknown_user_is_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file '~nobody"):
        found_from("~nobody-of-that-name/small.gguf", tmp_path)
