"""How many samples a server gets at a time: as many as keep its queue just short of waiting.

Knows counts and times, no server and no HTTP. A server that says how many it takes has a fixed limit. One that
reports its queue gets twice as many samples until one of them waits, and then a few more at each reading. For any
other, the seconds that a token takes decide: a higher limit is kept if the server has become faster by it.
Example: limit = QueueLimit(); limit.note_queue(waiting=0, under_way=32); limit.samples -> 64
Source: slow start, additive increase and multiplicative decrease as in RFC 5681 (TCP congestion control).
"""

from __future__ import annotations

FIRST_SAMPLES = 32
"""Samples that a server gets before anything is known about it (guess)."""
MOST_SAMPLES = 1024
"""Upper bound where only the speed of replies is known: the largest number that vLLM takes by default."""
MOST_REPORTED_SAMPLES = 4096
"""Upper bound where the server reports its queue (guess). It is higher because the samples of one request count until
the last of them has ended."""
STEP_SAMPLES = 16
"""How many more samples are tried after the limit was once found, and the fewest that a server gets then (guess)."""
WAITING_PART = 1 / 16
"""Part of the samples under way that may wait, so that the server always finds the next one (guess)."""
FULL = 0.75
"""Part of the limit that has to be under way before a higher one is tried (guess)."""
GAIN = 0.3
"""Part of the added samples that must show as speed, so that a higher limit is kept (guess)."""
REPLIES = 64
"""Most replies whose time is measured at one limit (guess)."""
HOLD_MEASUREMENTS = 8
"""Measurements after a failed attempt until a higher limit is tried again (guess)."""


class Limit:
    """A limit that stays as it is."""

    def __init__(self, samples: int) -> None:
        self.samples = max(1, samples)
        """How many samples the server may have at a time."""

    def note_queue(self, waiting: int, under_way: int) -> None:
        """Take in how many requests wait at the server, and how many samples of ours are under way there."""

    def note_reply(self, began: float, now: float, tokens: int, under_way: int) -> None:
        """Take in a reply of `tokens` tokens that was asked for at `began` and came at `now`, in seconds."""

    def note_overload(self) -> None:
        """Take in that the server could not cope."""


class QueueLimit(Limit):
    """The limit of a server that reports how many requests wait."""

    def __init__(self, first: int = FIRST_SAMPLES, most: int = MOST_REPORTED_SAMPLES) -> None:
        super().__init__(first)
        self._most = most
        self._is_found = False
        """Whether a request has waited already."""

    def note_queue(self, waiting: int, under_way: int) -> None:
        excess = waiting - int(under_way * WAITING_PART)
        if excess > 0:
            # What is too much is taken from what is under way, not from the limit, which was lowered by it before.
            self.samples = max(STEP_SAMPLES, min(self.samples, under_way - excess))
            self._is_found = True
        elif waiting == 0 and under_way >= FULL * self.samples:
            more = max(STEP_SAMPLES, int(self.samples * WAITING_PART)) if self._is_found else self.samples
            self.samples = min(self._most, self.samples + more)

    def note_overload(self) -> None:
        self.samples = max(1, self.samples // 2)
        self._is_found = True


class SpeedLimit(Limit):
    """The limit of a server that tells nothing: raised until the replies become slower in the same measure."""

    def __init__(self, first: int = FIRST_SAMPLES, most: int = MOST_SAMPLES) -> None:
        super().__init__(first)
        self._most = most
        self._is_found = False
        self._lower: tuple[int, float] | None = None
        """The limit before the present attempt, and the seconds that a token took there."""
        self._wait = 0
        """Measurements until a higher limit is tried."""
        self._since = 0.0
        """Replies that were asked for earlier do not count; seconds."""
        self._is_settled = False
        """Whether a reply has come that was asked for at this limit."""
        self._replies, self._tokens, self._seconds = 0, 0, 0.0

    def note_reply(self, began: float, now: float, tokens: int, under_way: int) -> None:
        if began < self._since or under_way < FULL * self.samples:
            return  # it was asked for before this limit was reached, or there is not enough work to reach it
        if not self._is_settled:  # the replies that are asked for from now on meet a queue of its final length
            self._since, self._is_settled = now, True
            return
        self._replies, self._tokens = self._replies + 1, self._tokens + max(1, tokens)
        self._seconds += now - began
        if self._replies >= min(self.samples, REPLIES):
            self._decide(self._seconds / self._tokens)
            self._restart(now)

    def note_overload(self) -> None:
        self.samples = max(1, self.samples // 2)
        self._is_found, self._lower, self._wait = True, None, HOLD_MEASUREMENTS

    def _restart(self, now: float) -> None:
        self._since, self._is_settled = now, False
        self._replies, self._tokens, self._seconds = 0, 0, 0.0

    def _decide(self, token_seconds: float) -> None:
        if self._lower:
            samples, before = self._lower
            faster = (self.samples / token_seconds) / (samples / before)
            if faster < 1 + GAIN * (self.samples / samples - 1):
                self.samples, self._lower = samples, None
                self._is_found, self._wait = True, HOLD_MEASUREMENTS
                return
        self._wait = max(0, self._wait - 1)
        if self._wait == 0 and self.samples < self._most:
            self._lower = (self.samples, token_seconds)
            more = STEP_SAMPLES if self._is_found else self.samples
            self.samples = min(self._most, self.samples + more)
        else:
            self._lower = None
