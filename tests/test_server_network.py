"""Between us and a server: certificates, proxies, servers that ask to wait, and failures that are certain."""

from __future__ import annotations

import asyncio
import email.utils
import shutil
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_stand_ins import Answer, Kind, Ollama, Vllm, stand_in
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.config import SamplingConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, CrescentError, Interrupted, NetworkError
from crescent_lite.events import Event, RunPaused, RunResumed, StageFinished, StageProgressed, StageStarted
from crescent_lite.records import Generation, Request
from crescent_lite.sampling import server_holds
from crescent_lite.sampling.server_holds import Holds, Patience
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.servers.address import read_address
from crescent_lite.sampling.servers.client import is_direct
from crescent_lite.sampling.servers.connection import ServerBusy, _within, retry_after
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.folder import EngineRequest

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that only its own file vouches for, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "ca.pem", folder / "key.pem"
    subprocess.run(
        [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
         "-subj", "/CN=crescent test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def sampler(model: Path, *urls: str, **changes: object) -> ServerSampler:
    return ServerSampler(model, SamplingConfig(servers=urls, **changes))  # type: ignore[arg-type]


def draw(pool: ServerSampler, count: int = 1) -> list[str]:
    requests = [Request(f"q{n}", f"What is {n} + 3?", Generation(max_tokens=12)) for n in range(count)]
    try:
        return [completion.text for completion in pool.sample(requests)]
    finally:
        pool.close()


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_named_in_the_environment(
    tiny: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate[0]))
    with stand_in(Vllm(tiny), certificate) as server:
        assert draw(sampler(tiny, f"{server.url}/v1")) == [" 5"]


def test_a_certificate_that_nobody_vouches_for_is_said_at_once(tiny: Path, certificate: tuple[Path, Path]) -> None:
    with stand_in(Vllm(tiny), certificate) as server:
        began = time.monotonic()
        with pytest.raises(NetworkError, match=r"not accepted: self.signed .*its authority in SSL_CERT_FILE"):
            sampler(tiny, f"{server.url}/v1")
        assert time.monotonic() - began < 2  # no retries, which take 17 seconds


def test_a_certificate_for_another_name_is_said_at_once(
    tiny: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    words = r"mismatch.*write its name in sampling\.servers"
    with stand_in(Vllm(tiny), certificate) as server, pytest.raises(NetworkError, match=words):
        sampler(tiny, server.url.replace("127.0.0.1", "localhost"))


def test_https_to_a_server_without_it_is_said_at_once(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server, pytest.raises(NetworkError, match="does not speak https; write http://"):
        sampler(tiny, server.url.replace("http", "https"))


def test_a_file_of_authorities_that_is_not_there_matters_for_https_only(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/ca.pem")
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE=/no/such/ca\.pem: no certificates can be read there: No"):
        sampler(tiny, "https://127.0.0.1:9")
    with stand_in(Vllm(tiny)) as server:
        assert draw(sampler(tiny, server.url)) == [" 5"]


# ── proxies ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_server_elsewhere_is_reached_through_the_proxy(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    class Proxy(Vllm):
        def answer(self, path: str, query: object, body: dict[str, object]) -> Answer:
            return super().answer(path.removeprefix("http://gpu.example:8000"), {}, body)

    with stand_in(Proxy(tiny)) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert draw(sampler(tiny, "http://gpu.example:8000/v1")) == [" 5"]
        assert proxy.bodies[-1][0] == "http://gpu.example:8000/v1/completions"


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense://x"])
def test_no_proxy_is_used_for_this_machine(tiny: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with stand_in(Vllm(tiny)) as server:
        assert draw(sampler(tiny, server.url)) == [" 5"]


@pytest.mark.parametrize("listed", ["10.0.0.0/8", "10.1.2.3", "example.com,10.1.2.3:8000", "*"])
def test_no_proxy_names_hosts_and_networks(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", listed)
    assert is_direct(read_address("10.1.2.3:8000"))
    assert is_direct(read_address("gpu.example:8000")) == (listed == "*")


def test_a_proxy_that_refuses_is_said_at_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Kind):
        def answer(self, *_: object) -> Answer:
            return Answer({"error": "not allowed"}, 403)

    with stand_in(Refusing(tiny)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(NetworkError, match=r"\(403\).*through the proxy in HTTP_PROXY; NO_PROXY=gpu\.example"):
            sampler(tiny, "http://gpu.example:8000")
        assert len(proxy.bodies) == len({path for path, _ in proxy.bodies})  # nothing is asked twice


def test_a_proxy_that_cannot_be_used_is_one_line(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "nonsense://x")
    with pytest.raises(ConfigError, match=r"the proxy in the environment .* cannot be used"):
        sampler(tiny, "http://gpu.example:8000")


# ── what is certain is not tried again ───────────────────────────────────────────────────────────────────────────


def test_an_unknown_name_is_one_line(tiny: Path) -> None:
    with pytest.raises(NetworkError, match=r"http://no-such-host\.invalid:8000: "):
        ServerSampler(tiny, SamplingConfig(servers=("http://no-such-host.invalid:8000",)), patience=Patience(1))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_is_refused_forever_is_asked_once(tiny: Path, status: int) -> None:
    with stand_in(Vllm(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        asked = len(server.sent_to("/v1/completions"))
        server.first = [Answer({"error": {"message": "no"}}, status)] * 8
        with pytest.raises(CrescentError, match=rf"\({status}\)|status {status}: no"):
            draw(pool)
        assert len(server.sent_to("/v1/completions")) == asked + 1


def test_a_redirect_names_the_other_address(tiny: Path) -> None:
    class Moved(Kind):
        def answer(self, path: str, *_: object) -> Answer:
            return Answer({}, 308, {"Location": f"https://gpu.example{path}"})

    with stand_in(Moved(tiny)) as server, pytest.raises(NetworkError, match=r"redirects to https://gpu\.example/v1"):
        sampler(tiny, f"{server.url}/v1")


# ── servers that ask to wait ─────────────────────────────────────────────────────────────────────────────────────


def busy(status: int, wait: str) -> Answer:
    return Answer({"error": {"message": "slow down"}}, status, {"Retry-After": wait})


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_left_alone_and_one_line_says_so(
    tiny: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with stand_in(Ollama(tiny)) as server:
        pool = sampler(tiny, server.url, server_requests=5)
        asked = len(server.bodies)
        server.first = [busy(status, "1")] * 5
        began = time.monotonic()

        assert draw(pool, 5) == [" 5"] * 5

        assert time.monotonic() - began >= 1
        assert len(server.bodies) == asked + 10
    (record,) = caplog.records
    words = f"{server.url}: responded with status {status} (slow down) and asks to wait 1 s; waiting until "
    assert words in record.getMessage()


def test_the_work_goes_on_at_the_other_servers_meanwhile(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as first, stand_in(Vllm(tiny)) as second:
        pool = sampler(tiny, first.url, second.url)
        first.first = [busy(503, "60")] * 10
        began = time.monotonic()

        assert draw(pool, 20) == [" 5"] * 20
        assert time.monotonic() - began < 20
        assert pool.usage.lost_servers == 0


def test_a_check_waits_too(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        server.first = [busy(429, "1")]
        began = time.monotonic()
        sampler(tiny, server.url).close()
        assert time.monotonic() - began >= 1


@dataclass
class Waiting:
    """A run, its server, and how long it takes until a request is seen while the server is waited for."""

    workspace: Workspace
    server: Vllm
    events: Generator[Event, None, None]
    caplog: pytest.LogCaptureFixture
    asked_at: float = 0.0

    def be_busy_and_ask(self, request: EngineRequest) -> None:
        """Let the server ask for a minute, and make the request once that is waited for."""
        self.server.first = [busy(429, "60")] * 99
        self.caplog.clear()

        def ask() -> None:
            while not any("waiting until" in record.getMessage() for record in self.caplog.records):
                time.sleep(0.02)
            self.asked_at = time.monotonic()
            self.workspace.ask(request)

        threading.Thread(target=ask, daemon=True).start()

    def play_to(self, kind: type[Event]) -> list[Event]:
        """Read events up to one of this kind."""
        read = [next(self.events)]
        while not isinstance(read[-1], kind):
            read.append(next(self.events))
        return read

    @property
    def seconds(self) -> float:
        """Time since the request was made."""
        return time.monotonic() - self.asked_at


@pytest.fixture
def waiting(tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Waiting]:
    """A run on a server that asks for a minute as soon as `server.first` is set."""
    workspace = make_workspace(tmp_path, tiny, min_examples=100_000)
    with stand_in(Vllm(tiny)) as server:
        override = (f"sampling.servers=['{server.url}']", "sampling.adapters_here=true")
        with closing(run_engine(workspace, RunOptions(overrides=override))) as events:
            yield Waiting(workspace, server, events, caplog)


SOON = 5.0
"""Seconds within which a request shows: about one, but the machine may be busy. The server asks for 60."""


@pytest.mark.parametrize("at", ["check", "sampling"])
def test_a_request_to_stop_ends_the_wait_for_a_server(waiting: Waiting, at: str) -> None:
    if at == "sampling":
        waiting.play_to(StageStarted)
    waiting.be_busy_and_ask("stop")
    with pytest.raises(Interrupted):
        waiting.play_to(StageFinished)
    assert waiting.seconds < SOON


@pytest.mark.parametrize("at", ["check", "sampling"])
def test_a_request_to_pause_ends_the_wait_for_a_server(waiting: Waiting, at: str) -> None:
    if at == "sampling":
        waiting.play_to(StageStarted)
    waiting.be_busy_and_ask("pause")
    waiting.play_to(RunPaused)
    assert waiting.seconds < SOON

    waiting.server.first = []
    waiting.workspace.take("pause")
    waiting.play_to(RunResumed)
    if at == "check":  # the server is asked again, and has nothing against it
        waiting.play_to(StageStarted)


def test_a_stage_that_was_paused_in_a_wait_does_what_is_still_owed_once(waiting: Waiting) -> None:
    waiting.play_to(StageProgressed)  # something is stored, and something is owed
    waiting.be_busy_and_ask("pause")
    waiting.play_to(RunPaused)
    waiting.server.first = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_holds.time, "monotonic", lambda after=time.monotonic: after() + 61)
        waiting.workspace.take("pause")  # only now, since who resumes looks at the clock at once
        rest = waiting.play_to(StageFinished)
    assert [type(event) for event in rest if not isinstance(event, StageProgressed)] == [RunResumed, StageFinished]
    assert (rest[-1].done, rest[-2].done, rest[-2].total) == (40, 40, 40)
    with closing(Store.open_read_only(waiting.workspace.database_path)) as store:
        assert store.database.value("SELECT count(*) FROM evaluated_items") == 40


def test_a_wait_is_bounded_and_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(server_holds.time, "monotonic", lambda: now[0])
    holds = Holds()
    assert holds.begin("a", "a", ServerBusy("busy", 86_400))
    assert holds.seconds(["a", "b"]) == server_holds.LONGEST_HOLD_SECONDS
    assert holds.without(["a", "b"]) == ["b"]
    now[0] = Patience().seconds
    assert not holds.begin("a", "a", ServerBusy("busy", 1))
    holds.end("a")
    assert holds.begin("a", "a", ServerBusy("busy", 1))


def test_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    assert retry_after("60") == 60
    assert 50 < retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0


def test_a_date_to_wait_for_is_compared_with_the_servers_own_clock() -> None:
    for skew in (-86_400.0, 0.0, 4e9):
        now = time.time() + skew
        until, date = (email.utils.formatdate(each, usegmt=True) for each in (now + 60, now))
        assert retry_after(until, date) == 60
    assert retry_after("Mon, 01 Jan 99999999999999999999 00:00:00 GMT") == 0


def test_time_in_which_this_process_was_stopped_is_no_time_without_a_reply() -> None:
    async def wait() -> str:
        async def reply() -> str:
            await asyncio.sleep(0.01)
            time.sleep(0.5)  # stands for a stopped process: nothing runs, and time passes
            await asyncio.sleep(0.01)
            return "5"

        return await _within(0.3, reply())

    assert asyncio.run(wait()) == "5"
    with pytest.raises(TimeoutError):
        asyncio.run(_within(0.05, asyncio.sleep(5)))


@given(st.text())
def test_any_other_retry_after_is_none(value: str) -> None:
    assert 0 <= retry_after(value) < 1e12
