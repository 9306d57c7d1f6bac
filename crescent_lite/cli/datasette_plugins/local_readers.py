"""A plugin of Datasette that `crescent serve` loads: only this machine's own pages may ask, and they may only read.

A page of another site that is open in the same browser could else read the database: a name of its own that leads to
127.0.0.1 makes its requests count as those of the same site (DNS rebinding). So a request must name this machine, and
come from no other page. Knows Datasette's hooks, and nothing of a run. Example:
    is_local("localhost:8001"), is_local("evil.example:8001")    # True, False
Sources: RFC 9110, section 7.2 (Host); the Fetch standard (Origin, Sec-Fetch-Site); Datasette's plugin hooks.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from datasette import hookimpl

from crescent_lite.printable import spreadsheet_text
from crescent_lite.store.querying import csv_writer, make_harmless

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
METHODS = ("GET", "HEAD")
PRAGMAS = ("cache_size", "compile_options", "database_list", "schema_version")
"""Pragmas that Datasette itself reads."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response: nothing is loaded from elsewhere, and no other page may show or read it."""


def is_local(host: str) -> bool:
    """Whether a host, perhaps with a port, is a name of this machine. Any port is, for tunnels through ssh."""
    try:
        return urlsplit(f"//{host}").hostname in LOCAL_NAMES
    except ValueError:
        return False


def why_refused(method: str, headers: dict[str, str]) -> str:
    """Why a request is refused, in words; '' if it is answered. `headers`: by their names in lower case."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "")
    if not is_local(headers.get("host", "")):
        return "the request names another host; open http://127.0.0.1 with the port of `crescent serve`"
    if origin is not None and not is_local(origin.partition("://")[2]):
        return "the request comes from a page of another site"
    if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        return "the request comes from a page of another site"
    return "" if method in METHODS else "the database can only be read here"


def asgi_wrapper(datasette: object) -> Callable[[App], App]:
    """Datasette's hook around all requests."""

    def wrapped(app: App) -> App:
        async def answer(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
            if scope["type"] != "http":
                if scope["type"] == "lifespan":
                    await app(scope, receive, send)
                return
            given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            if why := why_refused(scope["method"], given):
                status = 405 if why.startswith("the database") else 403
                plain = [(b"content-type", b"text/plain; charset=utf-8")]
                await _guarded(send)({"type": "http.response.start", "status": status, "headers": plain})
                await send({"type": "http.response.body", "body": f"{why}\n".encode()})
                return
            await app(scope, receive, _with_harmless_csv(_guarded(send)))

        return answer

    return wrapped


def prepare_connection(conn: sqlite3.Connection, database: str) -> None:
    """Datasette's hook for each new connection: to the workspace's database, it can only read."""
    if not database.startswith("_"):
        make_harmless(conn, PRAGMAS)


def _guarded(send: Send) -> Send:
    """Add the headers to every response, in place of Datasette's own."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in ours]
            message = {**message, "headers": [*kept, *ours.items()]}
        await send(message)

    return guarded


def _with_harmless_csv(send: Send) -> Send:
    """Make the cells of a CSV file harmless for spreadsheets. The file is held back until it is complete."""
    held: list[bytes] = []
    is_csv = False

    async def passed(message: Message) -> None:
        nonlocal is_csv
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            is_csv = (
                any(
                    name == b"content-type" and value.startswith((b"text/csv", b"text/plain"))
                    for name, value in headers
                )
                and message["status"] == 200
            )
            if is_csv:
                message = {**message, "headers": [each for each in headers if each[0] != b"content-length"]}
        elif is_csv:
            held.append(message.get("body", b""))
            if message.get("more_body"):
                return
            message = {**message, "body": _harmless(b"".join(held))}
        await send(message)

    return passed


def _harmless(content: bytes) -> bytes:
    """The CSV file with each text as `spreadsheet_text` makes it."""
    text = content.decode("utf-8", "replace")
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    out = io.StringIO()
    csv_writer(out).writerows(map(spreadsheet_text, row) for row in csv.reader(io.StringIO(text, newline="")))
    return out.getvalue().encode()


asgi_wrapper = hookimpl(asgi_wrapper)
prepare_connection = hookimpl(prepare_connection)
