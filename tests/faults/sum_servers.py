"""Servers that ask sums and answer them: each reply is a function of prompt and seed, so it can be checked later."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from fake_sampler import FakeSampler
from server_stand_ins import NOT_FOUND, Answer, Body, Kind, Vllm

from crescent_lite.records import Generation, Request


class _Sums(Kind):
    """What both kinds of server draw."""

    drawn: dict[tuple[int, str], set[str]]
    """Prompts by the seed and the text that they gave."""

    def draw(self, prompt: object, seed: int) -> str:
        """The reply to a prompt with a seed."""
        text = prompt if isinstance(prompt, str) else b"".join(map(self._model.piece, prompt)).decode()  # type: ignore[call-overload]
        reply = FakeSampler()._say(Request("", text, Generation(8)), random.Random(seed))
        self.drawn.setdefault((seed, reply), set()).add(text)
        return reply


class SumLlamaServer(_Sums):
    """A llama-server, alone."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.drawn = {}

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        if path == "/v1/models":
            sizes = {"n_vocab": self._model.vocab_size, "n_embd": self._model.embedding_length}
            return Answer({"data": [{"id": "tiny", "owned_by": "llamacpp", "meta": sizes}]})
        if path == "/props":
            return Answer({"total_slots": 4, "model_path": "/models/tiny.gguf"})
        if path == "/lora-adapters":
            return Answer([])
        if path != "/completion":
            return NOT_FOUND
        text = self.draw(body["prompt"], body["seed"])
        tokens = self._model.tokenize(text, special=False)
        fields = {"content": text, "tokens_predicted": len(tokens), "stop_type": "eos", "model": "/models/tiny.gguf"}
        used = {"seed": body["seed"], "temperature": body["temperature"]}
        return Answer({**fields, "tokens": tokens, "tokens_evaluated": 5, "generation_settings": used})


class SumVllm(Vllm, _Sums):
    """A vLLM, which draws several votes in one request."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.drawn = {}
        self.max_model_len = 2048

    def completion(self, body: Body, model: str) -> Answer:
        found = super().completion(body, model).body
        assert isinstance(found, dict)
        for choice in found["choices"]:
            choice["text"] = self.draw(body["prompt"], body.get("seed", 0) + choice["index"])
        return Answer(found)
