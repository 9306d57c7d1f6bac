"""A second opinion on replies, by math-verify in a child process that is killed when it takes too long.

Only for grading against a gold answer, beside our own score. math-verify's equality is none (50 ~ 50% ~ 0.5, but not
50 ~ 0.5), so no vote and no choice of a round rests on it. Replies are untrusted: this process parses none of them.
Knows no database. Example:
    list(second_opinions([("So \\boxed{\\frac12}.", "0.5"), ("9^9^9^9", "1")])) -> [True, None]
Source: https://github.com/huggingface/Math-Verify
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import selectors
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

PROGRAM = Path(__file__).with_name("second_opinion_program.py")
START_SECONDS = 60.0
"""sympy is imported in 1 s, on a busy machine in 4."""
PAIR_SECONDS = 5.0
"""On the clock. Of 50 real replies each took 0.02 s on average, the longest 0.6 s, on a busy machine."""
MAX_KILLED = 20
"""Pairs without an answer after which the rest gets none: a heap of such replies is not worth the wait (guess)."""


def second_opinions(
    pairs: Iterable[tuple[str, str]], *, pair_seconds: float = PAIR_SECONDS, max_killed: int = MAX_KILLED
) -> Generator[bool | None, None, None]:
    """For each (reply, gold answer), in order, whether math-verify holds it for right; None is no opinion.

    All are None where math-verify is not installed.
    """
    installed = importlib.util.find_spec("math_verify") is not None
    killed, child = 0, None
    try:
        for reply, gold in pairs:
            if not installed or killed == max_killed:
                yield None
                continue
            child = child or _Child()
            answered, opinion = child.ask(reply, gold, pair_seconds)
            if not answered:
                child.kill()
                child, killed = None, killed + 1
            yield opinion
    finally:
        if child:
            child.kill()


class _Child:
    """The running program."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._ready = False

    def ask(self, reply: str, gold: str, seconds: float) -> tuple[bool, bool | None]:
        """Whether it answered at all, and what. It reads only between answers, so a long text cannot block both."""
        assert self._process.stdin
        self._ready = self._ready or self._line(START_SECONDS) == b"ready\n"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"reply": reply, "gold": gold}).encode() + b"\n")
            self._process.stdin.flush()
        said = self._line(seconds) if self._ready else b""
        return said.endswith(b"\n"), {b"1\n": True, b"0\n": False}.get(said)

    def _line(self, seconds: float) -> bytes:
        """What it writes next; nothing when it is late, or dead. It writes whole lines."""
        assert self._process.stdout
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if waiting.select(seconds) else b""

    def kill(self) -> None:
        """End it; nothing of it is worth keeping."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
