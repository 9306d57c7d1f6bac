"""llama.cpp in this process, many sequences per decode.

Owns the slots: which sample is in which sequence, and what each decode is made of. A prompt is decoded in one slot,
in chunks beside the others' tokens, and its cells are copied to those that share its beginning: one prefill serves
all votes of a question. Active ids stay contiguous and ascending, because llama.cpp splits a batch at every gap. When
the cache is full, some samples leave their slots; they go on later, where they were.
Example:
    sampler = LlamaSampler(Path("model.gguf"), SamplingConfig())
    for completion in sampler.sample(requests): ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import llama_cpp
import psutil

from crescent_lite.config import SamplingConfig
from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.records import Completion, FinishReason, Request
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.devices import find_gpu
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext
from crescent_lite.sampling.memory_plan import (
    CHOSEN_SLOTS,
    CHOSEN_SLOTS_ON_GPU,
    MEMORY_SHARE,
    MemoryPlan,
    ModelShape,
    layers_that_fit,
    plan_memory,
)
from crescent_lite.sampling.protocol import SamplerUsage, Watch
from crescent_lite.sampling.waiting import Sample, WaitingSamples

BATCH_TOKENS = 256
"""Tokens per decode at most. 256 keeps one call, and so the answer to Ctrl-C, under 2 s on 2 cores at 0.5B."""
BATCH_TOKENS_ON_GPU = 2048
"""Guess: llama.cpp's own default."""
MOST_DRAWING_THREADS = 8
"""At most half of the processor: llama.cpp's own threads spin for a while after a decode."""


def plan_sampling(
    shape: ModelShape, config: SamplingConfig, needed_context: int, *, weights_loaded: bool
) -> MemoryPlan:
    """Slots and context on this machine as it is now. Raises OutOfMemoryError."""
    gpu = find_gpu() if config.gpu_layers else None
    free_bytes = gpu.free_bytes if gpu else psutil.virtual_memory().available
    return plan_memory(
        shape,
        needed_context=needed_context,
        usable_bytes=config.memory_gb * 1e9 or free_bytes * MEMORY_SHARE,
        batch_tokens=BATCH_TOKENS_ON_GPU if gpu else BATCH_TOKENS,
        chosen_slots=CHOSEN_SLOTS_ON_GPU if gpu else CHOSEN_SLOTS,
        asked_slots=config.slots,
        asked_context=config.context_tokens,
        weights_loaded=weights_loaded,
    )


