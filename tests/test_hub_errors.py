"""What a hub's client raises becomes one line of the right kind, for models, embedding models and data sets alike."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path

import httpx
import pytest

from crescent_lite.errors import BenchmarkError, CrescentError, ModelError, NetworkError, StorageError
from crescent_lite.evaluation.benchmark_rows import hub_rows
from crescent_lite.models.hub import hub_errors, is_reachable

hub = pytest.importorskip("huggingface_hub.errors")


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (ConnectionError("no route"), NetworkError, "the hub cannot be reached: no route"),
        (TimeoutError("slow"), NetworkError, "the hub cannot be reached: slow"),
        (httpx.ReadTimeout("in the middle of a file"), NetworkError, "the hub cannot be reached: in the middle"),
        (httpx.RemoteProtocolError("closed"), NetworkError, "the hub cannot be reached: closed"),
        (socket.gaierror(-2, "Name or service not known"), NetworkError, "the hub cannot be reached: [Errno -2]"),
        (hub.LocalEntryNotFoundError("no such entry"), NetworkError, "not in the local cache, and the hub cannot be"),
        (hub.HFValidationError("bad"), BenchmarkError, "nor a valid name of a hub repo"),
        (FileNotFoundError("no data set of that name"), BenchmarkError, "cannot be loaded: no data set of that name"),
        (ValueError("unknown split\nand more"), BenchmarkError, "cannot be loaded: unknown split"),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError, "cannot be downloaded: No space left"),
        (RuntimeError("\x1b[31mred"), BenchmarkError, "cannot be loaded:  [31mred"),
    ],
)
def test_each_error_of_a_client_has_one_kind(raised: Exception, kind: type[CrescentError], words: str) -> None:
    with pytest.raises(kind) as caught, hub_errors("benchmark sums: owner/sums", missing=BenchmarkError):
        raise raised
    assert str(caught.value).startswith("benchmark sums: owner/sums: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bug_is_not_taken_for_an_error_of_the_hub() -> None:
    with pytest.raises(AttributeError), hub_errors("m", missing=ModelError):
        raise AttributeError("a bug")


def test_offline_a_file_that_is_not_cached_is_missing_and_no_fault_of_the_network() -> None:
    with pytest.raises(ModelError, match=r"model\.offline is on"), hub_errors("m", missing=ModelError, offline=True):
        raise hub.LocalEntryNotFoundError("no such entry")


def test_what_transformers_wraps_is_told_by_its_cause() -> None:
    with pytest.raises(NetworkError, match="the hub cannot be reached"), hub_errors("w", missing=ModelError):
        try:
            raise hub.LocalEntryNotFoundError("no such entry")
        except OSError as error:
            raise OSError("We couldn't connect to the hub") from error


def test_offline_no_client_asks_the_network() -> None:
    from huggingface_hub import HfApi

    before = sys.modules["huggingface_hub.constants"].HF_HUB_OFFLINE
    with (
        pytest.raises(BenchmarkError, match=r"sums: not in the local cache, and model\.offline is on"),
        hub_errors("benchmark sums: owner/sums", missing=BenchmarkError, offline=True),
    ):
        HfApi().dataset_info("owner/sums")
    assert before == sys.modules["huggingface_hub.constants"].HF_HUB_OFFLINE


@pytest.mark.slow
def test_a_data_set_that_is_not_cached_fails_at_once_offline(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    rows = hub_rows("sums", "owner/no-such-set", "", "test", offline=True)
    with pytest.raises(BenchmarkError, match=r"model\.offline is on"):
        next(rows)


@pytest.mark.slow
def test_a_data_set_that_is_a_program_names_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "sums").mkdir()
    (tmp_path / "sums" / "sums.py").write_text("raise SystemExit('it was run')\n")
    with pytest.raises(BenchmarkError, match="save its rows as JSONL") as caught:
        next(hub_rows("sums", str(tmp_path / "sums"), "", "test"))
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_not_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_client = pytest.importorskip("huggingface_hub")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(hub_client.constants, "ENDPOINT", address)
    monkeypatch.setattr(hub_client.constants, "HF_HUB_OFFLINE", False)
    seen = []
    with pytest.raises(NetworkError, match="check the network"), hub_errors("owner/x", missing=ModelError):
        seen.append(hub_client.constants.HF_HUB_OFFLINE)
        hub_client.hf_hub_download("owner/x", "x.gguf")
    assert seen == [True]
    assert hub_client.constants.HF_HUB_OFFLINE is False


def test_a_server_that_listens_is_reachable_also_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert is_reachable(here)
        monkeypatch.setenv("https_proxy", here)
        assert is_reachable("https://no-such-host.invalid")
    assert not is_reachable(here)
    assert not is_reachable("https://no-such-host.invalid")
