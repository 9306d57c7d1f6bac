"""A run whose user named no hub and no server opens no connection, the training program included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_workspace import make_workspace

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def guarded(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE / "no_network"),
        "NETWORK_USES": str(folder / "network-uses"),
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_guard_notices(tmp_path: Path) -> None:
    ended = guarded([sys.executable, "-c", "import socket; socket.create_connection(('localhost', 9))"], tmp_path)

    assert ended.returncode != 0
    assert "socket.getaddrinfo" in (tmp_path / "network-uses").read_text()


def test_a_whole_round_uses_no_network(tmp_path: Path) -> None:
    make_workspace(tmp_path)

    ended = guarded([sys.executable, str(HERE / "engine_child.py"), str(tmp_path)], tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert list((tmp_path / "adapters").rglob("*.gguf"))
    assert not (tmp_path / "network-uses").exists()
