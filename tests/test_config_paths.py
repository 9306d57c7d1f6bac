"""Where a relative path of the settings leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescent_lite.config.paths import settings_path
from crescent_lite.models import find_model


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
    assert find_model("small.gguf", folder=workspace).path == workspace / "small.gguf"


def test_what_the_workspace_has_not_is_looked_for_in_the_current_folder(elsewhere: Path) -> None:
    (elsewhere / "small.gguf").write_bytes(b"others")

    found = find_model("small.gguf", folder=elsewhere.parent / "maths")

    assert found.path == elsewhere / "small.gguf"


def test_an_absolute_path_is_itself(tmp_path: Path) -> None:
    assert settings_path(str(tmp_path / "nothing"), tmp_path / "maths") == tmp_path / "nothing"
