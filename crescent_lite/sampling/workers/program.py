"""The program of a local worker, `python -m crescent_lite.sampling.workers.program`: JSON lines in, JSON lines out.

Every few seconds a line is a sign of life, also while a model is loaded. It ends when its stdin does, which is what
happens when the pool ends, however that ends; so no worker is left over. Whatever libraries print goes to stderr.
Example of a line: {"sample": {"key": "q1", ...}, "call": 1}
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time

from crescent_lite.sampling.workers.loop import WorkerLoop
from crescent_lite.sampling.workers.messages import Message

ALIVE_SECONDS = 5.0
"""Time between two signs of life."""


def main() -> None:
    """Work for the pool at the other end of stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pool's process, which then closes stdin
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    one_at_a_time = threading.Lock()

    def send(message: Message) -> None:
        with one_at_a_time:
            out.write(json.dumps(message) + "\n")
            out.flush()

    def give_signs_of_life() -> None:
        with contextlib.suppress(BrokenPipeError):  # the pool has ended, and so does this process
            while True:
                send({"alive": True})
                time.sleep(ALIVE_SECONDS)

    loop = WorkerLoop(send)
    threading.Thread(target=_read, args=(loop,), daemon=True).start()
    threading.Thread(target=give_signs_of_life, daemon=True).start()
    loop.run()


def _read(loop: WorkerLoop) -> None:
    for line in sys.stdin:
        if line.endswith("\n"):
            loop.put(json.loads(line))
    os._exit(0)  # at once, even in the middle of a decode: what it has drawn and not sent is nobody's any more


if __name__ == "__main__":
    main()
