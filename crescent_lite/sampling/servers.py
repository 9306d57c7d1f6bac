"""The dialects of completion servers: llama-server's own API, OpenAI-style completions, and Ollama's API.

Knows HTTP and the dialects, not the order of the work or retries. Prompts are raw: they are wrapped in the local
GGUF's chat template, so a server adds nothing of its own. Everything that a server sends is untrusted.
Sources: llama.cpp tools/server/README.md; OpenAI's API reference, legacy completions; the vLLM and SGLang
documentation on LoRA adapters; Ollama's API reference.
Example: await LlamaServer("http://gpu1:8080", http, model).complete(prompt, generation, seed=7)
    -> ServerReply(text="x = 4", finish_reason="stop", tokens=6, prompt_tokens=40)
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crescent_lite.errors import ModelError, NetworkError
from crescent_lite.printable import printable, storable
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.thoughts import control_tags

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed later."""
OPENAI_REQUESTS = 32
"""Requests at a time for an OpenAI-style server, which does not report how many it accepts (guess)."""
MAX_REPLY_BYTES = 16_000_000
"""A longer response is rejected; no real completion is that long (guess)."""


class ServerTrouble(Exception):  # noqa: N818  it is retried first, and becomes an error only when that fails
    """A request failed for a reason that may be temporary, such as a lost connection or an overloaded server."""


class ServerHung(ServerTrouble):
    """A server did not respond in time. The request is not retried: the server is stuck rather than busy."""


MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""The exceptions that are raised when a response does not have the documented form."""


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


class Server(ABC):
    """One server that completes prompts with one model. Methods raise ModelError, NetworkError or ServerTrouble."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel) -> None:
        self.url = url.rstrip("/")
        self.requests = OPENAI_REQUESTS
        """How many requests the server gets at a time."""
        self._http = http
        self._model = model

    @abstractmethod
    async def check(self) -> None:
        """Raise an error unless the server responds and serves the model."""

    @abstractmethod
    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        """Complete one prompt."""

    @abstractmethod
    async def use_adapter(self, path: Path | None) -> None:
        """Use a GGUF adapter in the requests that follow; None stops using it."""

    @abstractmethod
    async def require_adapters(self) -> None:
        """Raise ModelError when the server cannot load an adapter while it runs."""

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, outside_v1: bool = False
    ) -> httpx.Response:
        """Send one request and return the response, whatever its status. `outside_v1` drops /v1 from the address.

        Raises ServerTrouble for a transient status or a failed connection, and NetworkError for a request that cannot
        be sent at all.
        """
        base = self.url.removesuffix("/v1") if outside_v1 else self.url
        seconds = self._http.timeout.read
        try:
            async with asyncio.timeout(seconds):  # for the whole response: httpx's own timeout is for each part of it
                response = await self._http.request(method, base + path, json=body)
        except httpx.ConnectTimeout:
            raise ServerTrouble("cannot be reached in time") from None
        except (httpx.TimeoutException, TimeoutError):
            raise ServerHung(f"did not respond within {seconds:g} s (sampling.server_timeout_seconds)") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # The message itself is left out: it may contain the API key.
            raise NetworkError(
                f"{self.url}: the request cannot be sent ({type(error).__name__}); correct sampling.servers"
            ) from None
        except httpx.RequestError as error:
            raise ServerTrouble(str(error) or type(error).__name__) from None
        if response.status_code in TRANSIENT:
            raise ServerTrouble(f"responded with status {response.status_code} ({_complaint(response)})")
        return response

    def json_of(self, response: httpx.Response) -> Any:
        """The JSON in a successful response. Raises NetworkError, ModelError or ServerTrouble for any other."""
        status = response.status_code
        if status in (401, 403):
            raise NetworkError(f"{self.url}: rejected the API key ({status}); see sampling.server_key_variable")
        if status >= 300:
            raise ModelError(f"{self.url}: responded with status {status}: {_complaint(response)}")
        try:
            if len(response.content) > MAX_REPLY_BYTES:
                raise ServerTrouble(f"its response is too long ({len(response.content):,} bytes)")
            return response.json()
        except (ValueError, RecursionError):
            raise ServerTrouble("its response is not JSON, or is truncated") from None


