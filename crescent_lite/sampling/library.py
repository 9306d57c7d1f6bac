"""Loads llama.cpp, after another process has tried it, and with threads that do not spin for long while they wait.

The only module that imports llama_cpp; the others take it from here. A library that was built for another processor
ends the process that loads it, without a word, so the attempt is made in a child first (`build_info`), unless this
process is such a child itself.
Importing it raises MissingPackageError where the library cannot be used. Example:
    from crescent_lite.sampling.library import llama_cpp
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from crescent_lite.sampling.build_info import MAY_DIE, read_build

__all__ = ["libggml", "llama_cpp"]

SPINS = 2000
"""Turns of libgomp's waiting loop before a waiting thread sleeps. Its own number is 300,000, several milliseconds,
which a thread of another program could use (`benchmarks/threads.py`; in the lab log)."""
WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables by which a user decides how OpenMP's threads wait."""


@contextmanager
def _short_waits() -> Iterator[None]:
    """Set how OpenMP's threads wait, which libgomp reads once, when it is loaded; children do not inherit it."""
    if any(name in os.environ for name in WAIT_VARIABLES):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


if MAY_DIE not in os.environ:
    read_build()
os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # an abort would start a debugger, and may wait for it for ever
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order of the driver's tools, and of `nvidia`
with _short_waits():
    import llama_cpp
    from llama_cpp._ggml import libggml  # llama_cpp's public modules do not offer all functions of ggml
