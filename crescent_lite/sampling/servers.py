"""What servers understand: llama-server's own completions, and OpenAI-style ones. One reply per request.

Knows HTTP and the two dialects, not the order of the work. Prompts are raw: the chat template is the local GGUF's, so
a server adds nothing of its own. Whatever a server says is untrusted.
Sources: llama.cpp tools/server/README.md; OpenAI's API reference, legacy completions; vLLM and SGLang, LoRA adapters;
Ollama's API reference.
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
from crescent_lite.printable import printable
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.gguf_model import GgufModel

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may well succeed."""
REQUESTS_ELSEWHERE = 32
"""Under way at an OpenAI-style server, which does not say how many it takes (guess)."""
MAX_REPLY_BYTES = 16_000_000
"""More than any reply needs; a longer answer is not read (guess)."""


class ServerTrouble(Exception):  # noqa: N818  it is retried, and only then an error
    """A request failed for a reason that may pass: no connection, a cut-off answer, an overloaded server."""


class ServerHung(ServerTrouble):
    """No answer in time. Not tried again: the server is not busy, it is stuck."""


MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading an answer of another form than the documented one raises."""


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
    mean_logprob: float | None = None


class Server(ABC):
    """One server that completes prompts of one model. Raises ModelError, NetworkError or ServerTrouble."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel) -> None:
        self.url = url.rstrip("/")
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

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, beside: bool = False
    ) -> httpx.Response:
        """One request; its answer, whatever the status but a transient one. `beside`: not under /v1."""
        base = self.url.removesuffix("/v1") if beside else self.url
        seconds = self._http.timeout.read
        try:
            async with asyncio.timeout(seconds):  # of the whole answer: httpx's own is for each piece of it
                response = await self._http.request(method, base + path, json=body)
        except httpx.ConnectTimeout:
            raise ServerTrouble("cannot be reached in time") from None
        except (httpx.TimeoutException, TimeoutError):
            raise ServerHung(f"gives no answer within {seconds:g} s (sampling.server_timeout_seconds)") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # Not in its own words: they may hold the key.
            raise NetworkError(f"{self.url}: cannot be asked ({type(error).__name__})") from None
        except httpx.RequestError as error:
            raise ServerTrouble(str(error) or type(error).__name__) from None
        if response.status_code in TRANSIENT:
            raise ServerTrouble(f"answers {response.status_code} ({_complaint(response)})")
        return response

    def accepted(self, response: httpx.Response) -> Any:
        """The JSON of an answer that is none of the errors a user has to mend."""
        status = response.status_code
        if status in (401, 403):
            raise NetworkError(f"{self.url}: refuses the key ({status}); see sampling.server_key_variable")
        if status >= 300:
            raise ModelError(f"{self.url}: answers {status}: {_complaint(response)}")
        try:
            if len(response.content) > MAX_REPLY_BYTES:
                raise ServerTrouble(f"its answer is {len(response.content):,} bytes long")
            return response.json()
        except (ValueError, RecursionError):
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
        except MALFORMED:
            raise ModelError(f"{self.url}: is no llama-server; an OpenAI-style address ends with /v1") from None
        here = dict(zip(served, (self._model.vocab_size, self._model.embedding_length), strict=True))
        for what, count in here.items():
            if served[what] != count:
                raise ModelError(
                    f"{self.url}: serves another model: {served[what]:,} {what}, "
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
                "n_probs": int(generation.logprobs),
            },
        )
        if response.status_code == 400 and "exceed_context_size" in response.text:
            return ServerReply("", "context", 0, len(prompt.tokens))
        said = self.accepted(response)
        try:
            text, drawn, why = _text(said["content"]), _count(said["tokens_predicted"]), said["stop_type"]
            logprob = _mean([each["logprob"] for each in said.get("completion_probabilities") or ()])
        except MALFORMED:
            raise ServerTrouble("its answer is no completion") from None
        reason: FinishReason = "stop"
        if why not in ("eos", "word"):
            reason = "length" if drawn >= generation.max_tokens else "context"
        return ServerReply(text, reason, drawn, len(prompt.tokens), logprob if generation.logprobs else None)

    async def use_adapter(self, path: Path | None) -> None:
        # A server started with --lora applies it to everything: what is not wanted is named with a scale of 0.
        listed = self.accepted(await self.ask("GET", "/lora-adapters"))
        try:
            loaded = [(int(each["id"]), str(each["path"])) for each in listed]
        except MALFORMED:
            raise ModelError(f"{self.url}: lists its adapters in a form that is not llama-server's") from None
        wanted = [number for number, theirs in loaded if path and _same_file(theirs, path)]
        if path and not wanted:
            raise ModelError(
                f"{self.url}: has not loaded the adapter {path}, and cannot while it runs; start it with "
                f"--lora {path}, or set sampling.adapters_here = true"
            )
        self._adapters = [{"id": number, "scale": float(number in wanted[:1])} for number, _ in loaded]

    async def require_adapters(self) -> None:
        raise ModelError(
            f"{self.url}: a llama-server cannot load the adapters that this run will train; "
            "set sampling.adapters_here = true to sample the trained models in this process"
        )


