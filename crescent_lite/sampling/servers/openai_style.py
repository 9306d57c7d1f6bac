"""Servers with OpenAI-style completions: what vLLM, SGLang, LM Studio and others share.

A server of unknown kind gets its prompts as text, one request for each sample, and no adapters. `vllm.py` and
`sglang.py` say what these two can do beyond that. Example: see `server.py`. Source: OpenAI's API reference, legacy
completions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, ClassVar

import httpx

from crescent_lite.errors import ModelError
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.server_limits import MOST_REPORTED_SAMPLES, Limit, QueueLimit
from crescent_lite.sampling.servers.connection import ServerTrouble
from crescent_lite.sampling.servers.fields import (
    MALFORMED,
    TOO_LONG,
    complaint,
    ids,
    mean,
    text,
    token_count,
    with_thoughts,
)
from crescent_lite.sampling.servers.server import CHECK_ADDRESS, OTHER_REQUEST, Prompt, Server, ServerReply
from crescent_lite.sampling.thoughts import control_tags

NO_SUCH_ROUTE = (404, 405, 501)
RANK = re.compile(r"max.?lora.?rank|lora.?rank.*(greater|exceed|larger)", re.I)
"""Found in the complaint of vLLM or SGLang about an adapter whose rank is above its limit."""
VLLM_START = "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
INTERNAL_ERROR = 500
"""What vLLM answers when its engine refuses an adapter. Asking again does not help."""


class OpenAiServer(Server):
    """One server with OpenAI-style completions."""

    _takes_tokens: bool = False
    """Whether prompts are sent as token ids: those of the local model, whatever the server's tokenizer adds."""
    _adapters_at_root: ClassVar[bool | None] = None
    """Whether adapters are loaded at a path outside /v1; None for a server that cannot load any."""
    _own_fields: ClassVar[dict[str, Any]] = {}
    """Fields that only this kind understands."""
    _adapter = ""
    """The server's name of the adapter in use; '' without one."""
    _context_tokens = 2**31
    """Context length that the server reports, in tokens; a number too large to matter if it reports none."""
    _names: tuple[str, ...] = ()
    """All models that the server lists."""

    async def check(self, probe: Prompt) -> None:
        listed = await self._listed("/models")
        # vLLM also lists the adapters it has loaded: their `parent` is the base.
        bases = {name: model for name, model in listed.items() if not model.get("parent")}
        self.model_name = self._choose(list(bases))
        self._names = tuple(bases)
        base = bases[self.model_name]
        limit = base.get("max_model_len")  # vLLM rejects a request that might become longer
        if isinstance(limit, int) and limit > 0:
            self._context_tokens = limit
        await self._try(probe)
        if base.get("owned_by") == "llamacpp":
            self.limit = await self._limit_of_slots()
        elif await self.waiting_requests() is not None:
            self.limit = QueueLimit()

    async def _limit_of_slots(self) -> Limit:
        """As many samples as a llama-server has slots."""
        response = await self._ask("GET", "/props", at_root=True, model=self.model_name)
        properties = self._json_of(response) if response.status_code == 200 else None
        slots = properties.get("total_slots") if isinstance(properties, dict) else None
        return Limit(min(slots, MOST_REPORTED_SAMPLES)) if isinstance(slots, int) else self.limit

    async def _try(self, probe: Prompt) -> None:
        """Draw one token. Raises ModelError when another model answers, as its name or its tokenizer shows."""
        response = await self._draw_one(probe.text)
        if response.status_code in NO_SUCH_ROUTE and self.model_name not in complaint(response):
            raise ModelError(
                f"{self.url}: has no raw completions ({response.status_code}: {complaint(response)}), only chats; "
                "prompts are wrapped in the chat template here, so use a server with POST /v1/completions"
            )
        completion = self._json_of(response)
        try:
            counted = (completion.get("usage") or {}).get("prompt_tokens")
            answering = completion.get("model")
        except MALFORMED:
            raise ModelError(f"{self.url}: its response is not a completion; {CHECK_ADDRESS}") from None
        if isinstance(counted, int):
            self._refuse_other_count(counted, probe)
        self._refuse_other(answering)
        if self._takes_tokens:
            self._takes_tokens = (await self._draw_one(list(probe.tokens))).status_code == 200

    async def _draw_one(self, prompt: str | list[int]) -> httpx.Response:
        body = {"model": self.model_name, "prompt": prompt, "max_tokens": 1, "temperature": 0.0}
        return await self._ask("POST", "/completions", body)

    async def complete(self, prompt: Prompt, generation: Generation, seed: int, count: int = 1) -> list[ServerReply]:
        room = self._context_tokens - len(prompt.tokens)
        if room < 1:
            return [ServerReply("", "context", 0, len(prompt.tokens))] * count
        response = await self._ask("POST", "/completions", self._body(prompt, generation, room, seed, count))
        if response.status_code == 400 and TOO_LONG.search(complaint(response)):
            return [ServerReply("", "context", 0, len(prompt.tokens))] * count
        completion = self._json_of(response)
        try:
            choices, usage = _in_order(completion["choices"], count), completion.get("usage") or {}
            drawn = token_count(usage.get("completion_tokens", 0))
            replies = [self._reply(choice, prompt, generation, room, drawn // len(choices)) for choice in choices]
            answering, read = completion.get("model"), usage.get("prompt_tokens", len(prompt.tokens))
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        if not replies:
            raise ServerTrouble("its response is not a completion")
        self._refuse_other(answering)
        if self._takes_tokens and read != len(prompt.tokens):
            raise ServerTrouble(OTHER_REQUEST)
        return replies

    def _body(self, prompt: Prompt, generation: Generation, room: int, seed: int, count: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model_name,
            "prompt": list(prompt.tokens) if self._takes_tokens else prompt.text,
            "max_tokens": min(generation.max_tokens, room),
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "seed": seed,
            # Neutral values are sent too: for a missing one, vLLM uses the model's generation_config.json.
            "top_k": generation.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            **self._own_fields,
            **self._adapter_fields,
        }
        if count > 1:
            body["n"] = count
        if generation.stop:
            body["stop"] = list(generation.stop)
        if control_tags(self._model):
            # The tags of the model's thoughts would be left out: the first is for vLLM and SGLang.
            body |= {"skip_special_tokens": False, "preserved_tokens": list(control_tags(self._model))}
        if generation.logprobs:
            body["logprobs"] = 1
        return body

    def _reply(
        self, choice: dict[str, Any], prompt: Prompt, generation: Generation, room: int, drawn: int
    ) -> ServerReply:
        """One choice of a response. `drawn`: its tokens, if the choice does not tell them."""
        written = with_thoughts(text(choice["text"]), choice.get("reasoning") or choice.get("reasoning_content"))
        logprobs = choice.get("logprobs") or {}
        # llama-server reports log-probabilities in the form of OpenAI's chat completions, under "content".
        in_chat_form = [token["logprob"] for token in logprobs.get("content") or ()]
        logprob = mean(logprobs.get("token_logprobs") or in_chat_form)
        token_ids = ids(choice.get("token_ids"))
        reason: FinishReason = "stop"
        if choice["finish_reason"] != "stop":
            reason = "length" if room >= generation.max_tokens else "context"
        return ServerReply(
            written, reason, len(token_ids) if token_ids else drawn, len(prompt.tokens), logprob, token_ids
        )

    def _refuse_other(self, answering: object) -> None:
        """Raise ModelError if a reply comes from another model than the one that was asked."""
        asked = str(self._adapter_fields.get("model", self.model_name))
        self._refuse_other_model(asked, answering, [name for name in self._names if name != asked])

    @property
    def _adapter_fields(self) -> dict[str, str]:
        """Fields that make a request use the adapter."""
        return {}

    async def use_adapter(self, path: Path | None) -> None:
        self._adapter = ""
        if path is None:
            return
        # The name contains the checksum, because the server may already have loaded round 1 of another workspace.
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"{'-'.join(path.absolute().parts[-3:-1])}-{checksum[:12]}"
        await self._load(name, path.parent / "peft")
        self._adapter = name

    async def require_adapters(self, trial: Path | None) -> None:
        response = await self._post_adapter("/load_lora_adapter", {})
        if response.status_code in NO_SUCH_ROUTE:
            raise self._no_adapters()
        if trial:
            name = f"trial-{os.urandom(6).hex()}"
            await self._load(name, trial)
            await self._post_adapter("/unload_lora_adapter", {"lora_name": name})

    def _no_adapters(self) -> ModelError:
        start = VLLM_START if self._adapters_at_root is not None else "use a vLLM or SGLang server"
        return ModelError(
            f"{self.url}: cannot load the adapters that this run will train; {start}, "
            "or set sampling.adapters_here = true"
        )

    async def _load(self, name: str, folder: Path) -> None:
        """Make the server load the PEFT adapter in `folder`. Raises ModelError."""
        folder = folder.absolute()  # the server has another working directory
        response = await self._post_adapter("/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        if response.status_code < 300 or "already" in (reason := complaint(response)):
            return
        if RANK.search(reason):
            advice = (
                f"restart it with --max-lora-rank {_rank_of(folder)} or more (train.rank), then run the same command "
                "again, or set sampling.adapters_here = true"
            )
        elif "not enabled" in reason or response.status_code in (405, 501) or reason == "Not Found":
            advice = f"{VLLM_START}, or set sampling.adapters_here = true"
        else:
            advice = "make the folder available there under the same path, or set sampling.adapters_here = true"
        raise ModelError(f"{self.url}: cannot load the adapter {folder} ({response.status_code}: {reason}); {advice}")

    async def _post_adapter(self, path: str, body: dict[str, str]) -> httpx.Response:
        """Send a request about adapters where this kind of server expects it. Raises ModelError if it has none."""
        if self._adapters_at_root is None:
            raise self._no_adapters()
        return await self._ask("POST", path, body, at_root=self._adapters_at_root, final=(INTERNAL_ERROR,))


def _in_order(choices: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The choices by their index, from 0 to the first that is missing: each is drawn with the seed of its index."""
    placed: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(choices):
        placed.setdefault(int(choice.get("index", place)), choice)
    return [placed[index] for index in range(next(index for index in range(count + 1) if index not in placed))][
        :count
    ]


def _rank_of(folder: Path) -> int | str:
    """The rank of a PEFT adapter, as its settings say."""
    try:
        return int(json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    except (OSError, *MALFORMED):
        return "N"
