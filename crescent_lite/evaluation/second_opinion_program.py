"""The program that asks math-verify whether replies give the gold answer; second_opinion.py starts and ends it.

math-verify passes parts of a reply to sympy, where five characters (9^9^9) can mean hours of work. The program writes
"ready", then reads one JSON object per line and writes 1, 0 or null (no opinion) for each. It imports nothing of the
project. Example: {"reply": "The answer is 5.", "gold": "5"} -> 1
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time

from math_verify import parse, verify

MAX_MEMORY_BYTES = 1 << 30
"""Memory limit of this process (guess)."""
MAX_SECONDS = 10
"""Processor time for one pair. The caller's time limit is stricter; this one ends a program whose caller has died."""


def main() -> None:
    """Write an opinion for each pair until standard input ends."""
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr  # so that text printed by a library is not taken for an answer
    _bound_memory()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        _bound_time()
        pair = json.loads(line)
        print(json.dumps(opinion(pair["reply"], pair["gold"])), file=answers, flush=True)


def opinion(reply: str, gold: str) -> int | None:
    """Return 1 for right and 0 for wrong or without an answer; None for an unreadable gold answer or a failure."""
    try:
        # math-verify's own time limits are off: they answer "wrong" for a reply that was never judged.
        wanted = parse(f"\\boxed{{{gold}}}", parsing_timeout=None, raise_on_error=True)
        found = parse(reply, parsing_timeout=None, raise_on_error=True)
        return int(verify(wanted, found, timeout_seconds=None, raise_on_error=True)) if wanted else None
    except MemoryError:
        raise  # this process can no longer be relied on
    except Exception:  # noqa: BLE001  sympy may raise any exception
        return None


def _bound_memory() -> None:
    with contextlib.suppress(ImportError):  # not on Windows; there, only the caller's time limit applies
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # the program has no file to write
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bound_time() -> None:
    with contextlib.suppress(ImportError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + MAX_SECONDS, hard))


if __name__ == "__main__":
    main()
