"""Keeps something shown from the database up to date: reads it again after a change, and never twice at once.

A database that is written every second would otherwise interrupt a read of two seconds over and over. A request for
another subject replaces the read in progress. Knows no widget and no table. Example:
    refresher = Refresher(app.read, "round", fetch_round, show_round)
    refresher.request((run_id, 2), version=snapshot.version)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from crescent_lite.store import Store

S = TypeVar("S")
T = TypeVar("T")


class Read(Protocol):
    """The signature of `WorkspaceApp.read`."""

    def __call__(
        self,
        key: str,
        work: Callable[[Store], Any],
        then: Callable[[Any], object],
        failed: Callable[[str], object] | None = None,
    ) -> None: ...


class Refresher(Generic[S, T]):
    """Reads one kind of thing, such as a round, for one place on a screen."""

    def __init__(self, read: Read, key: str, fetch: Callable[[Store, S], T], show: Callable[[S, T], object]) -> None:
        self._read, self._key, self._fetch, self._show = read, key, fetch, show
        self._requested: tuple[S, int] | None = None
        self._reading: tuple[S, int] | None = None
        self._shown: tuple[S, int] | None = None

    def request(self, subject: S, version: int) -> None:
        """Show the subject as it is in this version of the database."""
        self._requested = (subject, version)
        self._read_if_needed()

    def refresh_now(self) -> None:
        """Read again although the database has not changed."""
        self._shown = None
        self._read_if_needed()

    def _read_if_needed(self) -> None:
        requested = self._requested
        if requested is None or requested == self._shown:
            return
        if self._reading and self._reading[0] == requested[0]:
            return
        self._reading = requested
        self._read(
            self._key,
            lambda store: self._fetch(store, requested[0]),
            lambda found: self._take(requested, found),
            lambda _reason: self._failed(requested),
        )

    def _take(self, requested: tuple[S, int], found: T) -> None:
        if requested != self._reading:
            return
        self._reading, self._shown = None, requested
        self._show(requested[0], found)
        self._read_if_needed()

    def _failed(self, requested: tuple[S, int]) -> None:
        """Wait for the next version: the follower fails for the same reason and reports it."""
        if requested == self._reading:
            self._reading = None
