"""A worker's side: takes messages in, draws with llama.cpp, and hands completions out as they finish.

Requests that arrive while others are drawn join them, in the same batches. Owns the sampler of one worker; knows
neither processes nor Ray. Example:
    loop = WorkerLoop(send); loop.put({"open": {...}}); loop.put({"sample": {...}, "call": 1}); loop.run()
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crescent_lite.config import ModelConfig, SamplingConfig
from crescent_lite.config.layers import build
from crescent_lite.errors import CrescentError
from crescent_lite.records import Request
from crescent_lite.sampling.protocol import Sampler
from crescent_lite.sampling.workers.messages import Message, completion_fields, error_fields, request_of

Opener = Callable[[Path, SamplingConfig, ModelConfig], Sampler]
"""Loads a model."""


class WorkerLoop:
    """One worker. `put` may be called from another thread than `run`."""

    def __init__(self, send: Callable[[Message], object], opener: Opener | None = None) -> None:
        """`send` takes the messages to the pool; a worker that cannot send stands still. `opener` is for tests."""
        self._send, self._opener = send, opener or _open
        self._arrived: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        """Messages in their order; None ends the loop."""
        self._requests: deque[Request] = deque()
        """Requests that are being drawn, or are next."""
        self._call = 0
        """The call of `sample` that the present requests belong to."""
        self._is_drawing = False
        self._lock = threading.Lock()
        """Held while it is decided whether a message joins the drawing or waits for its end."""
        self._sampler: Sampler | None = None

    def put(self, message: Message | None) -> None:
        """Take a message in; None ends the loop when the work before it is done."""
        with self._lock:
            if message and self._is_drawing and message.get("call") == self._call:
                if "sample" in message:
                    self._requests.append(request_of(message["sample"]))
                else:  # "abandon"
                    self._requests.clear()
                    self._is_drawing = False
            else:
                self._arrived.put(message)

    def run(self) -> None:
        """Work until the end is asked for. A CrescentError is sent to the pool; any other exception is raised."""
        try:
            while (message := self._arrived.get()) is not None:
                try:
                    self._act(message)
                except CrescentError as error:
                    with self._lock:
                        self._is_drawing = False
                        self._requests.clear()
                    self._send({"error": error_fields(error), "of": self._answer_to(message)})
        finally:
            if self._sampler:
                self._sampler.close()

    def _act(self, message: Message) -> None:
        if "open" in message:
            self._open(message["open"])
            self._send(self._answer_to(message))
        elif "adapter" in message:
            path = message["adapter"]
            self._ready.use_adapter(Path(path) if path else None)
            self._send(self._answer_to(message))
        elif "sample" in message:
            with self._lock:
                self._call, self._is_drawing = message["call"], True
                self._requests.append(request_of(message["sample"]))
            self._draw()

    def _answer_to(self, message: Message) -> Message:
        """What a message is answered with if it succeeds; it says of an error which message it belongs to."""
        if "open" in message:
            return {"opened": True}
        return {"adapted": message["turn"]} if "adapter" in message else {"call": message["call"]}

    def _open(self, opened: dict[str, Any]) -> None:
        config = build(SamplingConfig, opened["sampling"], "sampling")
        model = build(ModelConfig, opened["model_config"], "model")
        self._sampler = self._opener(Path(opened["model"]), config, model)

    @property
    def _ready(self) -> Sampler:
        assert self._sampler, "a worker is opened before anything else"
        return self._sampler

    def _draw(self) -> None:
        """Draw the requests, and those of the same call that arrive meanwhile, until there are none left."""
        while self._is_drawing:
            stream = self._ready.sample(self._requests)
            try:
                for completion in stream:
                    done = {"usage": dataclasses.asdict(self._ready.usage), "effective": dict(self._ready.effective)}
                    self._send({"completion": completion_fields(completion), "call": self._call, **done})
                    if not self._is_drawing:
                        return
            finally:
                stream.close()  # type: ignore[attr-defined]  # samplers are generators
            with self._lock:
                self._is_drawing = self._is_drawing and bool(self._requests)


def _open(path: Path, config: SamplingConfig, model: ModelConfig) -> Sampler:
    from crescent_lite.sampling.llama import LlamaSampler

    return LlamaSampler(path, config, model)
