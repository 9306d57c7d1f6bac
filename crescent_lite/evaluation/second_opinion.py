"""Second opinions on replies, by math-verify in a child process that is killed when it takes too long.

The opinions are only shown beside our own score against the gold answer. math-verify's equality is not transitive (50
equals 50%, 50% equals 0.5, but 50 does not equal 0.5), so neither votes nor the choice of a round depend on it.
Replies are untrusted: only the child parses them. Knows no database. Example:
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

from crescent_lite.answers.thoughts import without_thoughts

PROGRAM = Path(__file__).with_name("second_opinion_program.py")
START_SECONDS = 60.0
"""Time for the child to start. It imports sympy, which takes 1 s, and 4 s on a busy machine."""
PAIR_SECONDS = 5.0
"""Wall-clock time for one pair. On a busy machine, 50 real replies took 0.02 s on average and 0.6 s at most."""
MAX_KILLED = 20
"""Number of pairs that may run out of time; all later pairs get no opinion, to bound the wait (guess)."""


def second_opinions(
    pairs: Iterable[tuple[str, str]], *, pair_seconds: float = PAIR_SECONDS, max_killed: int = MAX_KILLED
) -> Generator[bool | None, None, None]:
    """Yield for each (reply, gold answer), in order, whether math-verify finds the reply right; None is no opinion.

    A reply is judged by what it says after its thoughts; one that never left them is wrong. There is no opinion on a
    pair that takes too long or raises an error, and none at all without math-verify.
    """
    installed = importlib.util.find_spec("math_verify") is not None
    killed, child = 0, None
    try:
        for reply, gold in pairs:
            if not installed or killed == max_killed:
                yield None
                continue
            child = child or _Child()
            answered, opinion = child.ask(without_thoughts(reply) or "", gold, pair_seconds)
            if not answered:
                child.kill()
                child, killed = None, killed + 1
            yield opinion
    finally:
        if child:
            child.kill()


class _Child:
    """The running second_opinion_program."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._ready = False

    def ask(self, reply: str, gold: str, seconds: float) -> tuple[bool, bool | None]:
        """Return whether the child answered in time, and its opinion.

        The child reads everything before it answers, so a long text cannot block both processes.
        """
        assert self._process.stdin
        self._ready = self._ready or self._line(START_SECONDS) == b"ready\n"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"reply": reply, "gold": gold}).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._line(seconds) if self._ready else b""
        return answer.endswith(b"\n"), {b"1\n": True, b"0\n": False}.get(answer)

    def _line(self, seconds: float) -> bytes:
        """Return the next line of the child; empty if it is late or dead. The child writes whole lines."""
        assert self._process.stdout
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if waiting.select(seconds) else b""

    def kill(self) -> None:
        """Kill the child, which holds nothing worth keeping."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
