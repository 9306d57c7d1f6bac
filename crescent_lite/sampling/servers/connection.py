"""Sends requests to servers, reads their responses, and says what a failure means.

A failure is either certain (a wrong key, a certificate that is not trusted, an unknown name), which is an error at
once, or may be temporary, which is a ServerTrouble. Knows HTTP, no dialect and no order of work. Example:
    response = await Connection(http, "http://gpu1:8080").ask("GET", "/props")
Source: Retry-After as in RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import math
import socket
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import httpx

from crescent_lite.errors import ModelError, NetworkError
from crescent_lite.printable import printable
from crescent_lite.redaction import redacted
from crescent_lite.sampling.servers.address import Address
from crescent_lite.sampling.servers.client import CERTIFICATE_VARIABLES, is_direct
from crescent_lite.sampling.servers.fields import complaint

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed later."""
MAX_REPLY_BYTES = 16_000_000
"""A response is read up to here, and a longer one rejected; no real completion is that long (guess)."""
KEPT_HEADERS = ("Date", "Location", "Retry-After")
"""The headers of a response that are used. The others, such as a charset, would have an effect when it is read."""
STEP_SECONDS = 2.0
"""Time between two looks whether this process was stopped meanwhile (guess)."""
STEP_PART = 1 / 16
"""The same as a part of the time that a response may take; the smaller one counts. A stop costs one step (guess)."""
LEAST_KEY_CHARACTERS = 8
"""A shorter key is not searched for in responses, because it may be part of an ordinary word (guess)."""


T = TypeVar("T")


class ServerTrouble(Exception):  # noqa: N818  it is retried first, and becomes an error only when that fails
    """A request failed for a reason that may be temporary, such as a lost connection or an overloaded server."""


class ServerHung(ServerTrouble):
    """A server did not respond in time. The request is not retried: the server is stuck rather than busy."""


class ServerFailed(ServerTrouble):
    """A server reports an internal error (500). Its engine may have refused just this request, for good."""


