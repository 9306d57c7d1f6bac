"""The one seam between the method and whatever draws the tokens.

Prompts go in, completions come out as they finish, in any order. Owns the shape only; knows no engine.
Example: for completion in sampler.sample([Request(key="q1", user="What is 2 + 3?", generation=g)]): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from crescent_lite.records import Completion, Request

Watch = Callable[[str, str], object]
"""Is told the key of a request and the text of one of its samples so far; its last character may be half of one."""


@dataclass
class SamplerUsage:
    """What a sampler has done since it was made."""

    tokens: int = 0
    """Tokens drawn."""
    prompt_tokens: int = 0
    """Prompt tokens decoded, and what a paused sample had to decode again; what was copied is not counted."""
    seconds: float = 0.0
    """Time spent decoding and drawing."""
    decode_seconds: float = 0.0
    """Of these, time inside the engine's decode."""
    pauses: int = 0
    """How often a sample was taken out of its slot because the cache was full. It goes on later; nothing is lost."""
    lost_servers: int = 0
    """Servers that stopped answering while the others went on."""

    def __add__(self, other: SamplerUsage) -> SamplerUsage:
        return SamplerUsage(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: SamplerUsage) -> SamplerUsage:
        return SamplerUsage(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


class Sampler(Protocol):
    """Draws completions of one base model with at most one adapter on it."""

    usage: SamplerUsage

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, each once, as it finishes.

        `requests` is read whole before the first token. A deque is emptied, and what is appended to it while the
        completions come is drawn too, before the rest: votes in waves. Closing the iterator abandons the rest.
        `watch` sees the texts grow, where the engine draws in this process; else it is never called.
        Raises OutOfMemoryError or ModelError.
        """
        ...

    def use_adapter(self, path: Path | None) -> None:
        """Put a GGUF adapter on the base, or none, without reloading the base. Raises ModelError."""
        ...

    def encode_example(self, user: str, solution: str) -> tuple[Sequence[int], int]:
        """The tokens of prompt + solution + end of turn, and how many of them are the prompt."""
        ...

    def close(self) -> None:
        """Free the model's memory. The sampler cannot be used again."""
        ...
