"""Ollama, asked through its own API in `raw` mode: its OpenAI-style API would add a chat template of its own.

Example: see `server.py`. Sources: Ollama's docs/api.md, and server/routes.go for what happens to each field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from crescent_lite.errors import ModelError
from crescent_lite.records import Generation
from crescent_lite.sampling.server_limits import Limit
from crescent_lite.sampling.servers.connection import ServerTrouble
from crescent_lite.sampling.servers.fields import (
    MALFORMED,
    TOO_LONG,
    complaint,
    text,
    token_count,
    with_hidden_thoughts,
    with_thoughts,
)
from crescent_lite.sampling.servers.server import OTHER_TOKENS, Prompt, Server, ServerReply

LEAST_CONTEXT = 2048
"""Context that is asked for at least, in tokens. Each new length makes Ollama load the model again, so it is doubled
from here and never lowered."""


class OllamaServer(Server):
    """One Ollama. It gets one sample at a time: more only wait there, unless OLLAMA_NUM_PARALLEL was set for it."""

    _context_tokens = LEAST_CONTEXT
    _knows_think = True
    """Whether requests may say `think`; an Ollama that refuses it is asked without."""

    async def check(self, probe: Prompt) -> None:
        self.limit = Limit(1)
        names = list(await self._listed("/v1/models"))
        if self.model_name and f"{self.model_name}:latest" in names and self.model_name not in names:
            self.model_name += ":latest"
        self.model_name = self._choose(names)
        response = await self._ask("POST", "/api/show", {"model": self.model_name})
        if response.status_code == 200:
            described = self._json_of(response)
            details = described.get("model_info") if isinstance(described, dict) else None
            key = f"{self._model.architecture}.embedding_length"
            width = details.get(key) if isinstance(details, dict) else None
            if isinstance(width, int):
                self._refuse_other_sizes({"values in an embedding": width})
        body = self._json_of(await self._generate(probe, Generation(max_tokens=1, temperature=0), seed=0))
        counted = body.get("prompt_eval_count") if isinstance(body, dict) else None
        if isinstance(counted, int) and counted > len(probe.tokens):  # an old Ollama leaves out what it had cached
            self._refuse_other_count(counted, probe)

    async def complete(self, prompt: Prompt, generation: Generation, seed: int, count: int = 1) -> list[ServerReply]:
        try:
            response = await self._generate(prompt, generation, seed)
        except ServerTrouble as trouble:
            if not TOO_LONG.search(str(trouble)):
                raise
            return [ServerReply("", "context", 0, len(prompt.tokens))]
        if response.status_code == 400 and TOO_LONG.search(complaint(response)):
            return [ServerReply("", "context", 0, len(prompt.tokens))]
        completion = self._json_of(response)
        try:
            written, drawn = text(completion["response"]), token_count(completion.get("eval_count", 0))
            written = with_hidden_thoughts(with_thoughts(written, completion.get("thinking")), drawn)
            why, counted = completion["done_reason"], completion.get("prompt_eval_count")
            answering = completion.get("model")
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        self._refuse_other_model(self.model_name, answering)
        self._warn_of_a_cut(counted, prompt)
        return [ServerReply(written, "stop" if why == "stop" else "length", drawn, len(prompt.tokens))]

    async def _generate(self, prompt: Prompt, generation: Generation, seed: int) -> httpx.Response:
        body: dict[str, Any] = {
            "model": self.model_name,
            "prompt": prompt.text,
            "raw": True,
            "stream": False,
            # What does not fit is refused, instead of cut off in the middle of the prompt or of the reply.
            "truncate": False,
            "shift": False,
            "options": {
                "num_ctx": self._context_for(len(prompt.tokens) + generation.max_tokens),
                "num_predict": generation.max_tokens,
                "temperature": generation.temperature,
                "top_k": generation.top_k,
                "top_p": generation.top_p,
                "min_p": 0.0,
                "repeat_penalty": 1.0,
                "seed": seed,
                "stop": list(generation.stop),
            },
        }
        if self._knows_think:
            # The prompt, which is rendered here, decides whether the model thinks. `think` would only make Ollama
            # take the thoughts out of the reply, which leaves nothing of a reply that ends inside them.
            body["think"] = False
        response = await self._ask("POST", "/api/generate", body)
        if response.status_code == 400 and self._knows_think and "think" in complaint(response).lower():
            self._knows_think = False
            return await self._generate(prompt, generation, seed)
        return response

    def _context_for(self, tokens: int) -> int:
        """The context to ask for: enough for this request and for the earlier ones, at most what the model has."""
        while self._context_tokens < tokens + 1:
            self._context_tokens *= 2
        trained = self._model.shape.trained_context
        return min(self._context_tokens, trained) if trained > 0 else self._context_tokens

    def _warn_of_a_cut(self, counted: object, prompt: Prompt) -> None:
        """Warn, once, when Ollama has read fewer tokens than the prompt has."""
        words = "reads fewer tokens than a prompt has, so it may cut prompts off: update Ollama"
        if isinstance(counted, int) and 0 < counted < len(prompt.tokens) - OTHER_TOKENS and not self._is_cut:
            self._is_cut = True
            self.warnings.append(f"{words} ({counted:,} of {len(prompt.tokens):,} tokens)")

    _is_cut = False

    async def use_adapter(self, path: Path | None) -> None:
        if path:
            await self.require_adapters(None)

    async def require_adapters(self, trial: Path | None) -> None:
        raise ModelError(f"{self.url}: Ollama cannot load adapters; set sampling.adapters_here = true")
