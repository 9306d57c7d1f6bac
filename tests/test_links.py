"""Nothing is written through a link that leads out of the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_workspace import workspace_with_adapter

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode, WorkspaceError
from crescent_lite.workspace import Workspace

OWN = [
    "crescent.db", "notes.jsonl", ".engine.json", ".engine.lock", ".checksums.json", ".tui.json", "stop-requested",
    "logs", "logs/run-1.jsonl", "logs/engine-output.txt", "logs/tensorboard", "exports", "cache", "adapters",
    "adapters/run-1", "adapters/run-1/round-2",
]  # fmt: skip


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_out_of_the_workspace_is_refused(tmp_path: Path, is_there: bool) -> None:
    outside = tmp_path / "outside"
    if is_there:
        outside.mkdir()
    for number, name in enumerate(OWN):
        folder = tmp_path / str(number)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "crescent.toml").write_text('preset = "quick"\n')
        (folder / name).symlink_to(outside)
        with pytest.raises(WorkspaceError, match=f"{folder / name}: is a link that leads out of the workspace"):
            Workspace(folder).require()


def test_no_command_writes_through_a_link_out_of_the_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, outside = tmp_path / "w", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "crescent.toml").write_text('preset = "quick"\n')
    (folder / "logs").symlink_to(outside)

    for command in (["run"], ["note", "1", "text"], ["stop"], ["pause"], ["report"], ["export"], ["db", "backup"]):
        assert main([*command, "-w", str(folder)]) == ExitCode.WORKSPACE
        assert "is a link that leads out of the workspace" in capsys.readouterr().err
    assert list(outside.iterdir()) == []


def test_links_inside_a_workspace_and_to_it_are_followed(tmp_path: Path) -> None:
    workspace = workspace_with_adapter(tmp_path / "w")
    (tmp_path / "w" / "kept").mkdir()
    (tmp_path / "w" / "logs").symlink_to("kept")
    (tmp_path / "link").symlink_to(workspace.folder)

    assert main(["status", "-w", str(workspace.folder)]) == ExitCode.OK
    assert main(["status", "-w", str(tmp_path / "link")]) == ExitCode.OK


def test_a_new_workspace_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "crescent.toml").symlink_to(tmp_path / "outside")

    assert main(["init", str(tmp_path / "w")]) == ExitCode.WORKSPACE
    assert not (tmp_path / "outside").exists()


def test_a_link_to_itself_is_one_line(tmp_path: Path) -> None:
    Workspace(tmp_path).create("")
    (tmp_path / ".checksums.json").symlink_to(".checksums.json")
    with pytest.raises(WorkspaceError, match=r"checksums\.json: is a link that leads nowhere but"):
        Workspace(tmp_path).require()
