"""What a pool needs of a worker, wherever it runs.

Example: worker.send({"sample": ...}); for message in worker.take(): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crescent_lite.sampling.workers.messages import Message


class WorkerEnded(Exception):  # noqa: N818  the pool starts another one, and reports it only when that does not help
    """A worker has ended. The message says how, one line."""

    def __init__(self, words: str, *, was_killed: bool = False) -> None:
        super().__init__(words)
        self.was_killed = was_killed
        """Whether it was killed, as the system does when memory runs out."""


class Worker(ABC):
    """One worker of a pool."""

    name: str
    """Who it is, for messages: 'worker 2 (GPU 1)'."""

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send a message. One that a worker which has ended does not get is no error here: see `take`."""

    @abstractmethod
    def take(self) -> list[Message]:
        """The messages that have arrived, without waiting. Raises WorkerEnded when it has ended and sent no more."""

    @abstractmethod
    def close(self) -> None:
        """End the worker, and wait until it has ended."""

    def adapter_message(self, path: Path | None) -> Message:
        """The message that puts an adapter on."""
        return {"adapter": str(path.absolute()) if path else None}


class Hands(ABC):
    """Where the workers of a pool come from."""

    count: int
    """How many workers there are at a time; at least 1."""

    @abstractmethod
    def start(self, number: int, opened: dict[str, Any]) -> Worker:
        """Start worker `number`, from 0, with the message that opens its model. Raises CrescentError."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Wait until a worker has sent something or has ended, for at most `seconds`."""

    def close(self) -> None:  # noqa: B027  most share nothing
        """Free what the workers share."""