class LlamaServer(Server):
    """llama.cpp's llama-server. Prompts are sent as tokens, exactly those that `LlamaSampler` would decode."""

    _adapters: list[dict[str, float]]

    async def check(self) -> None:
        properties = self.json_of(await self.ask("GET", "/props"))
        listed = self.json_of(await self.ask("GET", "/v1/models"))
        try:
            self.requests = max(1, int(properties["total_slots"]))
            meta = listed["data"][0]["meta"]
            served = {"tokens in the vocabulary": int(meta["n_vocab"]), "values in an embedding": int(meta["n_embd"])}
        except MALFORMED:
            raise ModelError(
                f"{self.url}: is not a llama-server; the address of an OpenAI-style server must end with /v1"
            ) from None
        here = dict(zip(served, (self._model.vocab_size, self._model.embedding_length), strict=True))
        for what, count in here.items():
            if served[what] != count:
                raise ModelError(
                    f"{self.url}: serves another model: it has {served[what]:,} {what}, "
                    f"but {self._model.path.name} has {count:,}; start it with that file"
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
                "n_probs": int(generation.logprobs),
                "preserved_tokens": list(control_tags(self._model)),
            },
        )
        if response.status_code == 400 and "exceed_context_size" in response.text:
            return ServerReply("", "context", 0, len(prompt.tokens))
        body = self.json_of(response)
        try:
            text, drawn, why = _text(body["content"]), _count(body["tokens_predicted"]), body["stop_type"]
            logprob = _mean([token["logprob"] for token in body.get("completion_probabilities") or ()])
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        reason: FinishReason = "stop"
        if why not in ("eos", "word"):
            reason = "length" if drawn >= generation.max_tokens else "context"
        return ServerReply(text, reason, drawn, len(prompt.tokens), logprob if generation.logprobs else None)

    async def use_adapter(self, path: Path | None) -> None:
        # A server started with --lora applies the adapter to every request, unless the request gives it a scale of 0.
        listed = self.json_of(await self.ask("GET", "/lora-adapters"))
        try:
            loaded = [(int(adapter["id"]), str(adapter["path"])) for adapter in listed]
        except MALFORMED:
            raise ModelError(
                f"{self.url}: does not list its adapters as llama-server does; check sampling.servers"
            ) from None
        wanted = [number for number, reported in loaded if path and _same_file(reported, path)]
        if path and not wanted:
            raise ModelError(
                f"{self.url}: has not loaded the adapter {path}, and cannot load it while it runs; start it with "
                f"--lora {path}, or set sampling.adapters_here = true"
            )
        self._adapters = [{"id": number, "scale": float(number in wanted[:1])} for number, _ in loaded]

    async def require_adapters(self) -> None:
        raise ModelError(
            f"{self.url}: a llama-server cannot load the adapters that this run will train; "
            "set sampling.adapters_here = true to sample the trained models in this process"
        )


class OpenAiServer(Server):
    """A server with OpenAI-style completions: vLLM, SGLang or LM Studio. `url` ends with /v1."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel, model_name: str) -> None:
        super().__init__(url, http, model)
        self.model_name = model_name
        """The server's name of the base; '' until `check` has asked for it."""
        self._adapter_fields: dict[str, str] = {}
        """Fields that make a request use the adapter; empty without one."""
        self._context_tokens = 2**31
        """Context length that the server reports, in tokens; a number too large to matter if it reports none."""

    async def check(self) -> None:
        listed = self.json_of(await self.ask("GET", "/models"))
        try:
            # vLLM also lists the adapters it has loaded: their `parent` is the base.
            bases = {_text(model["id"]): model for model in listed["data"] if not model.get("parent")}
        except MALFORMED:
            raise ModelError(
                f"{self.url}: does not list its models; check that it is the address of an OpenAI-style server"
            ) from None
        if self.model_name and self.model_name not in bases:
            raise ModelError(
                f"{self.url}: does not serve the model {self.model_name!r}, but {_shortened(list(bases))}; "
                "correct sampling.server_model"
            )
        if not self.model_name and len(bases) != 1:
            raise ModelError(f"{self.url}: serves {_shortened(list(bases))}; name one in sampling.server_model")
        self.model_name = self.model_name or next(iter(bases))
        limit = bases[self.model_name].get("max_model_len")  # vLLM rejects a request that might become longer
        if isinstance(limit, int):
            self._context_tokens = limit

    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        room = self._context_tokens - len(prompt.tokens)
        if room < 1:
            return ServerReply("", "context", 0, len(prompt.tokens))
        body: dict[str, Any] = {
            "model": self.model_name,
            "prompt": prompt.text,
            "max_tokens": min(generation.max_tokens, room),
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "seed": seed,
            # Neutral values are sent too: for a missing one, vLLM uses the model's generation_config.json.
            "top_k": generation.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            **self._adapter_fields,
        }
        if generation.stop:
            body["stop"] = list(generation.stop)
        if control_tags(self._model):
            # The tags of the model's thoughts would be left out: the first is for vLLM and SGLang.
            body |= {"skip_special_tokens": False, "preserved_tokens": list(control_tags(self._model))}
        if generation.logprobs:
            body["logprobs"] = 1
        completion = self.json_of(await self.ask("POST", "/completions", body))
        try:
            choice = completion["choices"][0]
            text, why = _text(choice["text"]), choice["finish_reason"]
            drawn = _count((completion.get("usage") or {}).get("completion_tokens", 0))
            logprobs = choice.get("logprobs") or {}
            # llama-server reports log-probabilities in the form of OpenAI's chat completions, under "content".
            in_chat_form = [token["logprob"] for token in logprobs.get("content") or ()]
            logprob = _mean(logprobs.get("token_logprobs") or in_chat_form)
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        reason: FinishReason = "stop"
        if why != "stop":
            reason = "length" if room >= generation.max_tokens else "context"
        return ServerReply(text, reason, drawn, len(prompt.tokens), logprob)

    async def use_adapter(self, path: Path | None) -> None:
        self._adapter_fields = {}
        if path is None:
            return
        # The name contains the checksum, because the server may already have loaded round 1 of another workspace.
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"{'-'.join(path.parts[-3:-1])}-{checksum[:12]}"
        folder = path.parent / "peft"
        response, field = await self._load_adapter({"lora_name": name, "lora_path": str(folder)})
        if response.status_code >= 300 and "already" not in _complaint(response):
            raise ModelError(
                f"{self.url}: cannot load the adapter {folder} ({response.status_code}: {_complaint(response)}); "
                "make the folder available there under the same path, or set sampling.adapters_here = true"
            )
        self._adapter_fields = {field: name}

    async def require_adapters(self) -> None:
        response, _ = await self._load_adapter({})
        if response.status_code in (404, 405, 501):
            raise ModelError(
                f"{self.url}: cannot load the adapters that this run will train; start vLLM with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or set sampling.adapters_here = true"
            )

    async def _load_adapter(self, body: dict[str, str]) -> tuple[httpx.Response, str]:
        """Ask the server to load an adapter; return its response, and the request field that names the adapter later.

        vLLM loads adapters under /v1, and a request names the adapter as its model. SGLang loads them outside /v1,
        and a request has a separate field for the adapter.
        """
        response = await self.ask("POST", "/load_lora_adapter", body)
        if response.status_code not in (404, 405):
            return response, "model"
        return await self.ask("POST", "/load_lora_adapter", body, outside_v1=True), "lora_path"


