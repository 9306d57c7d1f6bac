"""Repeats a request to a server whose failure may be temporary, with growing random pauses in between.

Knows kinds of failure, no server. Example: await retried(8, server.check, probe)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from crescent_lite.sampling.servers.connection import ServerBusy, ServerFailed, ServerHung, ServerTrouble

T = TypeVar("T")

ATTEMPTS_AFTER_500 = 3
"""Attempts for one request after an internal error of the server, which is mostly not temporary (guess)."""
LONGEST_PAUSE_SECONDS = 8.0
"""Longest pause between two attempts (guess)."""


async def retried(attempts: int, ask: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Call `ask`, and again after a failure that may be temporary, up to `attempts` times in all."""
    retrying = AsyncRetrying(
        stop=lambda state: (
            state.attempt_number >= (min(attempts, ATTEMPTS_AFTER_500) if _has_failed(state) else attempts)
        ),
        wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
        retry=retry_if_exception(
            lambda error: isinstance(error, ServerTrouble) and not isinstance(error, ServerHung | ServerBusy)
        ),
        reraise=True,
    )
    return await retrying(ask, *arguments)


def _has_failed(state: RetryCallState) -> bool:
    return state.outcome is not None and isinstance(state.outcome.exception(), ServerFailed)
