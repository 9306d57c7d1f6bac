"""Keys and passwords do not reach messages, logs, the database, reports, cards or trackers."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from pathlib import Path

import pytest
from server_stand_ins import Answer, Vllm, stand_in
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.config import SamplingConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, CrescentError, NetworkError
from crescent_lite.redaction import redacted, redacted_values, shareable_settings
from crescent_lite.report import build_document, document_html, document_markdown
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.servers.address import read_address
from crescent_lite.store import Store

KEY = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cret@gpu:8080/v1", "https://…@gpu:8080/v1"),
        ("https://token@gpu/v1", "https://…@gpu/v1"),
        ("http://gpu/v1?api_key=abc&x=1", "http://gpu/v1?api_key=…&x=1"),
        ("http://gpu/?x=1&hf_token=abc", "http://gpu/?x=1&hf_token=…"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer …"),
        (f"rejected {KEY}", "rejected [MY_API_KEY]"),
        ("write to me@example.org about 2 + 3 = 5", "write to me@example.org about 2 + 3 = 5"),
        ("the key=value pairs of a token", "the key=value pairs of a token"),
    ],
)
def test_a_secret_is_known_by_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    monkeypatch.setenv("MY_API_KEY", KEY)
    assert redacted(text) == shown
    assert redacted(shown) == shown
    assert redacted_values({"a": [text, 1]}) == {"a": [shown, 1]}


def test_shared_settings_have_no_commands_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", KEY)
    settings = {
        "run": {"seed": 1, "on_finish": ["curl", "https://chat.example/hook/abc"]},
        "sampling": {"servers": [f"http://gpu/{KEY}"]},
        "overrides": ["run.on_finish=['x']"],
    }
    assert shareable_settings(settings) == {"run": {"seed": 1}, "sampling": {"servers": ["http://gpu/[MY_API_KEY]"]}}


@pytest.mark.parametrize(
    "address",
    [
        "http://me:s3cret@gpu:8080", "me:s3cret@gpu", "http://me:s3/cret@gpu", "http://s3cret@[gpu]:99999999",
        "http://gpu/v1?api_key=s3cret", "http://gpu/v1;token=s3cret",
    ],
)  # fmt: skip
def test_an_address_with_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigError, match="must not contain a user or password") as refused:
        read_address(address)
    assert "s3" not in str(refused.value)


def test_a_password_of_a_proxy_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = make_tiny_gguf(tmp_path / "tiny.gguf")
    for proxy in ("nonsense://me:s3cret@proxy:3128", "http://me:s3/cret@proxy:3128", "http://me:s3cret@proxy:s3cret"):
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        with pytest.raises(CrescentError) as refused:
            ServerSampler(model, SamplingConfig(servers=("http://gpu.example",)))
        assert "s3" not in str(refused.value)


@pytest.mark.slow
def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_workspace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Telling(Vllm):
        def completion(self, body: dict[str, object], model: str) -> Answer:
            found = json.loads(json.dumps(super().completion(body, model).body).replace(" 5", f" {KEY} is 5"))
            return Answer(found | {"model": KEY})

    monkeypatch.setenv("CRESCENT_SERVER_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    workspace = make_workspace(tmp_path / "w", min_examples=100_000)
    with stand_in(Telling(tmp_path / "w" / "tiny.gguf")) as server:
        override = (
            f"sampling.servers=['{server.url}']", "sampling.adapters_here=true", "bait.questions=4",
            "run.on_finish=['true', 'https://chat.example/hook/s3cret']",
        )  # fmt: skip
        list(run_engine(workspace, RunOptions(overrides=override)))
        server.first = [Answer({"error": f"the key {KEY} is not welcome"}, 400)] * 9
        arguments = [word for each in override for word in ("--set", each)]
        assert main(["run", "-w", str(workspace.folder), "--new", *arguments]) != 0

    said = capfd.readouterr()
    assert "is not welcome" in said.err
    assert KEY not in said.out + said.err + caplog.text
    with closing(Store.open_read_only(workspace.database_path)) as store:
        document = build_document(store, 1)
    for report in (document_html(document), document_markdown(document)):
        assert KEY not in report
        assert "s3cret" not in report
    for path in workspace.folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_redirect_is_not_followed_and_takes_no_key_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Moved(Vllm):
        def answer(self, path: str, query: object, body: object) -> Answer:
            return Answer({}, 307, {"Location": f"{elsewhere.url}{path}?key={KEY}"})

    monkeypatch.setenv("CRESCENT_SERVER_KEY", KEY)
    model = make_tiny_gguf(tmp_path / "tiny.gguf")
    with (
        stand_in(Vllm(model)) as elsewhere,
        stand_in(Moved(model)) as server,
        pytest.raises(NetworkError, match="redirects to http") as refused,
    ):
        ServerSampler(model, SamplingConfig(servers=(f"{server.url}/v1",)))
    assert KEY not in str(refused.value)
    assert elsewhere.bodies == []
