"""Keeps something read up to date: reads again when it may have changed, and never while a read is under way.

A database that is written every second would otherwise interrupt a read of two seconds for ever. Another subject
takes the place of the one that is read. Knows no widget and no table. Example:
    upkeep = Upkeep(app.read, "round", fetch_round, show_round); upkeep.want((run_id, 2), version=sight.version)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from crescent_lite.store import Store

S = TypeVar("S")
T = TypeVar("T")


class Read(Protocol):
    """The app's `read`."""

    def __call__(
        self,
        key: str,
        work: Callable[[Store], Any],
        then: Callable[[Any], object],
        failed: Callable[[str], object] | None = None,
    ) -> None: ...


class Upkeep(Generic[S, T]):
    """One thing on the screen that is read from the database."""

    def __init__(self, read: Read, key: str, fetch: Callable[[Store, S], T], show: Callable[[S, T], object]) -> None:
        self._read, self._key, self._fetch, self._show = read, key, fetch, show
        self._wanted: tuple[S, int] | None = None
        self._reading: tuple[S, int] | None = None
        self._shown: tuple[S, int] | None = None

    def want(self, subject: S, version: int) -> None:
        """Have this shown, as it is in this version of the database."""
        self._wanted = (subject, version)
        self._go_on()

    def want_again(self) -> None:
        """Read it once more, though the database has not changed."""
        self._shown = None
        self._go_on()

    def _go_on(self) -> None:
        wanted = self._wanted
        if wanted is None or wanted == self._shown:
            return
        if self._reading and self._reading[0] == wanted[0]:
            return
        self._reading = wanted
        self._read(
            self._key,
            lambda store: self._fetch(store, wanted[0]),
            lambda found: self._came(wanted, found),
            lambda _reason: self._failed(wanted),
        )

    def _came(self, wanted: tuple[S, int], found: T) -> None:
        if wanted != self._reading:
            return
        self._reading, self._shown = None, wanted
        self._show(wanted[0], found)
        self._go_on()

    def _failed(self, wanted: tuple[S, int]) -> None:
        """The follower meets the same trouble and says it; the next version is read again."""
        if wanted == self._reading:
            self._reading = None
