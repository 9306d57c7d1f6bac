"""Keeps llama.cpp's messages off the terminal and remembers the last warnings, so that an error can name the cause.

Process-wide, because llama.cpp's log hook is. Example: `last_complaint()` after a failed load gives
    "tensor 'blk.3.attn_q.weight' data is not within the file bounds"
"""

from __future__ import annotations

import ctypes
from collections import deque
from typing import TextIO

from crescent_lite.sampling.library import llama_cpp

WARNING = 3
"""ggml_log_level of a warning; an error is 4."""

_complaints: deque[str] = deque(maxlen=50)
_echoes: list[TextIO] = []
"""Where messages are written at once too; usually nowhere."""


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _remember(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    if level >= WARNING and (line := text.decode("utf-8", "replace").strip()):
        _complaints.append(line)
        for stream in _echoes:
            stream.write(f"{line}\n")
            stream.flush()


llama_cpp.llama_log_set(_remember, ctypes.c_void_p(0))


def echo_to(stream: TextIO) -> None:
    """Write each warning and error to a stream as well, for a process that the library may end."""
    _echoes.append(stream)


def forget_complaints() -> None:
    """Clear the remembered messages. Call it before an operation whose failure is to be explained."""
    _complaints.clear()


def last_complaint() -> str:
    """The most useful recent message: the first that names an error, without llama.cpp's function prefix."""
    errors = [line for line in _complaints if "error" in line.lower() or "fail" in line.lower()]
    line = (errors or list(_complaints) or ["llama.cpp gave no reason"])[0]
    return line.partition(": ")[2] or line
