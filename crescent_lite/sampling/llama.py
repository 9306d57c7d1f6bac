"""The sampler that runs llama.cpp in this process, with many sequences per decode.

Owns the slots: which sample is in which sequence, and which tokens go into each decode. A prompt is decoded in one
slot, in chunks beside the tokens of the other slots. Its cells are then copied to the samples that share its
beginning, so that all votes of a question need one prefill. The ids of active sequences stay contiguous and
ascending, because llama.cpp splits a batch at every gap. When the cache is full, some samples leave their slots and
continue later. Knows no questions or votes, and no servers.
Example:
    sampler = LlamaSampler(Path("model.gguf"), SamplingConfig())
    for completion in sampler.sample(requests): ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crescent_lite.config import ModelConfig, SamplingConfig
from crescent_lite.errors import CrescentError, ModelError, OutOfMemoryError
from crescent_lite.records import Completion, FinishReason, Request
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.devices import find_gpu
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.machine_limits import Memory, allowed_threads, memory_now
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
from crescent_lite.sampling.waiting import Sample, WaitingSamples

BATCH_TOKENS = 256
"""Most tokens per decode on a CPU. With 256, one decode, and so the response to Ctrl-C, takes under 2 s. (Measured on
2 cores with a 0.5B model.)"""
BATCH_TOKENS_ON_GPU = 2048
"""Most tokens per decode on a GPU: llama.cpp's own default (guess)."""
MAX_DRAWING_THREADS = 8
"""Most threads that draw tokens (guess). At most half of the processor's threads are used, because llama.cpp's own
threads spin for a while after a decode."""


def plan_sampling(
    shape: ModelShape, config: SamplingConfig, needed_context: int, *, weights_loaded: bool
) -> MemoryPlan:
    """Slots and context that fit in the memory that may be used now. Raises OutOfMemoryError.

    `needed_context` is the length of the longest prompt with its reply, in tokens.
    """
    gpu = find_gpu() if config.gpu_layers else None
    free_bytes = gpu.free_bytes if gpu else memory_now().free_bytes
    return plan_memory(
        shape,
        needed_context=needed_context,
        usable_bytes=config.memory_gb * 1e9 or free_bytes * MEMORY_FRACTION,
        batch_tokens=BATCH_TOKENS_ON_GPU if gpu else BATCH_TOKENS,
        default_slots=DEFAULT_SLOTS_ON_GPU if gpu else DEFAULT_SLOTS,
        asked_slots=config.slots,
        asked_context=config.context_tokens,
        weights_loaded=weights_loaded,
    )


