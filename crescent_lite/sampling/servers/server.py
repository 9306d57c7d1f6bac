"""What every kind of server has in common: it is checked once, completes prompts, and may load adapters.

Knows no dialect. Example: await server.complete(prompt, generation, seed=7)
    -> [ServerReply(text="x = 4", finish_reason="stop", tokens=6, prompt_tokens=40)]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crescent_lite.errors import ModelError
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.server_limits import Limit, SpeedLimit
from crescent_lite.sampling.servers.connection import Connection
from crescent_lite.sampling.servers.fields import MALFORMED, shortened, text
from crescent_lite.sampling.servers.metrics import waiting_requests

OTHER_TOKENS = 1
"""By how many tokens a server's count of a text may differ from ours: whether it counts BOS is not fixed."""


CHECK_ADDRESS = "check that sampling.servers has the address of a server for language models"
OTHER_REQUEST = "its response belongs to another request"
"""The words for a response whose prompt or seed is not the one that was asked for."""
NO_SERVER = (
    "no server for language models answers there; write http://host:8080 for a llama-server, http://host:8000/v1 for "
    "an OpenAI-style server (vLLM, SGLang, LM Studio), http://host:11434 for Ollama"
)


@dataclass(frozen=True)
class Prompt:
    """One prompt, as tokens and as text, for servers that accept only one of them."""

    tokens: Sequence[int]
    text: str
    opening: str = ""
    """The opening tag of the model's thoughts, where the prompt ends with it."""


@dataclass(frozen=True)
class ServerReply:
    """One completion from a server; the fields are those of `records.Completion`."""

    text: str
    finish_reason: FinishReason
    tokens: int
    prompt_tokens: int
    mean_logprob: float | None = None
    token_ids: tuple[int, ...] | None = None
    """Ids of the drawn tokens, perhaps with some that are not part of `text`; None if the server tells none."""


class Server(ABC):
    """One server that completes prompts with one model. Methods raise ModelError, NetworkError or ServerTrouble."""

    draws_several: bool = False
    """Whether one request may ask for several replies; reply i is then drawn with the seed of the request + i."""

    def __init__(self, connection: Connection, model: GgufModel, model_name: str) -> None:
        self.url = connection.base
        self.model_name = model_name
        """The server's name of the base; '' until `check` has asked for it."""
        self.limit: Limit = SpeedLimit()
        """How many samples the server gets at a time; `check` may replace it."""
        self.warnings: list[str] = []
        """What was noticed and does not end the run, a sentence each; whoever shows them takes them out."""
        self._connection = connection
        self._model = model
        self._answering: dict[str, str] = {}
        """The model that replies name, by the model that was asked."""

    @abstractmethod
    async def check(self, probe: Prompt) -> None:
        """Raise an error unless the server responds and serves the model. `probe` is a prompt to try it with."""

    @abstractmethod
    async def complete(self, prompt: Prompt, generation: Generation, seed: int, count: int = 1) -> list[ServerReply]:
        """Complete one prompt `count` times, 1 unless the server draws several.

        Returns the replies in the order of their seeds; fewer than `count` if the server draws fewer after all.
        """

    async def waiting_requests(self) -> int | None:
        """How many requests wait at the server for their turn; None if it does not say."""
        response = await self._ask("GET", "/metrics", at_root=True)
        return waiting_requests(response.text) if response.status_code == 200 else None

    @abstractmethod
    async def use_adapter(self, path: Path | None) -> None:
        """Use a GGUF adapter in the requests that follow; None stops using it."""

    @abstractmethod
    async def require_adapters(self, trial: Path | None) -> None:
        """Raise ModelError when the server cannot load an adapter while it runs.

        `trial` is a PEFT folder with an adapter like those that will be trained, to try it with; it may be None.
        """

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
        return await self._connection.ask(method, path, body, **how)

    def _json_of(self, response: httpx.Response) -> Any:
        return self._connection.json_of(response)

    async def _listed(self, path: str, *, at_root: bool = False) -> dict[str, dict[str, Any]]:
        """The models that the server lists, by name. Raises ModelError."""
        response = await self._ask("GET", path, at_root=at_root)
        if response.status_code in (404, 405):
            raise ModelError(f"{self.url}: {NO_SERVER}")
        listed = self._json_of(response)
        try:
            return {text(model["id"]): model for model in listed["data"]}
        except MALFORMED:
            raise ModelError(
                f"{self.url}: does not list its models; check that it is the address of a server for language models"
            ) from None

    def _choose(self, names: Sequence[str], kind: str = "") -> str:
        """The model to ask for: the one in the settings, or the only one. Raises ModelError."""
        what = f"is {kind} and " if kind else ""
        if self.model_name and self.model_name not in names:
            raise ModelError(
                f"{self.url}: {what}does not serve the model {self.model_name!r}, but {shortened(names)}; "
                "correct sampling.server_model"
            )
        if not self.model_name and len(names) != 1:
            raise ModelError(f"{self.url}: {what}serves {shortened(names)}; name one in sampling.server_model")
        return self.model_name or names[0]

    def _refuse_other_sizes(self, served: dict[str, int]) -> None:
        """Raise ModelError where a size that the server reports is not that of the local model."""
        sizes = {"tokens in the vocabulary": self._model.vocab_size}
        sizes["values in an embedding"] = self._model.embedding_length
        for what, number in served.items():
            if number != sizes[what]:
                raise ModelError(
                    f"{self.url}: serves another model: it has {number:,} {what}, "
                    f"but {self._model.path.name} has {sizes[what]:,}; start it with that file"
                )

    def _refuse_other_count(self, counted: int, prompt: Prompt) -> None:
        """Raise ModelError if the server counts other tokens in a prompt than the local model: another tokenizer.

        Beside each control token there may be one more or less: some tokenizers put a space there.
        """
        controls = sum(map(self._model.is_control, prompt.tokens))
        if abs(counted - len(prompt.tokens)) > OTHER_TOKENS + controls:
            raise ModelError(
                f"{self.url}: serves another model: it counts {counted:,} tokens in a prompt that has "
                f"{len(prompt.tokens):,} with {self._model.path.name}; serve the model of that file"
            )

    def _refuse_other_model(self, asked: str, answering: object, others: Sequence[str] = ()) -> None:
        """Raise ModelError if a reply comes from another model of the server, or from another one than before.

        Some servers write a name in their own way; that is one warning.
        """
        if not isinstance(answering, str) or not answering:
            return
        before = self._answering.get(asked)
        if answering in others or before not in (None, answering):
            change = f"; before, {shortened([before or ''])} answered" if before not in (None, answering) else ""
            raise ModelError(
                f"{self.url}: the model {shortened([answering])} answers, but {shortened([asked])} was asked"
                f"{change}; correct sampling.server_model, or serve the model of the run"
            )
        self._answering[asked] = answering
        if before is None and asked and answering != asked:
            self.warnings.append(f"answers as {shortened([answering])} when {shortened([asked])} is asked")
