"""The end of a run: the bell, a line on the screen, and a notification of the desktop where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_workspace import filled_workspace, shown, until

from crescent_tui.app import CrescentApp
from crescent_tui.sources.desktop import desktop_command


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program called notify-send that writes down its arguments."""
    made = tmp_path / "bin" / "notify-send"
    made.parent.mkdir()
    made.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/told\n')
    made.chmod(0o755)
    return made


def test_without_a_desktop_there_is_no_notification(program: Path) -> None:
    path = {"PATH": str(program.parent)}
    assert desktop_command("a", "b", path) is None
    assert desktop_command("a", "b", {"PATH": "/nowhere", "DISPLAY": ":0"}) is None
    assert desktop_command("a", "-b; x", {**path, "DISPLAY": ":0"}) == [str(program), "--", "a", "-b; x"]


@pytest.mark.asyncio
@pytest.mark.slow
async def test_the_end_of_a_run_is_told(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    sample = filled_workspace(tmp_path / "work")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        with sample.workspace.lock():
            await until(pilot, lambda: "running" in shown(app))
            sample.store.runs.set_state(sample.run_id, "finished", None)
        await until(pilot, lambda: "Run 1 has finished." in shown(app))
        told = tmp_path / "told"
        await until(pilot, lambda: told.exists() and told.read_text().endswith("finished.\n"))
    assert told.read_text().splitlines() == ["--", "crescent", "Run 1 has finished."]
