"""What servers understand: llama-server's own completions, and OpenAI-style ones. One reply per request.

Knows HTTP and the two dialects, not the order of the work. Prompts are raw: the chat template is the local GGUF's, so
a server adds nothing of its own. Whatever a server says is untrusted.
Sources: llama.cpp tools/server/README.md; OpenAI's API reference, legacy completions; vLLM and SGLang, LoRA adapters.
Example: await LlamaServer("http://gpu1:8080", http, model).complete(prompt, generation, seed=7)
    -> ServerReply(text="x = 4", finish_reason="stop", tokens=6, prompt_tokens=40)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crescent_lite.errors import ModelError, NetworkError
from crescent_lite.printable import printable
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.gguf_model import GgufModel

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may well succeed."""
REQUESTS_ELSEWHERE = 64
"""Under way at an OpenAI-style server, which does not say how many it takes (guess)."""


class ServerTrouble(Exception):  # noqa: N818  it is retried, and only then an error
    """A request failed for a reason that may pass: no connection, a cut-off answer, an overloaded server."""


class ServerHung(ServerTrouble):
    """No answer in time. Not tried again: the server is not busy, it is stuck."""


@dataclass(frozen=True)
class Prompt:
    """One prompt in both forms."""

    tokens: Sequence[int]
    text: str


@dataclass(frozen=True)
class ServerReply:
    """One completion."""

    text: str
    finish_reason: FinishReason
    tokens: int
    prompt_tokens: int


class Server(ABC):
    """One server that completes prompts of one model. Raises ModelError, NetworkError or ServerTrouble."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel) -> None:
        self.url = url.rstrip("/")
        self.name = str(httpx.URL(self.url).copy_with(username=None, password=None))
        self.requests = REQUESTS_ELSEWHERE
        """Requests it works on at the same time."""
        self._http = http
        self._model = model

    @abstractmethod
    async def check(self) -> None:
        """Make sure that it is there and serves the model."""

    @abstractmethod
    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        """One completion."""

    @abstractmethod
    async def use_adapter(self, path: Path | None) -> None:
        """Put an adapter on the model for the requests that follow, or none."""

    @abstractmethod
    async def require_adapters(self) -> None:
        """Raise ModelError where the server cannot load an adapter while it runs."""

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """One request; its answer, whatever the status but a transient one."""
        try:
            response = await self._http.request(method, self.url + path, json=body)
        except httpx.ConnectTimeout:
            raise ServerTrouble("cannot be reached in time") from None
        except httpx.TimeoutException:
            raise ServerHung(f"gives no answer within {self._http.timeout.read:g} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise NetworkError(f"{self.name}: cannot be asked: {error}") from None
        except httpx.TransportError as error:
            raise ServerTrouble(str(error) or type(error).__name__) from None
        if response.status_code in TRANSIENT:
            raise ServerTrouble(f"answers {response.status_code} ({_complaint(response)})")
        return response

    def accepted(self, response: httpx.Response) -> Any:
        """The JSON of an answer that is none of the errors a user has to mend."""
        status = response.status_code
        if status in (401, 403):
            raise NetworkError(f"{self.name}: refuses the key ({status}); see sampling.server_key_variable")
        if status >= 300:
            raise ModelError(f"{self.name}: answers {status}: {_complaint(response)}")
        try:
            return response.json()
        except ValueError:
            raise ServerTrouble("its answer is no JSON, or is cut off") from None


class LlamaServer(Server):
    """llama.cpp's llama-server. Prompts go as tokens, so they are exactly those of the in-process engine."""

    _adapters: list[dict[str, float]]

    async def check(self) -> None:
        properties = self.accepted(await self.ask("GET", "/props"))
        listed = self.accepted(await self.ask("GET", "/v1/models"))
        try:
            self.requests = max(1, int(properties["total_slots"]))
            meta = listed["data"][0]["meta"]
            served = {"tokens in the vocabulary": int(meta["n_vocab"]), "values in an embedding": int(meta["n_embd"])}
        except (KeyError, IndexError, TypeError, ValueError):
            raise ModelError(f"{self.name}: is no llama-server; an OpenAI-style address ends with /v1") from None
        here = dict(zip(served, (self._model.vocab_size, self._model.embedding_length), strict=True))
        for what, count in here.items():
            if served[what] != count:
                raise ModelError(
                    f"{self.name}: serves another model: {served[what]:,} {what}, "
                    f"and {self._model.path.name} has {count:,}"
                )
        await self.use_adapter(None)

    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        response = await self.ask(
            "POST",
            "/completion",
            {
                "prompt": list(prompt.tokens),
                "n_predict": generation.max_tokens,
                "temperature": generation.temperature,
                "top_k": generation.top_k,
                "top_p": generation.top_p,
                "samplers": ["top_k", "temperature", "top_p"],
                "stop": list(generation.stop),
                "seed": seed,
                "cache_prompt": True,
                "lora": self._adapters,
            },
        )
        if response.status_code == 400 and "exceed_context_size" in response.text:
            return ServerReply("", "context", 0, len(prompt.tokens))
        said = self.accepted(response)
        try:
            text, drawn, why = str(said["content"]), int(said["tokens_predicted"]), said["stop_type"]
        except (KeyError, TypeError, ValueError):
            raise ServerTrouble("its answer is no completion") from None
        reason: FinishReason = "stop"
        if why not in ("eos", "word"):
            reason = "length" if drawn >= generation.max_tokens else "context"
        return ServerReply(text, reason, drawn, len(prompt.tokens))

    async def use_adapter(self, path: Path | None) -> None:
        # A server started with --lora applies it to everything: what is not wanted is named with a scale of 0.
        loaded = self.accepted(await self.ask("GET", "/lora-adapters"))
        wanted = [each["id"] for each in loaded if path and _same_file(each["path"], path)]
        if path and not wanted:
            raise ModelError(
                f"{self.name}: has not loaded the adapter {path}, and cannot while it runs; start it with "
                f"--lora {path}, or set sampling.adapters_here = true"
            )
        self._adapters = [{"id": each["id"], "scale": float(each["id"] in wanted[:1])} for each in loaded]

    async def require_adapters(self) -> None:
        raise ModelError(
            f"{self.name}: a llama-server cannot load the adapters that this run will train; "
            "set sampling.adapters_here = true to sample the trained models in this process"
        )