class OllamaServer(OpenAiServer):
    """Ollama, asked through its own API in `raw` mode: its OpenAI-style API would add a chat template of its own."""

    async def complete(self, prompt: Prompt, generation: Generation, seed: int) -> ServerReply:
        options = {
            "num_predict": generation.max_tokens,
            "temperature": generation.temperature,
            "top_k": generation.top_k,
            "top_p": generation.top_p,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "seed": seed,
            "stop": list(generation.stop),
        }
        body = {"model": self.model_name, "prompt": prompt.text, "raw": True, "stream": False, "options": options}
        completion = self.json_of(await self.ask("POST", "/api/generate", body, outside_v1=True))
        try:
            text, drawn = _text(completion["response"]), _count(completion.get("eval_count", 0))
            why = completion["done_reason"]
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        return ServerReply(text, "stop" if why == "stop" else "length", drawn, len(prompt.tokens))

    async def use_adapter(self, path: Path | None) -> None:
        if path:
            await self.require_adapters()

    async def require_adapters(self) -> None:
        raise ModelError(f"{self.url}: Ollama cannot load adapters; set sampling.adapters_here = true")


async def is_ollama(server: OpenAiServer) -> bool:
    """Whether the server at an OpenAI-style address is Ollama."""
    response = await server.ask("GET", "/api/version", outside_v1=True)
    try:
        return response.status_code == 200 and set(response.json()) == {"version"}
    except (ValueError, TypeError, RecursionError):
        return False


def _same_file(reported: str, adapter: Path) -> bool:
    """Whether a path that a server reports is the adapter: the same path, or the same file on a disk we can read."""
    path = Path(reported)
    return path == adapter or (path.is_file() and path.samefile(adapter))


def _text(value: object) -> str:
    """The value, if it is a text, as it can be stored. Raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return storable(value)


def _count(value: object) -> int:
    """The value, if it is a plausible count of tokens. Raises ValueError otherwise."""
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a count was expected")
    return value


def _mean(logprobs: Sequence[object]) -> float | None:
    """The mean of log-probabilities; None for an empty list. Raises ValueError when one is not a finite number."""
    values = [float(value) for value in logprobs if isinstance(value, int | float)]
    if len(values) != len(logprobs) or not all(map(math.isfinite, values)):
        raise ValueError("log-probabilities were expected")
    return sum(values) / len(values) if values else None


def _complaint(response: httpx.Response) -> str:
    """The error message in a response, as one printable line of at most 200 characters."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = response.text
    for key in ("error", "message"):
        if isinstance(body, dict):
            body = body.get(key, body)
    return printable(" ".join(str(body).split()))[:200] or "no reason given"


def _shortened(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    shown = ", ".join(printable(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "no model"
