"""A proxy in front of a server for language models that breaks requests and responses by a schedule.

Which request fails in which way depends on the seed, on what is asked and on how often it was asked, not on the order
in which requests arrive, so a schedule is repeated by its seed. Each connection carries one request. Example:
    with Wire(server.url, seed=7, rate=0.3) as wire: ServerSampler(tiny, SamplingConfig(servers=(wire.url,)))
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import gzip
import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

SECRET = "sk-wire-0123456789abcdef"
"""The key that clients of a Wire send. It may go nowhere else."""
REFUSED_DATES = ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Thu, 99 Foo 2026", "\x00", "-5", "1e9", "soon", "")


@dataclass
class Exchange:
    """One request, and what the server answered."""

    method: str
    path: str
    body: bytes
    status: int
    answer: bytes
    chance: random.Random
    """Decides about the details of the fault."""
    earlier: list[bytes] = field(default_factory=list)
    """Answers to other requests to the same path."""

    def json(self) -> Any:
        """The answer's JSON; an empty object where it has none."""
        with contextlib.suppress(ValueError):
            return json.loads(self.answer)
        return {}


Writer = asyncio.StreamWriter
Fault = Callable[["Wire", Exchange, Writer], Awaitable[None]]
FAULTS: dict[str, Fault] = {}
HONEST = {"as it is", "late", "in pieces", "twice", "asked twice", "no Date", "another clock"}
"""Ways in which the right answer still arrives."""


def fault(function: Fault) -> Fault:
    """Register a fault by its name."""
    FAULTS[function.__name__.replace("_", " ")] = function
    return function


def head(status: int, headers: dict[str, str], length: int | None) -> bytes:
    """The head of a response."""
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {length}"] if length is not None else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def whole(status: int, answer: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole response."""
    return head(status, headers or {}, len(answer)) + answer


# ── faults of the connection ─────────────────────────────────────────────────────────────────────────────────────


@fault
async def late(_: Wire, this: Exchange, to: Writer) -> None:
    await asyncio.sleep(this.chance.uniform(0.01, 0.2))
    to.write(whole(this.status, this.answer))


@fault
async def in_pieces(_: Wire, this: Exchange, to: Writer) -> None:
    data = whole(this.status, this.answer)
    for at in range(0, len(data), size := this.chance.choice((7, 64, 999))):
        if at / size < 40:
            await asyncio.sleep(0.001)
        to.write(data[at : at + size])


@fault
async def twice(_: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(this.status, this.answer) * 2)


@fault
async def asked_twice(wire: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(*await wire.ask(this.method, this.path, this.body)))


@fault
async def cut_anywhere(_: Wire, this: Exchange, to: Writer) -> None:
    data = whole(this.status, this.answer)
    to.write(data[: this.chance.randrange(len(data))])


@fault
async def cut_stream(_: Wire, this: Exchange, to: Writer) -> None:
    piece = this.answer[: this.chance.randrange(1, len(this.answer) + 1)]
    to.write(head(200, {"Transfer-Encoding": "chunked"}, None) + b"%x\r\n" % len(this.answer) + piece)


@fault
async def dropped(_: Wire, this: Exchange, to: Writer) -> None:
    pass


@fault
async def reset(_: Wire, this: Exchange, to: Writer) -> None:
    sock = to.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.transport.abort()


@fault
async def hangs(wire: Wire, this: Exchange, to: Writer) -> None:
    await asyncio.sleep(wire.longest_seconds)


@fault
async def drips(wire: Wire, this: Exchange, to: Writer) -> None:
    to.write(head(200, {}, 10_000_000))
    ends = time.monotonic() + wire.longest_seconds
    while time.monotonic() < ends and not to.is_closing():
        to.write(b" ")
        await asyncio.sleep(0.05)


@fault
async def never_ends(wire: Wire, this: Exchange, to: Writer) -> None:
    to.write(head(200, {"Transfer-Encoding": "chunked"}, None))
    while not to.is_closing():
        to.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await to.drain()


@fault
async def bomb(wire: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(this.chance.choice((200, 400, 500)), wire.bomb, {"Content-Encoding": "gzip"}))


