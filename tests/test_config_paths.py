"""Relative paths in settings start in the workspace, or else in the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.config import load_config
from crescent_lite.config.paths import settings_path
from crescent_lite.config.settings import Config, ModelConfig
from crescent_lite.preparation import find_base, read_inputs
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