class LlamaSampler:
    """The in-process engine behind the Sampler protocol."""

    def __init__(self, model_path: Path, config: SamplingConfig | None = None) -> None:
        """Load the model. Raises ModelError or OutOfMemoryError."""
        self._config = config or SamplingConfig()
        self._model = _load(model_path, self._config.gpu_layers)
        try:
            self._chat = ChatTemplate(self._model)
        except ModelError:
            self._model.close()
            raise
        self.usage = SamplerUsage()
        self._context: KvContext | None = None
        self._adapters: dict[Path, object] = {}
        self._adapter: Path | None = None
        self._live = 0
        """Slots in use at most; fewer than planned after the cache was full."""

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, as it finishes. See `Sampler.sample`."""
        waiting = WaitingSamples(
            requests,
            lambda each: self._chat.encode(each.user, each.assistant_prefix),
            lambda text: self._model.tokenize(text, special=False),
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
                    continue  # there were only refused ones
                finished = self._step(context, active, waiting)
                if watch:
                    for sample in active:
                        watch(sample.request.key, sample.reply.text())
                for sequence, reason in reversed(finished):
                    sample = active[sequence]
                    sample.free()
                    if self._live < context.plan.slots and context.free_cells > context.plan.context_tokens // 2:
                        self._live += 1
                    yield sample.completion(reason)
                    self._refill(context, active, sequence, waiting)
        finally:
            waiting.free()
            for sample in active:
                sample.free()

    def use_adapter(self, path: Path | None) -> None:
        """Put a GGUF adapter on the base, or none. Raises ModelError."""
        if path is not None and path not in self._adapters:
            llama_log.forget_complaints()
            adapter = llama_cpp.llama_adapter_lora_init(self._model.handle, str(path).encode())
            if not adapter:
                raise ModelError(
                    f"{path}: llama.cpp cannot use it as an adapter of {self._model.path.name}: "
                    f"{llama_log.last_complaint()}"
                )
            self._adapters[path] = adapter
        if self._context and path != self._adapter:
            self._context.use_adapter(self._adapters[path] if path else None)
        self._adapter = path

    def encode_example(self, user: str, solution: str) -> tuple[list[int], int]:
        """The tokens of a training pair, and how many of them are the prompt."""
        return self._chat.encode_example(user, solution)

    def close(self) -> None:
        """Free the context, the adapters and the model."""
        self._close_context()
        # The model frees its adapters.
        self._adapters.clear()
        self._model.close()

    # ── the context ──────────────────────────────────────────────────────────────────────────────────────────

    def _ready_context(self, needed: int) -> KvContext:
        """The context there is, where `needed` tokens fit into each sequence, else another one."""
        if self._context and self._context.plan.context_tokens >= min(needed, self._model.trained_context):
            return self._context
        if self._context and self._config.context_tokens:
            return self._context
        self._close_context()
        plan = plan_sampling(self._model.shape, self._config, needed, weights_loaded=True)
        self._context = KvContext(
            self._model,
            plan,
            threads=self._config.threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1,
            drawing_threads=max(1, min(MOST_DRAWING_THREADS, (os.cpu_count() or 1) // 2)),
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
            return None  # the very first prompt goes ahead alone, so that the others can copy their common beginning
        busy = {
            sample.request.key
            for sequence, sample in enumerate(active)
            if len(sample.tokens) - len(context.held[sequence]) > 1
        }
        return waiting.take(busy, free_slots)

    def _start(self, context: KvContext, sequence: int, sample: Sample) -> None:
        held = context.begin(sequence, sample.tokens)
        self.usage.prompt_tokens += len(sample.tokens) - held

    def _fill(self, context: KvContext, active: list[Sample], waiting: WaitingSamples) -> None:
        """Samples into the free slots."""
        while (free := self._live - len(active)) > 0:
            sample = self._next_sample(context, active, waiting, free)
            if sample is None:
                return
            self._start(context, len(active), sample)
            active.append(sample)

    def _refill(self, context: KvContext, active: list[Sample], sequence: int, waiting: WaitingSamples) -> None:
        """Another sample into a freed slot; where there is none, the last one is moved into it."""
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
        """One decode, and a token for every sample whose prompt is complete. Which samples that finished, and why."""
        began, decoding = time.perf_counter(), context.decode_seconds
        chunks = self._chunks(context, active)
        while not context.decode(chunks):
            if not self._make_room(context, active, waiting):
                return [(0, "context")]
            chunks = self._chunks(context, active)

        complete = [(number, active[each[0]]) for number, each in enumerate(chunks) if each[2]]
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
        """A token of every sequence, and as much of the prompts as the batch has room for."""
        chunks = []
        room = context.plan.batch_tokens - len(active)
        for sequence, sample in enumerate(active):
            held = len(context.held[sequence])
            tokens = sample.tokens[held : held + 1 + room]
            room -= len(tokens) - 1
            chunks.append((sequence, tokens, held + len(tokens) == len(sample.tokens)))
        return chunks

    def _make_room(self, context: KvContext, active: list[Sample], waiting: WaitingSamples) -> bool:
        """The cache is full: forget what no slot uses, else take a quarter of the samples out. Whether that helps."""
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
        """Append a token to its sample; why the sample is finished, if it is."""
        sample.tokens.append(token)
        if self._model.ends_turn(token) or sample.reply.add(self._model.piece(token)):
            return "stop"
        if sample.drawn == len(sample.forced):
            return "stop"
        if sample.drawn >= sample.request.generation.max_tokens:
            return "length"
        return "context" if held >= context.plan.context_tokens else None


def _load(path: Path, gpu_layers: int) -> GgufModel:
    """The model, with the asked number of layers on the GPU; -1 is all that fit there."""
    gpu = find_gpu() if gpu_layers else None
    if gpu and gpu_layers == -1:
        described = GgufModel(path, vocabulary_only=True)
        gpu_layers = layers_that_fit(described.shape, gpu.free_bytes)
        described.close()
    available = psutil.virtual_memory().available
    if not gpu and path.is_file() and (size := path.stat().st_size) > available:
        raise OutOfMemoryError(
            f"{path}: its weights take {size / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free; "
            "take a smaller model or a smaller quantisation"
        )
    return GgufModel(path, gpu_layers=gpu_layers)
