"""Stand-ins for servers that cannot run in a test: vLLM, SGLang, Ollama, llama-swap.

They answer with the statuses and fields that the real ones send, as read in their sources of August 2026 (vLLM,
entrypoints/openai/models/serving.py; Ollama, server/routes.go; llama-swap, internal/server/server.go), and count
tokens with the real tokenizer. Only the replies are made up. Example:
    with stand_in(Vllm(tiny, max_lora_rank=16)) as server: ServerSampler(tiny, settings(f"{server.url}/v1"))
"""

from __future__ import annotations

import contextlib
import heapq
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from crescent_lite.sampling.gguf_model import GgufModel

Body = dict[str, Any]
K = TypeVar("K", bound="Kind")


@dataclass
class Answer:
    """One response."""

    body: object = field(default_factory=dict)
    """Sent as JSON; bytes as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


NOT_FOUND = Answer({"detail": "Not Found"}, 404)
"""What a FastAPI server says about a path that it does not have."""


class Kind:
    """What one kind of server answers."""

    def __init__(self, model: Path) -> None:
        self._model = GgufModel(model, vocabulary_only=True)
        self.names = [model.stem]
        """The models that it lists."""
        self.url = ""
        self.bodies: list[tuple[str, Body]] = []
        """Every request: its path with the query, and its body."""
        self.extra: Body = {}
        """Fields that replace those of a completion."""
        self.at_once = self.most_at_once = 0
        """Completions under way, now and at most."""
        self.first: list[Answer] = []
        """Answers to the next completions, before any others."""

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        """The response to one request."""
        raise NotImplementedError

    def sent_to(self, path: str) -> list[Body]:
        """The bodies of all requests to a path."""
        return [body for asked, body in self.bodies if asked == path]

    def count(self, prompt: object) -> int:
        """Tokens of a prompt, as llama.cpp's and transformers' tokenizers count them."""
        if isinstance(prompt, list):
            return len(prompt)
        return len(self._model.tokenize(str(prompt), special=True, add_special=True))

    def completion(self, body: Body, model: str) -> Answer:
        """An OpenAI-style completion."""
        replies = body.get("n", 1)
        usage = {"prompt_tokens": self.count(body["prompt"]), "completion_tokens": 2 * replies}
        choice = {"text": " 5", "finish_reason": "stop", "logprobs": None}
        choices = [{"index": index, **choice} for index in range(replies)]
        fields = {"id": "cmpl-1", "object": "text_completion", "model": model, "choices": choices, "usage": usage}
        return Answer(fields | self.extra)


class Vllm(Kind):
    """vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING."""

    def __init__(self, model: Path, *, max_lora_rank: int = 16, owner: str = "vllm") -> None:
        super().__init__(model)
        self.max_lora_rank = max_lora_rank
        self.loaded: dict[str, str] = {}
        """Path of each loaded adapter, by its name."""
        self.max_model_len = 512
        self.waiting = 0
        """Requests that wait, as /metrics says."""
        self._owner = owner

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        if path == "/v1/models":
            cards = [{"id": name, "owned_by": self._owner, "parent": None} for name in self.names]
            adapters = [{"id": name, "owned_by": self._owner, "parent": self.names[0]} for name in self.loaded]
            return Answer(
                {"object": "list", "data": [c | {"max_model_len": self.max_model_len} for c in cards] + adapters}
            )
        if path == "/v1/completions":
            if body["model"] not in (*self.names, *self.loaded):
                return _vllm_error(404, f"The model `{body['model']}` does not exist.")
            return self.completion(body, body["model"])
        if path == "/version":
            return Answer({"version": "0.32.0"})
        if path == "/metrics":
            figure = f'vllm:num_requests_waiting{{engine="0",model_name="{self.names[0]}"}} {self.waiting}.0'
            return Answer(f"# TYPE vllm:num_requests_waiting gauge\n{figure}\n".encode())
        if path == "/v1/load_lora_adapter":
            return self._load(body)
        if path == "/v1/unload_lora_adapter":
            self.loaded.pop(body["lora_name"])
            return Answer(f"Success: LoRA adapter '{body['lora_name']}' removed successfully.")
        return NOT_FOUND

    def _load(self, body: Body) -> Answer:
        if "lora_name" not in body or "lora_path" not in body:
            return _vllm_error(400, "Field required")
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self.loaded:
            return _vllm_error(400, f"The lora adapter '{name}' has already been loaded.")
        if not folder.is_absolute() or not (folder / "adapter_config.json").is_file():
            return _vllm_error(404, f"Loading lora {name} failed: No adapter found for {folder}")
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        if rank > self.max_lora_rank:
            reason = f"LoRA rank {rank} is greater than max_lora_rank {self.max_lora_rank}."
            return _vllm_error(500, f"Call to add_lora method failed: {reason}")
        self.loaded[name] = str(folder)
        return Answer(f"Success: LoRA adapter '{name}' added successfully.")


class BusyVllm(Vllm):
    """A vLLM with a number of places, in which each sample stays for some time. Samples without a place wait."""

    def __init__(self, model: Path, *, places: int, seconds: float) -> None:
        super().__init__(model)
        self.under_way: list[int] = []
        """Samples of all requests that were not answered yet, whenever another one had come."""
        self.running: list[int] = []
        """Samples that had a place at the same moments."""
        self._open = 0
        self._places, self._seconds = places, seconds
        self._queue: deque[threading.Semaphore] = deque()
        """Samples that wait, each with what its request waits for."""
        self._running: list[tuple[float, int, threading.Semaphore]] = []
        """When each sample ends; a heap."""
        self._started = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._work, daemon=True).start()

    def completion(self, body: Body, model: str) -> Answer:
        samples, ended = body.get("n", 1), threading.Semaphore(0)
        with self._lock:
            self._open += samples
            self.under_way.append(self._open)
            self.running.append(len(self._running))
            self._queue.extend([ended] * samples)
        for _ in range(samples):
            ended.acquire()
        with self._lock:
            self._open -= samples
        return super().completion(body, model)

    def _work(self) -> None:
        while True:
            time.sleep(0.005)
            now = time.monotonic()
            with self._lock:
                while self._running and self._running[0][0] <= now:
                    heapq.heappop(self._running)[2].release()
                while self._queue and len(self._running) < self._places:
                    self._started += 1
                    stays = self._seconds * (0.5 + self._started * 0.618 % 1)
                    heapq.heappush(self._running, (now + stays, self._started, self._queue.popleft()))
                self.waiting = len(self._queue)


class Sglang(Kind):
    """SGLang with --enable-lora."""

    def __init__(self, model: Path, owner: str = "sglang") -> None:
        super().__init__(model)
        self._owner = owner

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        if path == "/v1/models":
            return Answer({"data": [{"id": name, "owned_by": self._owner} for name in self.names]})
        if path == "/get_model_info":
            return Answer({"model_path": "/models/tiny", "is_generation": True})
        if path == "/v1/completions":
            return self.completion(body, body["model"])
        if path == "/load_lora_adapter" and "lora_name" in body:
            return Answer({"success": True})
        if path == "/load_lora_adapter":
            return Answer({"detail": [{"msg": "Field required"}]}, 422)
        return NOT_FOUND


class Ollama(Kind):
    """Ollama."""

    refuses_think = False
    """Whether it answers 400 to `think`, as some versions do for a model that does not think."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.names = [f"{model.stem}:latest"]

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        if path == "/api/version":
            return Answer({"version": "0.34.1"})
        if path == "/v1/models":
            return Answer({"data": [{"id": name, "owned_by": "library"} for name in self.names]})
        if path == "/api/show":
            return Answer({"model_info": {"llama.embedding_length": self._model.embedding_length}})
        if path != "/api/generate":
            return Answer("404 page not found", 404)
        if self.refuses_think and "think" in body:
            return Answer({"error": f'"{body["model"]}" does not support thinking'}, 400)
        tokens = self.count(body["prompt"])
        if tokens >= body["options"]["num_ctx"]:
            return Answer({"error": f"request ({tokens} tokens) exceeds the available context size"}, 400)
        fields = {"model": body["model"], "response": " 5", "done": True, "done_reason": "stop"}
        return Answer({**fields, "prompt_eval_count": tokens, "eval_count": 2, **self.extra})


