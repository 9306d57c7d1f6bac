"""An export is sent to the Hugging Face hub by its own client; the hub here is a server on this machine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.export.card import BaseFacts, card_text
from crescent_lite.store import Store

hub_client = pytest.importorskip("huggingface_hub")


class Hub:
    """What a hub was sent."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.status = 200
        """What a commit is answered with."""
        self.address = ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, answer = 200, dict[str, Any]()
            if self.path == "/api/repos/create":
                state.created.append(json.loads(body))
                answer = {"url": f"{state.address}/datasets/me/maths"}
            elif "/preupload/" in self.path:
                files = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in json.loads(body)["files"]
                ]
                answer = {"files": files}
            elif "/commit/" in self.path:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        state.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                oid = "1" * 40
                answer = {"commitUrl": f"{state.address}/datasets/me/maths/commit/{oid}", "commitOid": oid}
                status = state.status
            self.reply(status, answer)

        def do_GET(self) -> None:
            self.reply(200, {"sha": "0" * 40, "id": "me/maths", "siblings": [], "private": True, "tags": []})

        def reply(self, status: int, answer: Any) -> None:
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_sample_run(tmp_path_factory.mktemp("pushing") / "data").folder


def crescent(hub: Hub, workspace: Path, *arguments: str, token: str = "hf_x") -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, because the client reads its settings when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HOME": str(workspace / "hf")}
    environment |= {"HF_HUB_OFFLINE": "", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "crescent_lite.cli", "export", *arguments, "-w", str(workspace)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.slow
def test_a_data_set_is_sent_with_its_card(hub: Hub, workspace: Path) -> None:
    pytest.importorskip("pyarrow")
    ended = crescent(hub, workspace, "examples", "--format", "parquet", "--push", "me/maths", "--json", "--force")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert json.loads(ended.stdout)["pushed_to"].endswith("/datasets/me/maths")
    assert (hub.created[0]["name"], hub.created[0]["type"]) == ("maths", "dataset")
    assert "private" in json.dumps(hub.created[0])  # how it is said depends on the client's version
    assert set(hub.files) == {"README.md", "labels.parquet", "votes.parquet"}
    assert hub_client.DatasetCard(hub.files["README.md"].decode()).data.configs


@pytest.mark.slow
def test_a_hub_that_refuses_is_one_line(hub: Hub, workspace: Path) -> None:
    pytest.importorskip("pyarrow")
    hub.status = 403
    ended = crescent(hub, workspace, "examples", "--format", "parquet", "--push", "me/maths", "--force")
    assert ended.returncode == ExitCode.USAGE
    assert "the hub answers 403" in ended.stderr and "write to it" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["adapter", "--push", "maths"], ExitCode.USAGE, "write it as owner/name"),
        (["examples", "--push", "me/maths"], ExitCode.USAGE, "add --format parquet"),
        (["adapter", "--public"], ExitCode.USAGE, "add --push OWNER/NAME"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_the_export(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitCode, words: str
) -> None:
    assert main(["export", *arguments, "-w", str(workspace)]) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_missing_token_is_said_before_the_export(hub: Hub, workspace: Path) -> None:
    ended = crescent(hub, workspace, "adapter", "--push", "me/maths", token="")
    assert ended.returncode == ExitCode.USAGE
    assert "hf auth login" in ended.stderr
    assert not hub.created


def test_a_card_has_the_scores_and_the_data_set_that_the_hub_reads(workspace: Path) -> None:
    store = Store.open_read_only(workspace / "crescent.db")
    facts = BaseFacts("base", "My own terms", "", "https://hf.co/a/b")
    text = card_text(store, 1, {2: 1.0}, facts, library="peft", usage="    x", measured="")
    mixture = card_text(store, 1, {1: 0.5, 2: 0.5}, facts, library="peft", usage="    x", measured="")
    store.close()
    data = hub_client.ModelCard(text).data
    assert (data.base_model, data.license, data.license_name) == ("a/b", "other", "my-own-terms")
    assert {result.metric_type for result in data.eval_results} == {"accuracy"}
    assert all(0 <= result.metric_value <= 1 for result in data.eval_results)
    assert hub_client.ModelCard(mixture).data.eval_results is None
