"""Reads the database for the screens, from one thread with one read-only connection; the answer comes to the app.

A question with the same key as an earlier one takes its place, also while that one is being answered: somebody who
types, or holds an arrow key down, waits for the last answer only. Knows no widget and no table. Example:
    reader.ask("match", lambda store: Browsing(store.database).fetch_lines(ids), self._show_lines)
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
"""Has something called in the app's own thread."""


def ignore(_reason: str) -> None:
    """For questions whose failure the follower reports as well."""


@dataclass(frozen=True)
class _Wish:
    key: str
    work: Callable[[Store], Any]
    then: Callable[[Any], object]
    failed: Callable[[str], object]


class Reader:
    """Answers one question after the other, until it is told to end."""

    def __init__(self, workspace: Workspace, deliver: Deliver) -> None:
        self._workspace = workspace
        self._deliver = deliver
        self._wishes: OrderedDict[str, _Wish] = OrderedDict()
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
        """From any thread: have `work` done, and `then` called with its result, or `failed` with the reason."""
        with self._changed:
            self._wishes.pop(key, None)
            self._wishes[key] = _Wish(key, work, then, failed)
            if self._busy_with == key and self._store:
                self._store.database.interrupt()
            self._changed.notify()

    def drop(self, key: str) -> None:
        """From any thread: nobody wants this any more."""
        with self._changed:
            self._wishes.pop(key, None)
            if self._busy_with == key and self._store:
                self._store.database.interrupt()

    def end(self) -> None:
        """From any thread: `read` returns soon."""
        with self._changed:
            self._ended = True
            if self._busy_with and self._store:
                self._store.database.interrupt()
            self._changed.notify()

    def read(self) -> None:
        """Answer, wait for the next question; until `end`."""
        try:
            while wish := self._next():
                self._answer(wish)
        finally:
            self._close()

    def _next(self) -> _Wish | None:
        with self._changed:
            self._busy_with = None
            self._changed.wait_for(lambda: self._wishes or self._ended)
            if self._ended:
                return None
            _, wish = self._wishes.popitem(last=False)
            self._busy_with = wish.key
            return wish

    def _answer(self, wish: _Wish) -> None:
        try:
            self._store = self._store or Store.open_read_only(self._workspace.database_path)
            answer = wish.work(self._store)
        except CrescentError as error:
            self._close()
            reason = str(error)
            self._deliver(lambda: wish.failed(reason))
        except QueryInterrupted:
            pass  # nobody wants to know any more
        else:
            with self._changed:
                overtaken = wish.key in self._wishes
            if not overtaken:
                self._deliver(lambda: wish.then(answer))

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = None