class OpenAiServer(Server):
    """OpenAI-style completions: vLLM, SGLang, LM Studio. `url` ends with /v1."""

    def __init__(self, url: str, http: httpx.AsyncClient, model: GgufModel, model_name: str) -> None:
        super().__init__(url, http, model)
        self.model_name = model_name
        """The base as the server calls it; '' until `check` has asked."""
        self._adapter_fields: dict[str, str] = {}
        """What a request names so that the adapter is used."""
        self._context_tokens = 2**31

    async def check(self) -> None:
        listed = self.accepted(await self.ask("GET", "/models"))
        try:
            # vLLM lists the adapters it has loaded too: their `parent` is the base.
            bases = {_text(each["id"]): each for each in listed["data"] if not each.get("parent")}
        except MALFORMED:
            raise ModelError(f"{self.url}: lists no models; is it an OpenAI-style address?") from None
        if self.model_name and self.model_name not in bases:
            raise ModelError(f"{self.url}: has no model {self.model_name!r}; it serves {_some(list(bases))}")
        if not self.model_name and len(bases) != 1:
            raise ModelError(f"{self.url}: serves {_some(list(bases))}; name one in sampling.server_model")
        self.model_name = self.model_name or next(iter(bases))
        limit = bases[self.model_name].get("max_model_len")  # vLLM refuses what might become longer
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
            # What is not said here, vLLM takes from the model's generation_config.json.
            "top_k": generation.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            **self._adapter_fields,
        }
        if generation.stop:
            body["stop"] = list(generation.stop)
        if generation.logprobs:
            body["logprobs"] = 1
        said = self.accepted(await self.ask("POST", "/completions", body))
        try:
            choice = said["choices"][0]
            text, why = _text(choice["text"]), choice["finish_reason"]
            drawn = _count((said.get("usage") or {}).get("completion_tokens", 0))
            told = choice.get("logprobs") or {}
            # llama-server lists them as OpenAI's chat completions do
            logprob = _mean(told.get("token_logprobs") or [each["logprob"] for each in told.get("content") or ()])
        except MALFORMED:
            raise ServerTrouble("its answer is no completion") from None
        reason: FinishReason = "stop"
        if why != "stop":
            reason = "length" if room >= generation.max_tokens else "context"
        return ServerReply(text, reason, drawn, len(prompt.tokens), logprob)

    async def use_adapter(self, path: Path | None) -> None:
        self._adapter_fields = {}
        if path is None:
            return
        # The checksum is part of the name: another workspace's round 1 may be loaded there already.
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"{'-'.join(path.parts[-3:-1])}-{checksum[:12]}"
        folder = path.parent / "peft"
        response, field = await self._load_adapter({"lora_name": name, "lora_path": str(folder)})
        if response.status_code >= 300 and "already" not in _complaint(response):
            raise ModelError(
                f"{self.url}: cannot load the adapter {folder} ({response.status_code}: {_complaint(response)}); "
                "it has to be there under the same path, or set sampling.adapters_here = true"
            )
        self._adapter_fields = {field: name}

    async def require_adapters(self) -> None:
        response, _ = await self._load_adapter({})
        if response.status_code in (404, 405, 501):
            raise ModelError(
                f"{self.url}: cannot load the adapters that this run will train. vLLM can with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True; or set sampling.adapters_here = true"
            )

    async def _load_adapter(self, body: dict[str, str]) -> tuple[httpx.Response, str]:
        """The answer, and the field of a request that names the adapter: vLLM's way, or SGLang's, beside /v1."""
        response = await self.ask("POST", "/load_lora_adapter", body)
        if response.status_code not in (404, 405):
            return response, "model"
        return await self.ask("POST", "/load_lora_adapter", body, beside=True), "lora_path"


class OllamaServer(OpenAiServer):
    """Ollama. Its OpenAI-style completions put its own template around a prompt; its own `raw` ones do not."""

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
        said = self.accepted(await self.ask("POST", "/api/generate", body, beside=True))
        try:
            text, drawn, why = _text(said["response"]), _count(said.get("eval_count", 0)), said["done_reason"]
        except MALFORMED:
            raise ServerTrouble("its answer is no completion") from None
        return ServerReply(text, "stop" if why == "stop" else "length", drawn, len(prompt.tokens))

    async def use_adapter(self, path: Path | None) -> None:
        if path:
            await self.require_adapters()

    async def require_adapters(self) -> None:
        raise ModelError(f"{self.url}: Ollama cannot load adapters; set sampling.adapters_here = true")


async def is_ollama(server: OpenAiServer) -> bool:
    """Whether an OpenAI-style address is Ollama's."""
    response = await server.ask("GET", "/api/version", beside=True)
    try:
        return response.status_code == 200 and set(response.json()) == {"version"}
    except (ValueError, TypeError, RecursionError):
        return False


def _same_file(theirs: str, ours: Path) -> bool:
    """Whether a path that a server on this machine, or over the same disk, gives is our adapter."""
    there = Path(theirs)
    return there == ours or (there.is_file() and there.samefile(ours))


def _text(value: object) -> str:
    """A text that can be stored. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value.encode("utf-8", "replace").decode()


def _count(value: object) -> int:
    """A count of tokens. Raises TypeError or ValueError."""
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a count was expected")
    return value


def _mean(logprobs: Sequence[object]) -> float | None:
    """The mean of log-probabilities; None of none. Raises TypeError or ValueError for anything else."""
    values = [float(each) for each in logprobs if isinstance(each, int | float)]
    if len(values) != len(logprobs) or not all(map(math.isfinite, values)):
        raise ValueError("log-probabilities were expected")
    return sum(values) / len(values) if values else None


def _complaint(response: httpx.Response) -> str:
    """What an answer says went wrong, in one printable line."""
    try:
        said = response.json()
    except (ValueError, RecursionError):
        said = response.text
    for key in ("error", "message"):
        if isinstance(said, dict):
            said = said.get(key, said)
    return printable(" ".join(str(said).split()))[:200] or "without a reason"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "nothing"
