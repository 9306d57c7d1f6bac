"""When servers that asked to be left alone may be asked again: the Retry-After of a status 429 or 503.

Knows times only. A server may ask for at most LONGEST_HOLD_SECONDS at once; what it asks for beyond that is tried
earlier. One that asks for longer than the caller's patience, without a reply between, counts as failed.
Example: holds.begin(server, server.url, ServerBusy("busy", seconds=60)); holds.seconds([server]) -> 60.0
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crescent_lite.sampling.servers.connection import ServerBusy

K = TypeVar("K", bound=Hashable)

LONGEST_HOLD_SECONDS = 600.0
"""Longest time to wait before a server is asked again, in seconds (guess)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How much a caller puts up with before a server counts as failed. The numbers of a run are guesses."""

    attempts: int = 8
    """Attempts for one request at one server, with growing random pauses between them; at least 1."""
    seconds: float = 3600.0
    """How long a server may keep asking for more time without one reply, in seconds; 0 for not at all."""
    reply_seconds: float = math.inf
    """Seconds without a complete reply after which a request fails, if sampling.server_timeout_seconds is longer."""


class Holds:
    """The servers that are left alone at the moment."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._until: dict[Hashable, float] = {}
        """When a server may be asked again; monotonic seconds."""
        self._since: dict[Hashable, float] = {}
        """Since when a server has only asked for more time; monotonic seconds."""

    def begin(self, server: Hashable, url: str, busy: ServerBusy) -> bool:
        """Leave a server alone as long as it asks, and say so once. Returns False when it asks for too long."""
        now, seconds = time.monotonic(), min(busy.seconds, LONGEST_HOLD_SECONDS)
        if now + seconds - self._since.setdefault(server, now) > self._patience.seconds:
            return False
        until = now + seconds
        if self._until.get(server, 0.0) <= now:  # other requests of the same moment get the same answer
            clock = time.strftime("%H:%M:%S", time.localtime(time.time() + until - now))
            log.warning("%s: %s; waiting until %s", url, busy, clock)
        self._until[server] = max(until, self._until.get(server, 0.0))
        return True

    def end(self, server: Hashable) -> None:
        """Note that a server has replied."""
        self._since.pop(server, None)

    def without(self, servers: Sequence[K]) -> list[K]:
        """The servers that may be asked now."""
        now = time.monotonic()
        return [server for server in servers if self._until.get(server, 0.0) <= now]

    def seconds(self, servers: Sequence[Hashable]) -> float:
        """Seconds until the first of the servers that are left alone may be asked; 0 when none is left alone."""
        now = time.monotonic()
        return min((left for server in servers if (left := self._until.get(server, 0.0) - now) > 0), default=0.0)