@fault
async def huge_head(_: Wire, this: Exchange, to: Writer) -> None:
    many = {f"X-{number}": "y" * 1000 for number in range(this.chance.choice((2, 1000)))}
    to.write(whole(200, this.answer, many | {"X-Long": "z" * 300_000}))


@fault
async def only_hints(_: Wire, this: Exchange, to: Writer) -> None:
    for _number in range(200):
        to.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    to.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


@fault
async def garbled(_: Wire, this: Exchange, to: Writer) -> None:
    data = bytearray(whole(this.status, this.answer))
    for _number in range(this.chance.choice((1, 5, 50))):
        data[this.chance.randrange(len(data))] = this.chance.randrange(256)
    to.write(data)


# ── statuses and headers ─────────────────────────────────────────────────────────────────────────────────────────


@fault
async def busy(_: Wire, this: Exchange, to: Writer) -> None:
    ahead = email.utils.formatdate(time.time() + this.chance.choice((-1e5, -1, 2, 1e5, 2e9)), usegmt=True)
    wait = this.chance.choice(("1", "86400", "9" * 400, ahead, *REFUSED_DATES))
    dates = (email.utils.formatdate(this.chance.choice((0, time.time(), 4e9)), usegmt=True), *REFUSED_DATES)
    headers = {"Retry-After": wait, "Date": this.chance.choice(dates)}
    to.write(whole(this.chance.choice((429, 503)), b'{"error": "slow \\u001b[31m down"}', headers))


@fault
async def error_status(_: Wire, this: Exchange, to: Writer) -> None:
    status = this.chance.choice((408, 425, 500, 500, 502, 503, 504))
    body = this.chance.choice(
        (b"", b"<html><script>alert(1)</script>", b'{"error": {"message": "\x1b[2Jno"}}', b"\xff")
    )
    to.write(whole(status, body))


@fault
async def final_status(_: Wire, this: Exchange, to: Writer) -> None:
    status = this.chance.choice((400, 401, 403, 404, 413, 418, 204, 206, 599, 999))
    to.write(whole(status, b'{"error": "key %s is not accepted"}' % SECRET.encode() * (status != 204)))


@fault
async def redirects(wire: Wire, this: Exchange, to: Writer) -> None:
    status = this.chance.choice((301, 302, 303, 307, 308, 300, 304))
    to.write(whole(status, b"", {"Location": f"{wire.elsewhere}{this.path}?key={SECRET}"}))


@fault
async def strange_charset(_: Wire, this: Exchange, to: Writer) -> None:
    charset = this.chance.choice(("zip", "hex", "rot13", "utf-7", "undefined", "idna"))
    headers = {"Content-Type": f"text/html; charset={charset}"}
    to.write(whole(this.chance.choice((200, 400, 500)), b"<html>x\x9c\x03</html>", headers))


# ── 200 with nonsense ────────────────────────────────────────────────────────────────────────────────────────────

NONSENSE = (
    b"", b"<!doctype html><title>Sign in</title>", b"{}", b"null", b"[]", b'"x"', b"0", b"NaN", b"[" * 100_000,
    b'{"a":' * 50_000, b"9" * 100_000, b"1e99999", b"\xff\xfe\x00", b'{"choices": []}', b'{"choices": {}}',
    b"\0" * 999,
    b'{"content": null}', b'{"content": "5", "tokens_predicted": -1, "stop_type": 7}', b'{"error": {"code": 1}}',
    b'{"data": [[]]}', b'{"data": [{"id": []}]}', b"true", b'{"content": "\\ud800", "tokens_predicted": "2"}',
)  # fmt: skip


@fault
async def nonsense(_: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(200, this.chance.choice(NONSENSE)))


@fault
async def wrong_types(_: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(200, json.dumps(_with_one_changed(this.json(), this.chance)).encode()))


