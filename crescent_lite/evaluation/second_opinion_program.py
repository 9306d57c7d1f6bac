"""Asks math-verify whether replies give the gold answer: a program of its own, run and killed by second_opinion.py.

math-verify hands parts of a reply to sympy, where five characters (9^9^9) are hours of work. Writes "ready"; then
reads {"reply", "gold"} as JSON, one a line, and writes 1, 0 or null (no opinion) for each. Imports nothing of the
project.
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
MAX_SECONDS = 10
"""Of the processor for one pair. The caller's clock is stricter; this is for a program whose caller has died."""


def main() -> None:
    """Answer pair after pair until there are none."""
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    _bound_memory()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        _bound_time()
        pair = json.loads(line)
        print(json.dumps(opinion(pair["reply"], pair["gold"])), file=answers, flush=True)


def opinion(reply: str, gold: str) -> int | None:
    """1 or 0; None where the gold answer cannot be read, or reading the reply fails in a way that says nothing."""
    try:
        # Its own alarms are off: they end in "wrong", and a reply that was not judged is no wrong one.
        wanted = parse(f"\\boxed{{{gold}}}", parsing_timeout=None, raise_on_error=True)
        found = parse(reply, parsing_timeout=None, raise_on_error=True)
        return int(verify(wanted, found, timeout_seconds=None, raise_on_error=True)) if wanted else None
    except MemoryError:
        raise  # what is left of this process is not to be relied on
    except Exception:  # noqa: BLE001  sympy raises anything at all
        return None


def _bound_memory() -> None:
    with contextlib.suppress(ImportError):  # where there is no such module, the caller's clock must do
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has no file to write
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bound_time() -> None:
    with contextlib.suppress(ImportError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + MAX_SECONDS, hard))


if __name__ == "__main__":
    main()
