"""Reads the fields of a server's response, which is untrusted: each value has the expected type, or raises.

Knows types and texts, no dialect. Example: token_count(body["tokens_predicted"]) -> 12
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import httpx

from crescent_lite.printable import printable_line, storable
from crescent_lite.redaction import redacted

MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""The exceptions that are raised when a response does not have the documented form."""
HIDDEN_TOKENS = 8
"""Tokens from which a reply without text is taken for thoughts that the server keeps back (guess). The end of a turn,
some line breaks and a stop text are fewer."""
MOST_NAME = 100
"""Characters of the name of a model that are shown."""
MOST_COMPLAINT = 10_000
"""Characters of a complaint that are looked at."""
TOO_LONG = re.compile(
    r"exceed_context|context (length|size|window)|(maximum|available|model's) context|max_model_len", re.I
)
"""Found in the complaint of a server whose context is too short for a prompt, in the words of each kind."""


def text(value: object) -> str:
    """The value, if it is a text, as it can be stored. Raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return storable(value)


def token_count(value: object) -> int:
    """The value, if it is a plausible count of tokens. Raises ValueError otherwise."""
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a count was expected")
    return value


def ids(value: object) -> tuple[int, ...] | None:
    """The value, if it is a list of token ids; None without it. Raises TypeError or ValueError otherwise."""
    if not value:
        return None
    if not isinstance(value, list):
        raise TypeError("a list of tokens was expected")
    return tuple(map(token_count, value))


def mean(logprobs: Sequence[object]) -> float | None:
    """The mean of log-probabilities; None for an empty list. Raises ValueError when one is not a finite number."""
    values = [float(value) for value in logprobs if isinstance(value, int | float)]
    if len(values) != len(logprobs) or not all(map(math.isfinite, values)):
        raise ValueError("log-probabilities were expected")
    return sum(values) / len(values) if values else None


def with_thoughts(reply: str, thoughts: object) -> str:
    """The whole reply where a server keeps the thoughts in a field of their own.

    Thoughts that no reply follows have not ended, so their tag stays open.
    """
    if not isinstance(thoughts, str) or not thoughts.strip():
        return reply
    return f"<think>{text(thoughts)}</think>{reply}" if reply.strip() else f"<think>{text(thoughts)}"


def with_hidden_thoughts(reply: str, tokens: int) -> str:
    """The reply, or an opening tag alone where a server has drawn many tokens and shows none of them.

    Such a server takes the thoughts out of the reply. The reply never left them, which is the reason that it has no
    answer; an empty reply would say that the model wrote nothing.
    """
    return reply if reply.strip() or tokens < HIDDEN_TOKENS else "<think>"


def complaint(response: httpx.Response) -> str:
    """The error message in a response, as one printable line of at most 200 characters."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = response.text
    for key in ("error", "message", "error_message", "detail"):
        if isinstance(body, dict):
            body = body.get(key, body)
    said = redacted(printable_line(str(body)[:MOST_COMPLAINT])[: MOST_NAME * 2])
    return said or "no reason given"


def shortened(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    shown = ", ".join(printable_line(name, MOST_NAME) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "no model"
