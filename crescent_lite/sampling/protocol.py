"""The Sampler protocol: the only interface between the method and whatever draws the tokens.

Prompts go in, completions come out as they finish, in any order. Owns the interface only; knows no implementation.
Example: for completion in sampler.sample([Request(key="q1", user="What is 2 + 3?", generation=g)]): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from crescent_lite.records import Completion, Request

Watch = Callable[[str, str], object]
"""Callback that receives the key of a request and the text so far of one of its samples. The last character of the
text may be incomplete."""


@dataclass
class SamplerUsage:
    """What a sampler has done since it was created."""

    tokens: int = 0
    """Tokens drawn."""
    prompt_tokens: int = 0
    """Prompt tokens decoded, plus the tokens that paused samples decoded again. Tokens whose cache cells were copied
    from another sequence are not counted."""
    seconds: float = 0.0
    """Time spent decoding and drawing; with servers or workers, time spent waiting for replies."""
    decode_seconds: float = 0.0
    """The part of `seconds` inside llama.cpp's decode; 0 with servers or workers."""
    pauses: int = 0
    """How often a sample had to leave its slot because the cache was full. Such a sample continues later."""
    lost_servers: int = 0
    """Servers, or places of workers, that failed while sampling."""
    started: int = 0
    """Samples of which tokens are drawn one by one, so that `tokens` counts those of unfinished ones too; 0 with
    servers."""
    ended: int = 0
    """Those of them that have ended."""

    def __add__(self, other: SamplerUsage) -> SamplerUsage:
        return SamplerUsage(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: SamplerUsage) -> SamplerUsage:
        return SamplerUsage(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


class Sampler(Protocol):
    """Draws completions from one base model with at most one adapter on it."""

    usage: SamplerUsage
    """Totals since the sampler was created."""

    @property
    def effective(self) -> Mapping[str, int | float]:
        """What the settings that choose for themselves came to, by `section.key`; empty before the first sample."""
        ...

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, each once, as it finishes.

        `requests` is read completely before the first token. A deque is emptied, and requests appended to it during
        the iteration are drawn too, before those still waiting; that is how votes are drawn in waves. Closing the
        iterator abandons the rest.
        `watch` is called as the texts grow, but only by a sampler that draws in this process.
        Raises OutOfMemoryError, ModelError or NetworkError.
        """
        ...

    def use_adapter(self, path: Path | None) -> None:
        """Put a GGUF adapter on the base without reloading the base; None removes the adapter. Raises ModelError."""
        ...

    def encode_example(
        self, user: str, solution: str, drawn: Sequence[int] | None = None
    ) -> tuple[Sequence[int], int]:
        """The tokens of prompt + solution + end of turn, and how many of them belong to the prompt.

        `drawn` are the tokens with which the solution was drawn, if they are known; they are used if they spell it in
        this model's vocabulary.
        """
        ...

    def close(self) -> None:
        """Free the model's memory. The sampler cannot be used afterwards."""
        ...
