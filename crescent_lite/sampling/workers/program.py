"""The program of a local worker, `python -m crescent_lite.sampling.workers.program`: JSON lines in, JSON lines out.

Every few seconds a line is a sign of life, also while a model is loaded. It ends when its stdin does, which is what
happens when the pool ends, however that ends; so no worker is left over. Whatever libraries print goes to stderr.
Example of a line: {"sample": {"key": "q1", ...}, "call": 1}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from crescent_lite.child_program import Lines, claimed_stdout, give_signs_of_life
from crescent_lite.sampling.workers.loop import WorkerLoop


def main() -> None:
    """Work for the pool at the other end of stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pool's process, which then closes stdin
    lines = Lines(claimed_stdout())
    give_signs_of_life(lines, json.dumps({"alive": True}))
    loop = WorkerLoop(lambda message: lines.write(json.dumps(message)))
    threading.Thread(target=_read, args=(loop,), daemon=True).start()
    loop.run()


def _read(loop: WorkerLoop) -> None:
    for line in sys.stdin:
        if line.endswith("\n"):
            loop.put(json.loads(line))
    os._exit(0)  # at once, even in the middle of a decode: what it has drawn and not sent is nobody's any more


if __name__ == "__main__":
    main()