class LlamaSampler:
    """A Sampler that runs llama.cpp in this process."""

    def __init__(
        self, model_path: Path, config: SamplingConfig | None = None, model: ModelConfig | None = None
    ) -> None:
        """Load the model and its chat template, which `model` may replace.

        Raises ModelError, OutOfMemoryError, or ConfigError for the chat template of `model`.
        """
        self._config = config or SamplingConfig()
        self._threads = self._config.threads or allowed_threads()
        self._model = _load(model_path, self._config.gpu_layers)
        try:
            self._chat = ChatTemplate(self._model, model)
        except CrescentError:
            self._model.close()
            raise
        self.usage = SamplerUsage()
        self._context: KvContext | None = None
        self._adapters: dict[Path, object] = {}
        self._adapter: Path | None = None
        self._live = 0
        """Slots in use at most; lower than planned after the cache was full."""

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
        context = self._ready_context(waiting.longest)
        waiting.fit_into(context.plan.context_tokens)
        self._live = context.plan.slots
        active: list[Sample] = []
        try:
            while waiting or active:
                yield from waiting.take_refused()
                self._fill(context, active, waiting)
                if not active:
                    continue  # every sample was refused
                finished = self._step(context, active, waiting)
                if watch:
                    for sample in active:
                        watch(sample.request.key, sample.reply.text())
                for sequence, reason in reversed(finished):
                    sample = active[sequence]
                    sample.free()
                    self.usage.ended += 1
                    if self._live < context.plan.slots and context.free_cells > context.plan.context_tokens // 2:
                        self._live += 1
                    yield sample.completion(reason, self._chat.drawn_tokens)
                    self._refill(context, active, sequence, waiting)
        finally:
            waiting.free()
            for sample in active:
                sample.free()

    def use_adapter(self, path: Path | None) -> None:
        """Put a GGUF adapter on the base; None removes the adapter. Raises ModelError."""
        if path is not None and path not in self._adapters:
            llama_log.forget_complaints()
            adapter = llama_cpp.llama_adapter_lora_init(self._model.handle, os.fsencode(path))
            if not adapter:
                raise ModelError(
                    f"{path}: llama.cpp cannot use it as an adapter for {self._model.path.name}: "
                    f"{llama_log.last_complaint()}"
                )
            self._adapters[path] = adapter
        if self._context and path != self._adapter:
            self._context.use_adapter(self._adapters[path] if path else None)
        self._adapter = path

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        """The tokens of prompt + solution + end of turn: see `Sampler.encode_example`."""
        return self._chat.encode_example(user, solution, drawn)

    def close(self) -> None:
        """Free the context, the adapters and the model."""
        self._close_context()
        self._adapters.clear()  # llama.cpp frees them with the model
        self._model.close()

    # ── the context ──────────────────────────────────────────────────────────────────────────────────────────

    def _ready_context(self, needed: int) -> KvContext:
        """The present context if `needed` tokens fit in each sequence or the user has set its size, else a new one.

        Raises OutOfMemoryError.
        """
        if self._context and self._context.plan.context_tokens >= min(needed, self._model.trained_context):
            return self._context
        if self._context and self._config.context_tokens:
            return self._context
        self._close_context()
        plan = plan_sampling(self._model.shape, self._config, needed, weights_loaded=True)
        self._context = KvContext(
            self._model,
            plan,
            threads=self._threads,
            drawing_threads=max(1, min(MAX_DRAWING_THREADS, allowed_threads(per_core=False) // 2)),
        )
        if self._adapter:
            self._context.use_adapter(self._adapters[self._adapter])
        return self._context

    def _close_context(self) -> None:
        context, self._context = self._context, None
        if context:
            context.close()

    # ── the slots ────────────────────────────────────────────────────────────────────────────────────────────

    def _next_sample(
        self, context: KvContext, active: list[Sample], waiting: WaitingSamples, free_slots: int
    ) -> Sample | None:
        if active and not any(context.held):
            return None  # the very first prompt is decoded alone, so that the others can copy its beginning
        busy = {
            sample.request.key
            for sequence, sample in enumerate(active)
            if len(sample.tokens) - len(context.held[sequence]) > 1
        }
        return waiting.take(busy, free_slots)

    def _start(self, context: KvContext, sequence: int, sample: Sample) -> None:
        held = context.begin(sequence, sample.tokens)
        self.usage.prompt_tokens += len(sample.tokens) - held
        self.usage.started += not sample.drawn  # a paused sample that continues has been counted

    def _fill(self, context: KvContext, active: list[Sample], waiting: WaitingSamples) -> None:
        """Start samples in the free slots."""
        while (free := self._live - len(active)) > 0:
            sample = self._next_sample(context, active, waiting, free)
            if sample is None:
                return
            self._start(context, len(active), sample)
            active.append(sample)

    def _refill(self, context: KvContext, active: list[Sample], sequence: int, waiting: WaitingSamples) -> None:
        """Start another sample in a freed slot; if none can start, move the last active sample there."""
        free = self._live - len(active) + 1
        if free > 0 and (sample := self._next_sample(context, active, waiting, free)):
            self._start(context, sequence, sample)
            active[sequence] = sample
            return
        last = active.pop()
        if sequence < len(active):
            context.move(len(active), sequence)
            active[sequence] = last

    def _step(
        self, context: KvContext, active: list[Sample], waiting: WaitingSamples
    ) -> list[tuple[int, FinishReason]]:
        """Run one decode and add a token to every sample whose prompt is complete.

        Returns the sequences of the samples that finished, each with its reason.
        """
        began, decoding = time.perf_counter(), context.decode_seconds
        chunks = self._chunks(context, active)
        while not context.decode(chunks):
            if not self._make_room(context, active, waiting):
                return [(0, "context")]
            chunks = self._chunks(context, active)

        complete = [(number, active[sequence]) for number, (sequence, _, is_last) in enumerate(chunks) if is_last]
        drawn = iter(context.draw([(number, sample.chain) for number, sample in complete if not sample.forced]))
        finished: list[tuple[int, FinishReason]] = []
        for number, sample in complete:
            token = sample.forced[sample.drawn] if sample.forced else next(drawn)
            if sample.request.generation.logprobs:
                sample.logprob += context.logprob(number, token)
            self.usage.tokens += 1
            sequence = chunks[number][0]
            if reason := self._add(context, sample, token, len(context.held[sequence])):
                finished.append((sequence, reason))
        self.usage.decode_seconds += context.decode_seconds - decoding
        self.usage.seconds += time.perf_counter() - began
        return finished

    def _chunks(self, context: KvContext, active: list[Sample]) -> list[tuple[int, list[int], bool]]:
        """One token of every sequence, and as many more prompt tokens as the batch has room for."""
        chunks = []
        room = context.plan.batch_tokens - len(active)
        for sequence, sample in enumerate(active):
            held = len(context.held[sequence])
            tokens = sample.tokens[held : held + 1 + room]
            room -= len(tokens) - 1
            chunks.append((sequence, tokens, held + len(tokens) == len(sample.tokens)))
        return chunks

    def _make_room(self, context: KvContext, active: list[Sample], waiting: WaitingSamples) -> bool:
        """Make room in a full cache. Returns False when there is nothing to free.

        The cells of idle slots are freed first. If there are none, a quarter of the samples leave their slots.
        """
        if context.forget(range(len(active), context.plan.slots)):
            return True
        if len(active) == 1:
            return False
        kept = min(len(active) - 1, max(1, len(active) * 3 // 4))
        for sample in reversed(active[kept:]):
            waiting.put_back(sample)
        context.forget(range(kept, len(active)))
        self.usage.pauses += len(active) - kept
        del active[kept:]
        self._live = kept
        return True

    def _add(self, context: KvContext, sample: Sample, token: int, held: int) -> FinishReason | None:
        """Append a token to a sample. Returns why the sample is finished, or None when it is not."""
        sample.tokens.append(token)
        if self._model.ends_turn(token) or sample.reply.add(self._model.piece(token)):
            return "stop"
        if sample.drawn == len(sample.forced):
            return "stop"
        if sample.drawn >= sample.request.generation.max_tokens:
            return "length"
        return "context" if held >= context.plan.context_tokens else None


def _load(path: Path, gpu_layers: int) -> GgufModel:
    """Load the model with `gpu_layers` layers on the GPU; -1 means as many as fit.

    Raises ModelError or OutOfMemoryError.
    """
    gpu = find_gpu() if gpu_layers else None
    if gpu and gpu_layers == -1:
        described = GgufModel(path, vocabulary_only=True)
        gpu_layers = layers_that_fit(described.shape, gpu.free_bytes)
        described.close()
    if not gpu and path.is_file():
        refuse_too_large(path, memory_now())
    return GgufModel(path, gpu_layers=gpu_layers)


def refuse_too_large(path: Path, memory: Memory) -> None:
    """Raise OutOfMemoryError, before anything is loaded, if the weights do not fit in the memory that may be used."""
    if (size := path.stat().st_size) > memory.free_bytes:
        whose = " that this process may use" if memory.is_limited else ""
        raise OutOfMemoryError(
            f"{path}: its weights take {in_gigabytes(size)}, but only {in_gigabytes(memory.free_bytes)} of the "
            f"{in_gigabytes(memory.total_bytes)} of memory{whose} are free; "
            "use a smaller model or a smaller quantisation"
        )
