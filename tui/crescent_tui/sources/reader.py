"""Reads the database for the screens, in one thread with one read-only connection, and delivers answers to the app.

A request replaces an earlier one with the same key, even while that is being answered, so that a user who types or
holds an arrow key down waits for the last answer only. Knows no widget and no table. Example:
    reader.ask("lines", lambda store: store.browsing.fetch_lines(ids), self._show_lines)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from crescent_lite.errors import CrescentError
from crescent_lite.store import QueryInterrupted, Store
from crescent_lite.workspace import Workspace

T = TypeVar("T")
Deliver = Callable[[Callable[[], object]], object]
"""Calls its argument in the app's own thread."""


def ignore(_reason: str) -> None:
    """The default for `failed`: the follower fails for the same reason and reports it."""


@dataclass(frozen=True)
class _Request:
    key: str
    work: Callable[[Store], Any]
    then: Callable[[Any], object]
    failed: Callable[[str], object]


class Reader:
    """Answers one request after the other, until `end`."""

    def __init__(self, workspace: Workspace, deliver: Deliver) -> None:
        self._workspace = workspace
        self._deliver = deliver
        self._requests: OrderedDict[str, _Request] = OrderedDict()
        self._changed = threading.Condition()
        self._busy_with: str | None = None
        self._ended = False
        self._store: Store | None = None

    def ask(
        self,
        key: str,
        work: Callable[[Store], T],
        then: Callable[[T], object],
        failed: Callable[[str], object] = ignore,
    ) -> None:
        """From any thread: do `work`, then call `then` with the result, or `failed` with the reason."""
        with self._changed:
            self._requests.pop(key, None)
            self._requests[key] = _Request(key, work, then, failed)
            if self._busy_with == key and self._store:
                self._store.database.interrupt()
            self._changed.notify()

    def drop(self, key: str) -> None:
        """From any thread: cancel the request with this key."""
        with self._changed:
            self._requests.pop(key, None)
            if self._busy_with == key and self._store:
                self._store.database.interrupt()

    def end(self) -> None:
        """From any thread: make `read` return soon."""
        with self._changed:
            self._ended = True
            if self._busy_with and self._store:
                self._store.database.interrupt()
            self._changed.notify()

    def read(self) -> None:
        """In a separate thread: answer requests, and wait for the next one, until `end`."""
        try:
            while request := self._next():
                self._answer(request)
        finally:
            self._close()

    def _next(self) -> _Request | None:
        with self._changed:
            self._busy_with = None
            self._changed.wait_for(lambda: self._requests or self._ended)
            if self._ended:
                return None
            _, request = self._requests.popitem(last=False)
            self._busy_with = request.key
            return request

    def _answer(self, request: _Request) -> None:
        try:
            self._store = self._store or Store.open_read_only(self._workspace.database_path)
            answer = request.work(self._store)
        except CrescentError as error:
            self._close()
            reason = str(error)
            self._deliver(lambda: request.failed(reason))
        except QueryInterrupted:
            pass  # cancelled or replaced
        else:
            with self._changed:
                replaced = request.key in self._requests
            if not replaced:
                self._deliver(lambda: request.then(answer))

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = None
