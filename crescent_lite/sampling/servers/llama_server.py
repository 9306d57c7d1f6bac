"""llama.cpp's llama-server, alone, in router mode or behind llama-swap, through its own API.

Prompts are sent as tokens, exactly those that `LlamaSampler` would decode. A router serves several models: each
request names one. Example: see `server.py`. Sources: llama.cpp, tools/server/README.md; the README of llama-swap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crescent_lite.errors import ModelError
from crescent_lite.records import FinishReason, Generation
from crescent_lite.sampling.server_limits import MOST_REPORTED_SAMPLES, Limit
from crescent_lite.sampling.servers.connection import ServerTrouble
from crescent_lite.sampling.servers.fields import MALFORMED, ids, mean, text, token_count, with_thoughts
from crescent_lite.sampling.servers.server import CHECK_ADDRESS, OTHER_REQUEST, Prompt, Server, ServerReply
from crescent_lite.sampling.thoughts import control_tags

ROUTER = "a llama-server in router mode (or llama-swap)"


class LlamaServer(Server):
    """One llama-server.

    Each sample is a request of its own: a request for several would keep its slots until the last of them has ended.
    """

    _adapters: list[dict[str, float]]
    _routed_model: str = ""
    """The model that each request names; '' where the server has only one and no names."""

    async def check(self, probe: Prompt) -> None:
        listed = await self._listed("/v1/models")
        properties = await self._properties(listed)
        if self._routed_model:  # a router lists the sizes of a model once it has loaded it
            listed = await self._listed("/v1/models")
        try:
            self.limit = Limit(min(int(properties["total_slots"]), MOST_REPORTED_SAMPLES))
            of_one = listed[self._routed_model] if self._routed_model else next(iter(listed.values()))
            meta = of_one.get("meta") or {}
            names = {"n_vocab": "tokens in the vocabulary", "n_embd": "values in an embedding"}
            served = {names[key]: int(meta[key]) for key in names if key in meta}
        except (*MALFORMED, StopIteration):
            raise ModelError(
                f"{self.url}: does not describe its model as llama-server does; {CHECK_ADDRESS}"
            ) from None
        self._refuse_other_sizes(served)
        if not served:  # llama-swap lists no sizes
            body = self._body({"prompt": probe.text, "n_predict": 1, "temperature": 0})
            response = self._json_of(await self._ask("POST", "/completion", body))
            if isinstance(response, dict) and isinstance(response.get("tokens_evaluated"), int):
                self._refuse_other_count(response["tokens_evaluated"], probe)
        await self.use_adapter(None)

    async def _properties(self, listed: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """What /props says about the model; finds out whether requests have to name it. Raises ModelError."""
        response = await self._ask("GET", "/props")
        properties = self._json_of(response) if response.status_code == 200 else {}
        if isinstance(properties, dict) and "total_slots" in properties:
            return properties
        self._routed_model = self.model_name = self._choose(list(listed), ROUTER)
        properties = self._json_of(await self._ask("GET", "/props", model=self._routed_model))
        if not isinstance(properties, dict):
            raise ModelError(f"{self.url}: does not describe its model as llama-server does; {CHECK_ADDRESS}")
        return properties

    async def complete(self, prompt: Prompt, generation: Generation, seed: int, count: int = 1) -> list[ServerReply]:
        response = await self._ask(
            "POST",
            "/completion",
            self._body(
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
                    "return_tokens": True,
                }
            ),
        )
        if response.status_code == 400 and "exceed_context_size" in response.text:
            return [ServerReply("", "context", 0, len(prompt.tokens))]
        body = self._json_of(response)
        try:
            written, drawn, why = text(body["content"]), token_count(body["tokens_predicted"]), body["stop_type"]
            written = with_thoughts(written, body.get("reasoning_content"))
            logprob = mean([token["logprob"] for token in body.get("completion_probabilities") or ()])
            token_ids = ids(body.get("tokens"))
            answering, used = body.get("model"), (body.get("generation_settings") or {}).get("seed", seed)
        except MALFORMED:
            raise ServerTrouble("its response is not a completion") from None
        self._refuse_other_model("", answering)
        if used != seed:
            raise ServerTrouble(OTHER_REQUEST)
        reason: FinishReason = "stop"
        if why not in ("eos", "word"):
            reason = "length" if drawn >= generation.max_tokens else "context"
        logprob = logprob if generation.logprobs else None
        return [ServerReply(written, reason, drawn, len(prompt.tokens), logprob, token_ids)]

    def _body(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._routed_model, **fields} if self._routed_model else fields

    async def use_adapter(self, path: Path | None) -> None:
        # A server started with --lora applies the adapter to every request, unless the request gives it a scale of 0.
        response = await self._ask("GET", "/lora-adapters", model=self._routed_model)
        if response.status_code == 404 and self._routed_model:  # llama-swap passes this on at another path only
            response = await self._ask("GET", f"/upstream/{self._routed_model}/lora-adapters")
        listed = self._json_of(response)
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

    async def require_adapters(self, trial: Path | None) -> None:
        raise ModelError(
            f"{self.url}: a llama-server cannot load the adapters that this run will train; "
            "set sampling.adapters_here = true to sample the trained models in this process"
        )


def _same_file(reported: str, adapter: Path) -> bool:
    """Whether a path that a server reports is the adapter: the same path, or the same file on a disk we can read."""
    path = Path(reported)
    try:
        return path == adapter.absolute() or path == adapter or (path.is_file() and path.samefile(adapter))
    except OSError:  # it is longer than any path here, or may not be looked at
        return False