class LlamaSwap(Kind):
    """llama-swap with several llama-servers behind it."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.names = ["small", "large"]

    def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
        if path == "/v1/models":
            return Answer({"data": [{"id": name, "owned_by": "llama-swap"} for name in self.names]})
        model = body.get("model") or query.get("model")
        if path == "/props" and model in self.names:
            return Answer({"total_slots": 3, "model_path": "/models/tiny.gguf"})
        if path == "/upstream/small/lora-adapters":
            return Answer([])
        if path == "/completion" and model in self.names:
            fields = {"content": " 5", "tokens_predicted": 2, "stop_type": "eos", "model": model}
            return Answer({**fields, "tokens_evaluated": self.count(body["prompt"]), **self.extra})
        return Answer({"error": {"message": "no model id could be identified"}}, 404)


def _vllm_error(status: int, message: str) -> Answer:
    return Answer({"error": {"message": message, "type": "BadRequestError", "code": status}}, status)


@contextlib.contextmanager
def stand_in(kind: K, certificate: tuple[Path, Path] | None = None) -> Iterator[K]:
    """Serve on a free port until the end; `kind.url` is the address. With a certificate and its key, over https."""

    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            address, body = urlsplit(self.path), json.loads(raw or b"{}")
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            kind.bodies.append((self.path.removeprefix(kind.url), body))
            completes = address.path.endswith(("/completion", "/completions", "/generate"))
            with counting:
                kind.at_once += completes
                kind.most_at_once = max(kind.most_at_once, kind.at_once)
            answer = kind.first.pop(0) if completes and kind.first else kind.answer(address.path, query, body)
            with counting:
                kind.at_once -= completes
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

    class Server(ThreadingHTTPServer):
        request_queue_size = 1024

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    kind.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield kind
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