class OpenAiServer(Server):
    """OpenAI-style completions: vLLM, SGLang, LM Studio, Ollama. `url` ends with /v1."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel, model_name: str) -> None:
        super().__init__(url, http, model)
        self.model_name = self._served = model_name
        """The base as the server calls it; '' until `check` has asked."""

    async def check(self) -> None:
        listed = self.accepted(await self.ask("GET", "/models"))
        try:
            names = [str(each["id"]) for each in listed["data"]]
        except (KeyError, TypeError):
            raise ModelError(f"{self.name}: lists no models; is it an OpenAI-style address?") from None
        if self.model_name and self.model_name not in names:
            raise ModelError(f"{self.name}: has no model {self.model_name!r}; it serves {_some(names)}")
        if not self.model_name and len(names) != 1:
            raise ModelError(f"{self.name}: serves {_some(names)}; name one in sampling.server_model")
        self.model_name = self._served = self.model_name or names[0]

    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        body: dict[str, Any] = {
            "model": self._served,
            "prompt": prompt.text,
            "max_tokens": generation.max_tokens,
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "seed": seed,
        }
        if generation.top_k:
            body["top_k"] = generation.top_k
        if generation.stop:
            body["stop"] = list(generation.stop)
        response = await self.ask("POST", "/completions", body)
        if response.status_code == 400 and "context" in _complaint(response):
            return ServerReply("", "context", 0, len(prompt.tokens))
        said = self.accepted(response)
        try:
            choice = said["choices"][0]
            text, why = str(choice["text"]), choice["finish_reason"]
            drawn = int((said.get("usage") or {}).get("completion_tokens", 0))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise ServerTrouble("its answer is no completion") from None
        return ServerReply(text, "stop" if why == "stop" else "length", drawn, len(prompt.tokens))

    async def use_adapter(self, path: Path | None) -> None:
        if path is None:
            self._served = self.model_name
            return
        name = "-".join(path.parts[-3:-1])
        folder = path.parent / "peft"
        response = await self._load_adapter({"lora_name": name, "lora_path": str(folder)})
        if response.status_code >= 300 and "already" not in _complaint(response):
            raise ModelError(
                f"{self.name}: cannot load the adapter {folder} ({response.status_code}: {_complaint(response)}); "
                "it has to be there under the same path, or set sampling.adapters_here = true"
            )
        self._served = name

    async def require_adapters(self) -> None:
        if (await self._load_adapter({})).status_code in (404, 405, 501):
            raise ModelError(
                f"{self.name}: cannot load the adapters that this run will train. vLLM can with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True; or set sampling.adapters_here = true"
            )

    async def _load_adapter(self, body: dict[str, str]) -> httpx.Response:
        """vLLM's way, or SGLang's, which is beside /v1."""
        response = await self.ask("POST", "/load_lora_adapter", body)
        return response if response.status_code != 404 else await self.ask("POST", "/../load_lora_adapter", body)


def _same_file(theirs: str, ours: Path) -> bool:
    """Whether a path on the server's disk is our adapter: the run and the round in it say so."""
    return Path(theirs).parts[-3:] == ours.parts[-3:]


def _complaint(response: httpx.Response) -> str:
    """What an answer says went wrong, in one printable line."""
    try:
        said = response.json()
    except ValueError:
        said = response.text
    for key in ("error", "message"):
        if isinstance(said, dict):
            said = said.get(key, said)
    return printable(" ".join(str(said).split()))[:200] or "without a reason"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "nothing"
