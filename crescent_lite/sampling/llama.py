"""The sampler that runs llama.cpp in this process, with many sequences per decode.

Owns the model, its adapters and its contexts. Where the GPU computes all layers there are two contexts: while one
decodes, the tokens of the other are drawn and written down, so that the GPU does not wait for Python. Knows no
questions or votes, and no servers.
Example:
    sampler = LlamaSampler(Path("model.gguf"), SamplingConfig())
    for completion in sampler.sample(requests): ...
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crescent_lite.config import ModelConfig, SamplingConfig
from crescent_lite.errors import CrescentError, ModelError, OutOfMemoryError
from crescent_lite.records import Completion, Request
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.devices import find_gpu
from crescent_lite.sampling.drawing import suffices
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext, can_filter_on_device
from crescent_lite.sampling.lane import Lane
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.machine_limits import Memory, allowed_threads, memory_now, require_threads
from crescent_lite.sampling.memory_plan import (
    DEFAULT_SLOTS,
    DEFAULT_SLOTS_ON_GPU,
    MEMORY_FRACTION,
    MemoryPlan,
    ModelShape,
    in_gigabytes,
    layers_that_fit,
    plan_memory,
)
from crescent_lite.sampling.protocol import SamplerUsage, Watch
from crescent_lite.sampling.spelling import spelling_after
from crescent_lite.sampling.trying import require_loadable
from crescent_lite.sampling.waiting import WaitingSamples

BATCH_TOKENS = 256
"""Most tokens per decode on a CPU. With 256, one decode, and so the response to Ctrl-C, takes under 2 s. (Measured on
2 cores with a 0.5B model.)"""
BATCH_TOKENS_ON_GPU = 2048
"""Most tokens per decode on a GPU: llama.cpp's own default (guess)."""
CONTEXTS_ON_GPU = 2
"""Contexts that take turns on a GPU: one decodes while the tokens of the other are drawn (guess)."""
MAX_DRAWING_THREADS = 8
"""Most threads that draw tokens (guess). At most half of the processor's threads are used, because llama.cpp's own
threads spin for a while after a decode."""


def plan_sampling(
    shape: ModelShape, config: SamplingConfig, needed_context: int, *, weights_loaded: bool, contexts: int = 0
) -> MemoryPlan:
    """Slots and context that fit in the memory that may be used now. Raises OutOfMemoryError.

    `needed_context` is the length of the longest prompt with its reply, in tokens. `contexts` is how many take turns;
    0 takes two on a GPU.
    """
    gpu = find_gpu() if config.gpu_layers else None
    free_bytes = gpu.free_bytes if gpu else memory_now().free_bytes
    return plan_memory(
        shape,
        needed_context=needed_context,
        usable_bytes=config.memory_gb * 1e9 or free_bytes * MEMORY_FRACTION,
        batch_tokens=BATCH_TOKENS_ON_GPU if gpu else BATCH_TOKENS,
        default_slots=DEFAULT_SLOTS_ON_GPU if gpu else DEFAULT_SLOTS,
        contexts=contexts or (CONTEXTS_ON_GPU if gpu else 1),
        asked_slots=config.slots,
        asked_context=config.context_tokens,
        weights_loaded=weights_loaded,
    )


