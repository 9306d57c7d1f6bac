"""A real llama-server for tests, and a proxy in front of it that fails on request."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from llama_server_process import free_port, running_llama_server, server_program

__all__ = ["FaultyProxy", "free_port", "llama_server", "server_program"]

Fault = Literal["500", "hang", "truncate", "drop", "401"]


@contextlib.contextmanager
def llama_server(
    program: Path, model: Path | None, *arguments: str, slots: int = 4, prefix: str = ""
) -> Iterator[str]:
    """Start a small server, yield its address, and stop it at the end. Without a model `arguments` name them."""
    which = ["-m", str(model)] if model else []
    small = ["-np", str(slots), "-c", str(slots * 256), "-t", "1", "-ngl", "0"]
    with running_llama_server(program, *which, *small, *arguments, prefix=prefix) as url:
        yield url


class FaultyProxy:
    """Passes requests on to a server, but lets completions fail as `faults` and `every` say."""

    def __init__(self, upstream: str) -> None:
        self.faults: deque[Fault] = deque()
        """Faults for the next completions, one each."""
        self.every: Fault | None = None
        """Fault for every completion after `faults` is empty."""
        self.seen: Counter[str] = Counter()
        """Requests by path."""
        self.canned: dict[str, bytes] = {}
        """Responses by path that are sent without asking the server."""
        self.bodies: dict[str, dict[str, object]] = {}
        """The last request to each path."""
        self.keys: set[str | None] = set()
        """Authorization headers received."""
        self.most_at_once = self._at_once = 0
        """Most completions in progress at the same time."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        host, port = upstream.removeprefix("http://").split(":")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                proxy.serve(self, host, int(port))

            do_POST = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler, host: str, port: int) -> None:
        """Handle one request, with its fault."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        completes = request.path.endswith(("/completion", "/completions", "/generate"))
        with self._lock:
            self.seen[request.path] += 1
            self.bodies[request.path] = json.loads(body or b"{}")
            self.keys.add(request.headers.get("Authorization"))
            fault = (self.faults.popleft() if self.faults else self.every) if completes else None
            self._at_once += completes
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._answer(request, host, port, body, fault)
        finally:
            with self._lock:
                self._at_once -= completes

    def _answer(
        self, request: BaseHTTPRequestHandler, host: str, port: int, body: bytes, fault: Fault | None
    ) -> None:
        if fault == "hang":
            self._stopping.wait(30)
        if fault in ("hang", "drop"):
            request.close_connection = True
            return
        if fault in ("500", "401"):
            status, answer = int(fault), b'{"error": {"message": "slot \\u001b[31m unavailable"}}'
        elif request.path in self.canned:
            status, answer = 200, self.canned[request.path]
        else:
            upstream = http.client.HTTPConnection(host, port)
            upstream.request(request.command, request.path, body, {"Content-Type": "application/json"})
            response = upstream.getresponse()
            status, answer = response.status, response.read()
            upstream.close()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        with contextlib.suppress(OSError):  # the client may have closed the connection
            request.wfile.write(answer[: len(answer) // 2] if fault == "truncate" else answer)
        if fault == "truncate":
            request.close_connection = True

    def close(self) -> None:
        """Stop serving."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
