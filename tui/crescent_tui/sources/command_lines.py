"""What was done on the screens, as the command lines that do the same. Pure.

Example: line_of("data", "export", ("gguf", "--run", "3")).text -> "crescent export gguf --run 3 -w data"
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.printable import printable_line
from crescent_lite.redaction import redacted

MOST_CHARACTERS = 2_000


@dataclass(frozen=True)
class CommandLine:
    """One command line."""

    at: float
    """Seconds since 1970."""
    text: str
    """As typed in a shell. Made printable, on one line, without secrets."""


def line_of(folder: str, command: str, arguments: Sequence[str], at: float | None = None) -> CommandLine:
    """The line of a `crescent` command; the workspace comes before a `--`, after which there are only texts."""
    options, end, texts = list(arguments), [], []
    if "--" in options:
        at_end = options.index("--")
        options, end, texts = options[:at_end], ["--"], options[at_end + 1 :]
    words = ["crescent", command, *options, "-w", folder, *end, *texts]
    text = shlex.join(" ".join(word.split()) for word in words)
    return CommandLine(time.time() if at is None else at, redacted(printable_line(text, MOST_CHARACTERS)))