class LlamaSampler:
    """A Sampler that runs llama.cpp in this process."""

    def __init__(
        self,
        model_path: Path,
        config: SamplingConfig | None = None,
        model: ModelConfig | None = None,
        *,
        filter_on_device: bool | None = None,
        contexts: int = 0,
    ) -> None:
        """Load the model and its chat template, which `model` may replace.

        `filter_on_device`: whether llama.cpp picks the likeliest candidates where it computes the logits, so that the
        others are never copied; None does so where a GPU computes all layers. `contexts` divides the slots among so
        many contexts that take turns; 0 takes two on a GPU.
        Raises ModelError, OutOfMemoryError, or ConfigError for the chat template of `model`.
        """
        self._config = config or SamplingConfig()
        self._contexts = contexts
        self._threads = self._config.threads or allowed_threads()
        require_threads(self._threads)
        self._model, self._layers_on_gpu, all_on_gpu = _load(model_path, self._config.gpu_layers)
        self._filters = can_filter_on_device() and (all_on_gpu if filter_on_device is None else filter_on_device)
        try:
            self._chat = ChatTemplate(self._model, model)
        except CrescentError:
            self._model.close()
            raise
        self.usage = SamplerUsage()
        self._lanes: list[Lane] = []
        self._worker: ThreadPoolExecutor | None = None
        """The thread that decodes when there are several contexts."""
        self._adapters: dict[Path, object] = {}
        self._adapter: Path | None = None

    @property
    def effective(self) -> Mapping[str, int | float]:
        """What the automatic settings came to: see `Sampler.effective`. Slots and memory are of all contexts."""
        plans = [lane.context.plan for lane in self._lanes]
        if not plans:
            return {}
        return {
            "sampling.threads": self._threads,
            "sampling.gpu_layers": self._layers_on_gpu,
            "sampling.slots": sum(plan.slots for plan in plans),
            "sampling.context_tokens": plans[0].context_tokens,
            "sampling.memory_gb": round(sum(plan.cache_bytes + plan.buffer_bytes for plan in plans) / 1e9, 3),
        }

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, as it finishes: see `Sampler.sample`."""
        waiting = WaitingSamples(
            requests,
            lambda request: self._chat.encode(request.user, request.assistant_prefix),
            lambda prompt, text: spelling_after(self._model, prompt, text),
            lambda request: self._chat.opening.before(request.assistant_prefix),
        )
        if not waiting:
            return
        lanes = self._ready_lanes(waiting)
        try:
            while waiting or any(lane.active for lane in lanes):
                if lanes is not self._lanes or (not waiting.fits and not any(lane.active for lane in lanes)):
                    lanes = self._ready_lanes(waiting)
                for lane in lanes:
                    finished = lane.finish()
                    self.usage.ended += len(finished)
                    for _, sample, _ in finished:
                        sample.free()
                    if watch:
                        for sample in lane.active:
                            watch(sample.request.key, sample.reply.text())
                    for sequence, sample, reason in reversed(finished):
                        yield sample.completion(reason, self._chat.drawn_tokens)
                        if lanes is self._lanes:
                            lane.refill(sequence)
                    yield from waiting.take_refused()
                    if lanes is not self._lanes:
                        break  # the caller has sampled something else meanwhile; this continues in new slots
                    lane.fill()
                    if lane.active:
                        lane.start(self._worker)
        finally:
            for lane in lanes:
                lane.clear()
            waiting.free()

    def use_adapter(self, path: Path | None) -> None:
        """Put a GGUF adapter on the base; None removes the adapter. Raises ModelError."""
        if path is not None and path not in self._adapters:
            require_loadable(self._model.path, adapter=path)
            llama_log.forget_complaints()
            adapter = llama_cpp.llama_adapter_lora_init(self._model.handle, os.fsencode(path))
            if not adapter:
                raise ModelError(
                    f"{path}: llama.cpp cannot use it as an adapter for {self._model.path.name}: "
                    f"{llama_log.last_complaint()}"
                )
            self._adapters[path] = adapter
        if path != self._adapter:
            for lane in self._lanes:
                lane.settle()
                lane.context.use_adapter(self._adapters[path] if path else None)
        self._adapter = path

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        """The tokens of prompt + solution + end of turn: see `Sampler.encode_example`."""
        return self._chat.encode_example(user, solution, drawn)

    def close(self) -> None:
        """Free the contexts, the adapters and the model."""
        self._close_contexts()
        if self._worker:
            self._worker.shutdown()
        self._adapters.clear()  # llama.cpp frees them with the model
        self._model.close()

    def _ready_lanes(self, waiting: WaitingSamples) -> list[Lane]:
        """Empty slots in the present contexts if the waiting requests fit, else in new ones.

        They fit if each has the room that it needs, or the user has set the size, and all the logits that it needs.
        Raises OutOfMemoryError.
        """
        contexts = [lane.context for lane in self._lanes]
        for lane in self._lanes:
            lane.clear()
        candidates = waiting.candidates if self._filters else 0
        present = contexts[0].plan.context_tokens if contexts else 0
        has_room = bool(self._config.context_tokens) or present >= min(waiting.longest, self._model.trained_context)
        if not (contexts and has_room and suffices(contexts[0].candidates_on_device, waiting.candidates)):
            self._close_contexts()
            contexts = self._new_contexts(max(waiting.longest, present), candidates)
        waiting.fit_into(contexts[0].plan.context_tokens, contexts[0].candidates_on_device)
        self._lanes = [Lane(context, self._model, waiting, self.usage) for context in contexts]
        return self._lanes

    def _new_contexts(self, needed: int, candidates: int) -> list[KvContext]:
        shape = self._model.shape
        plan = plan_sampling(shape, self._config, needed, weights_loaded=True, contexts=self._contexts)
        if plan.contexts > 1 and not self._worker:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="decode")
        contexts: list[KvContext] = []
        try:
            for _ in range(plan.contexts):
                context = KvContext(
                    self._model,
                    plan,
                    threads=self._threads,
                    drawing_threads=max(1, min(MAX_DRAWING_THREADS, allowed_threads(per_core=False) // 2)),
                    candidates_on_device=candidates,
                )
                contexts.append(context)
                if self._adapter:
                    context.use_adapter(self._adapters[self._adapter])
        except CrescentError:
            for context in contexts:
                context.close()
            raise
        return contexts

    def _close_contexts(self) -> None:
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.clear()
            lane.context.close()


def _load(path: Path, gpu_layers: int) -> tuple[GgufModel, int, bool]:
    """Load the model with `gpu_layers` layers on the GPU; -1 means as many as fit.

    Returns the model, how many of its layers are on the GPU, and whether the GPU computes everything.

    Raises ModelError or OutOfMemoryError.
    """
    gpu = find_gpu() if gpu_layers else None
    layers = 0
    if gpu:
        described = GgufModel(path, vocabulary_only=True)
        layers = described.shape.layers
        if gpu_layers == -1:
            gpu_layers = layers_that_fit(described.shape, gpu.free_bytes)
        described.close()
    elif path.is_file():
        refuse_too_large(path, memory_now())
    # llama.cpp counts the output layer as one more.
    is_all = bool(gpu) and (gpu_layers == -1 or gpu_layers > layers)
    return GgufModel(path, gpu_layers=gpu_layers), layers if is_all else min(gpu_layers, layers) if gpu else 0, is_all


def refuse_too_large(path: Path, memory: Memory) -> None:
    """Raise OutOfMemoryError, before anything is loaded, if the weights do not fit in the memory that may be used."""
    if (size := path.stat().st_size) > memory.free_bytes:
        whose = " that this process may use" if memory.is_limited else ""
        raise OutOfMemoryError(
            f"{path}: its weights take {in_gigabytes(size)}, but only {in_gigabytes(memory.free_bytes)} of the "
            f"{in_gigabytes(memory.total_bytes)} of memory{whose} are free; "
            "use a smaller model or a smaller quantisation"
        )