class ServerBusy(ServerTrouble):
    """A server asks to be left alone for a while (429 or 503 with Retry-After)."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(f"{words} and asks to wait {math.ceil(seconds):,} s")
        self.seconds = seconds
        """How long it asks to be left alone, in seconds; more than 0."""


class Connection:
    """One server's address, and the client that reaches it."""

    def __init__(self, http: httpx.AsyncClient, root: str, base: str | None = None) -> None:
        self.root = root
        """The address without /v1."""
        self.base = base or root
        """The address that paths are added to, unless they are asked at the root."""
        self._http = http

    async def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        at_root: bool = False,
        model: str = "",
        final: Sequence[int] = (),
    ) -> httpx.Response:
        """Send one request and return the response, whatever its status.

        `model` is named in the query. Statuses in `final` are returned although they are usually temporary. Raises
        ServerTrouble for a temporary failure, and NetworkError for one that is certain to happen again.
        """
        url = (self.root if at_root else self.base) + path
        seconds = self._http.timeout.pool or 0.0  # httpx itself would count the time in which a process is stopped
        query = {"model": model} if model else None
        try:
            # For the whole response: httpx's own timeout is for each part of it.
            response = await _within(seconds, self._received(method, url, body, query))
        except httpx.ConnectTimeout:
            raise ServerTrouble(f"cannot be reached in time{self._proxy_hint()}") from None
        except (httpx.TimeoutException, TimeoutError):
            raise ServerHung(
                f"did not respond within {seconds:g} s (sampling.server_timeout_seconds at most)"
            ) from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # The message itself is left out: it may contain the API key.
            raise NetworkError(
                f"{self.base}: the request cannot be sent ({type(error).__name__}); correct sampling.servers"
            ) from None
        except httpx.RequestError as error:
            self._refuse_what_is_certain(error)
            words = redacted(printable(str(error))) or type(error).__name__
            raise ServerTrouble(f"{words}{self._proxy_hint()}") from None
        status = response.status_code
        if status in TRANSIENT and status not in final:
            words = f"responded with status {status} ({complaint(response)})"
            wait = retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
            if status in (429, 503) and wait:
                raise ServerBusy(words, wait)
            if status == 500:
                raise ServerFailed(words)
            raise ServerTrouble(f"{words}{self._proxy_hint() if status in (502, 503, 504) else ''}")
        return response

    async def _received(
        self, method: str, url: str, body: dict[str, Any] | None, query: dict[str, str] | None
    ) -> httpx.Response:
        """The response, with the headers that are used, and without the key where the server repeats it.

        It is read no further than the longest response that is accepted. Raises ServerTrouble for a longer one.
        """
        async with self._http.stream(method, url, json=body, params=query) as response:
            content, is_plain = bytearray(), response.headers.get("Content-Encoding", "identity") == "identity"
            if response.status_code < 300 and not is_plain:
                raise ServerTrouble("it compresses its response although it was asked not to")
            async for part in response.aiter_raw() if is_plain else _no_parts():
                content += part
                if len(content) > MAX_REPLY_BYTES:
                    raise ServerTrouble(f"its response is longer than {MAX_REPLY_BYTES:,} bytes")
        key = self._http.headers.get("Authorization", "").removeprefix("Bearer ")
        hide = len(key) >= LEAST_KEY_CHARACTERS
        headers = {name: value for name in KEPT_HEADERS if (value := response.headers.get(name))}
        return httpx.Response(
            response.status_code,
            headers={name: value.replace(key, "[key]") if hide else value for name, value in headers.items()},
            content=bytes(content).replace(key.encode(), b"[key]") if hide else bytes(content),
        )

    def json_of(self, response: httpx.Response) -> Any:
        """The JSON in a successful response. Raises NetworkError, ModelError or ServerTrouble for any other."""
        status = response.status_code
        if status in (401, 403):
            raise NetworkError(
                f"{self.base}: rejected the API key ({status}); see sampling.server_key_variable{self._proxy_hint()}"
            )
        if status in (301, 302, 303, 307, 308):
            target = redacted(printable(response.headers.get("Location", "no address")))[:200]
            raise NetworkError(
                f"{self.base}: redirects to {target}; put the address it leads to into sampling.servers"
            )
        if status >= 300:
            raise ModelError(
                f"{self.base}: responded with status {status}: {complaint(response)}; look into the server's own log"
            )
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise ServerTrouble("its response is not JSON, or is truncated") from None

    def _refuse_what_is_certain(self, error: httpx.RequestError) -> None:
        """Raise NetworkError for a failure to connect that would happen again."""
        host = httpx.URL(self.root).host
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                advice = (
                    "write its name in sampling.servers as the certificate has it"
                    if "match" in cause.verify_message
                    else f"name the file of its authority in {CERTIFICATE_VARIABLES[0]}"
                )
                raise NetworkError(
                    f"{self.base}: its certificate is not accepted: {printable(cause.verify_message)}; {advice}"
                ) from None
            if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
                raise NetworkError(f"{self.base}: does not speak https; write http:// in sampling.servers") from None
            if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
                raise NetworkError(
                    f"{self.base}: the name {host} is not known here ({cause.strerror}); correct sampling.servers"
                    f"{self._proxy_hint()}"
                ) from None
        if isinstance(error, httpx.ProxyError) and str(error).startswith(("401", "403", "407")):
            raise NetworkError(
                f"{self.base}: the proxy refuses to connect ({printable(str(error))}){self._proxy_hint()}"
            ) from None

    def _proxy_hint(self) -> str:
        """Words for an error where a proxy lies between, because then the proxy may be the cause; else ''."""
        url = httpx.URL(self.root)
        proxies = urllib.request.getproxies()
        name = next((name for name in (url.scheme, "all") if proxies.get(name)), "")
        if not name or is_direct(Address(self.root, ends_with_v1=False)):
            return ""
        return f" (through the proxy in {name.upper()}_PROXY; NO_PROXY={url.host} leaves it out)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the ones it was raised from, those inside groups too."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    if cause := error.__cause__ or error.__context__:
        yield from _causes(cause)


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises TimeoutError after `seconds` in which this process was at work.

    The time in which it was stopped (Ctrl-Z, SIGSTOP) does not count: the response may have come meanwhile.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # so that asyncio does not report it
    try:
        step = min(STEP_SECONDS, seconds * STEP_PART)
        while seconds > 0:
            began = time.monotonic()
            done, _ = await asyncio.wait({task}, timeout=step)
            if done:
                return task.result()
            seconds -= min(time.monotonic() - began, step)
        raise TimeoutError
    finally:
        task.cancel()


async def _no_parts() -> AsyncIterator[bytes]:
    """The content of a response that is not read."""
    return
    yield


def retry_after(value: str, date: str = "") -> float:
    """The seconds that a Retry-After header asks for, as a number or as a date; 0 for anything else or the past.

    `date`: the response's Date header. A date is compared with it, because the server's clock may not be ours.
    """
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:12])
    until = _moment(value)
    return (
        max(0.0, (until - (_moment(date) or datetime.datetime.now(datetime.UTC))).total_seconds()) if until else 0.0
    )


def _moment(value: str) -> datetime.datetime | None:
    """The moment that a header names; None for anything that is not a date."""
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