def _with_one_changed(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts replaced by one of another type."""
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, copied = chance.choice(keys), value.copy()
        copied[key] = _with_one_changed(value[key], chance)
        return copied
    others = (None, True, -1, 10**30, 0.5, [], {}, [[]], {"a": []}, [None], "")
    return chance.choice([other for other in others if type(other) is not type(value)])


@fault
async def other_number_of_choices(_: Wire, this: Exchange, to: Writer) -> None:
    body = this.json()
    if choices := body.get("choices") if isinstance(body, dict) else None:
        body["choices"] = this.chance.choice(
            (choices[:-1], choices[1:], choices + choices, choices[::-1], choices * 9)
        )
    to.write(whole(200, json.dumps(body).encode()))


@fault
async def impossible_tokens(_: Wire, this: Exchange, to: Writer) -> None:
    ids, body = this.chance.choice(([2**31 - 1], [10**6] * 9, [-1], [0] * 100_000, ["x"], [2**70], [5])), this.json()
    if isinstance(body, dict):
        body["tokens"] = ids
        for choice in body.get("choices") or ():
            choice["token_ids"] = ids
    to.write(whole(200, json.dumps(body).encode()))


@fault
async def answer_to_another(_: Wire, this: Exchange, to: Writer) -> None:
    to.write(whole(200, this.chance.choice(this.earlier) if this.earlier else b"{}"))


@fault
async def other_model(_: Wire, this: Exchange, to: Writer) -> None:
    body = this.json()
    if isinstance(body, dict):
        body["model"] = this.chance.choice(("/models/other.gguf", "x" * 100_000, "\x1b[2J", "‮"))
    to.write(whole(200, json.dumps(body).encode()))


# ── the proxy ────────────────────────────────────────────────────────────────────────────────────────────────────


class Wire:
    """The proxy. It serves from a thread of its own, as a context manager."""

    def __init__(self, upstream: str, seed: object, rate: float, faults: Sequence[str] = ()) -> None:
        self.url = self.elsewhere = ""
        self.rate = rate
        """Part of the requests that fail."""
        self.faults = tuple(faults) or tuple(FAULTS)
        self.longest_seconds = 20.0
        """How long a request hangs, if the client does not leave before."""
        self.done = Counter[str]()
        """Faults so far."""
        self.leaked: list[str] = []
        """Requests that came to the address that redirects lead to."""
        self.bomb = gzip.compress(bytes(200_000_000), compresslevel=9)
        self._upstream, self._seed = urlsplit(upstream), seed
        self._asked = Counter[bytes]()
        self._answers: dict[str, list[bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Wire:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url, self.elsewhere = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> list[str]:
        self._servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in (self._serve, self._note)]
        return [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in self._servers]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            async with _closed_at_the_end(writer):
                method, path, body = await _request(reader)
                name, this = await self._exchange(method, path, body)
                self.done[name] += 1
                if name == "as it is":
                    writer.write(whole(this.status, this.answer))
                else:
                    await FAULTS[name](self, this, writer)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has left, or the bed closes
        finally:
            self._tasks.discard(task)

    async def _note(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.leaked.append(str(await _request(reader)))
        writer.close()

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[str, Exchange]:
        """The fault for a request, and its real answer."""
        asked = hashlib.sha256(path.encode() + body).digest()
        self._asked[asked] += 1
        chance = random.Random(f"{self._seed} {asked.hex()} {self._asked[asked]}")
        name = chance.choice(self.faults) if chance.random() < self.rate else "as it is"
        status, answer = await self.ask(method, path, body)
        earlier = self._answers.setdefault(path, [])
        this = Exchange(method, path, body, status, answer, chance, [each for each in earlier if each != answer])
        earlier.append(answer)
        return name, this

    async def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Ask the real server."""
        reader, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        lines = f"{method} {path} HTTP/1.0\r\nHost: wire\r\nContent-Type: application/json\r\n"
        writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        data = await reader.read()
        writer.close()
        top, _, answer = data.partition(b"\r\n\r\n")
        return int(top.split(None, 2)[1]), answer


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, path, _ = top.split(" ", 2)
    lengths = [line.partition(":")[2] for line in top.splitlines() if line.lower().startswith("content-length:")]
    return method, path, await reader.readexactly(int(lengths[0]) if lengths else 0)


@contextlib.asynccontextmanager
async def _closed_at_the_end(writer: Writer) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 5)
