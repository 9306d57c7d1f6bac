"""llama.cpp in this process, many sequences per decode.

Owns the context, its KV cache and the slots. Every slot is one sequence; its index is its sequence id. A prompt is
decoded in one slot, and its cells are copied to the others that share its beginning: one prefill serves all votes of
a question. Active ids stay contiguous and ascending, because llama.cpp splits a batch at every gap.
Example:
    sampler = LlamaSampler(Path("model.gguf"), SamplingConfig())
    for completion in sampler.sample(requests): ...
"""

from __future__ import annotations

import ctypes
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import llama_cpp
import psutil

from crescent_lite.config import SamplingConfig
from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.records import Completion, FinishReason, Generation, Request
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.memory_plan import MemoryPlan, plan_memory
from crescent_lite.sampling.protocol import SamplerUsage

BATCH_TOKENS = 256
"""Tokens per decode at most. 256 keeps one call, and so the answer to Ctrl-C, under 2 s on 2 cores at 0.5B."""


@dataclass(frozen=True)
class _Job:
    """One sample to draw."""

    request: Request
    sample_index: int
    prompt: list[int]


@dataclass
class _Slot:
    """One sequence being decoded."""

    job: _Job
    seed: int
    chain: object | None
    """llama.cpp's sampler chain; None once it is freed."""
    pending: list[int]
    """Tokens not decoded yet: what is left of the prompt, then the token drawn last."""
    drawn: int = 0
    pieces: list[bytes] = field(default_factory=list)

    def free(self) -> None:
        """Free the chain, once."""
        chain, self.chain = self.chain, None
        if chain is not None:
            llama_cpp.llama_sampler_free(chain)


class LlamaSampler:
    """The in-process engine behind the Sampler protocol."""

    def __init__(self, model_path: Path, config: SamplingConfig | None = None) -> None:
        """Load the model. Raises ModelError or OutOfMemoryError."""
        self._config = config or SamplingConfig()
        self._model = GgufModel(model_path, gpu_layers=self._config.gpu_layers)
        try:
            self._chat = ChatTemplate(self._model)
        except ModelError:
            self._model.close()
            raise
        self.usage = SamplerUsage()
        self._plan: MemoryPlan | None = None
        self._context: object | None = None
        self._batch: llama_cpp.llama_batch | None = None
        self._held: list[list[int]] = []
        """For each sequence id the tokens whose cells the cache holds."""
        self._adapters: dict[Path, object] = {}
        self._adapter: Path | None = None

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Every sample of every request, as it finishes. See `Sampler.sample`."""
        jobs = deque(
            _Job(request, sample_index, prompt)
            for request in requests
            for prompt in [self._chat.encode(request.user, request.assistant_prefix)]
            for sample_index in request.sample_indexes
        )
        if not jobs:
            return
        self._make_context(jobs)
        yield from self._refuse_too_long(jobs)
        active: list[_Slot] = []
        try:
            while jobs or active:
                while len(active) < self._slots and (job := self._next_job(jobs, active)):
                    active.append(self._start(len(active), job))
                yield from self._step(active, jobs)
        finally:
            for slot in active:
                slot.free()

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
        self._adapter = path
        if self._context is not None:
            self._apply_adapter()

    def encode_example(self, user: str, solution: str) -> tuple[list[int], int]:
        """The tokens of a training pair, and how many of them are the prompt."""
        return self._chat.encode_example(user, solution)

    def close(self) -> None:
        """Free the context, the adapters and the model."""
        self._free_context()
        # The model frees its adapters.
        self._adapters.clear()
        self._model.close()

    def _refuse_too_long(self, jobs: deque[_Job]) -> Iterator[Completion]:
        """A prompt that fills the context leaves no room for a reply: an empty completion says so."""
        assert self._plan is not None
        for job in [job for job in jobs if len(job.prompt) >= self._plan.context_tokens]:
            jobs.remove(job)
            yield _completion(job, job.request.sample_seed(job.sample_index), b"", 0, "context")

    @property
    def _batch_tokens(self) -> int:
        return max(BATCH_TOKENS, self._slots)

    @property
    def _slots(self) -> int:
        assert self._plan is not None
        return self._plan.slots

    # ── the context ──────────────────────────────────────────────────────────────────────────────────────────

    def _make_context(self, jobs: Iterable[_Job]) -> None:
        """Make or keep a context in which every job fits."""
        needed = max(len(job.prompt) + job.request.generation.max_tokens for job in jobs)
        longest = min(needed, self._model.trained_context)
        if self._plan and (self._config.context_tokens or self._plan.context_tokens >= longest):
            return
        self._free_context()
        self._plan = plan_memory(
            needed_context=needed,
            bytes_per_token=self._model.cache_bytes_per_token,
            available_bytes=psutil.virtual_memory().available,
            trained_context=self._model.trained_context,
            asked_slots=self._config.slots,
            asked_context=self._config.context_tokens,
        )
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self._plan.slots * self._plan.context_tokens
        params.n_seq_max = self._plan.slots
        params.n_batch = params.n_ubatch = self._batch_tokens
        params.n_outputs_max = self._plan.slots
        params.kv_unified = False  # one stream per sequence: attention reads only its own cells
        threads = self._config.threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1
        params.n_threads = params.n_threads_batch = threads
        llama_log.forget_complaints()
        self._context = llama_cpp.llama_init_from_model(self._model.handle, params)
        if not self._context:
            raise OutOfMemoryError(
                f"llama.cpp cannot make a context of {self._plan.slots} x {self._plan.context_tokens:,} tokens: "
                f"{llama_log.last_complaint()}; lower sampling.slots or sampling.context_tokens"
            )
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)
        self._held = [[] for _ in range(self._plan.slots)]
        self._apply_adapter()

    def _apply_adapter(self) -> None:
        adapters = [self._adapters[self._adapter]] if self._adapter else []
        pointers = (llama_cpp.llama_adapter_lora_p_ctypes * len(adapters))(*adapters)
        scales = (ctypes.c_float * len(adapters))(*[1.0] * len(adapters))
        if llama_cpp.llama_set_adapters_lora(self._context, pointers, len(adapters), scales) != 0:
            raise ModelError(f"{self._adapter}: llama.cpp refused the adapter")
        llama_cpp.llama_memory_clear(self._memory, True)
        self._held = [[] for _ in self._held]

    def _free_context(self) -> None:
        if self._batch is not None:
            llama_cpp.llama_batch_free(self._batch)
            self._batch = None
        if self._context is not None:
            llama_cpp.llama_free(self._context)
            self._context = None
        self._plan = None

    @property
    def _memory(self) -> object:
        return llama_cpp.llama_get_memory(self._context)

    # ── one sample ───────────────────────────────────────────────────────────────────────────────────────────

    def _next_job(self, jobs: deque[_Job], active: list[_Slot]) -> _Job | None:
        """The first job whose prompt nobody is decoding at the moment: once decoded, it can be copied."""
        if active and not any(self._held):
            return None  # the very first prompt goes ahead alone, so that the others can copy their common beginning
        decoding = {slot.job.request.key for slot in active if len(slot.pending) > 1}
        for index, job in enumerate(jobs):
            if job.request.key not in decoding:
                del jobs[index]
                return job
        return None

    def _start(self, sequence: int, job: _Job) -> _Slot:
        """Put a job into a free sequence: copy what another one already holds of its prompt; the rest is pending."""
        seed = job.request.sample_seed(job.sample_index)
        reusable = job.prompt[:-1]  # the last token is decoded in any case: it gives the logits
        shared, donor = max((_common(held, reusable), index) for index, held in enumerate(self._held))
        own = _common(self._held[sequence], reusable)
        if shared > own:
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, donor, sequence, -1, -1)
        if not llama_cpp.llama_memory_seq_rm(self._memory, sequence, shared, -1):
            # A recurrent memory cannot forget a part: start from nothing.
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            shared = 0
        self._held[sequence] = reusable[:shared]
        self.usage.prompt_tokens += len(job.prompt) - shared
        return _Slot(job, seed, _sampler_chain(job.request.generation, seed), job.prompt[shared:])

    def _step(self, active: list[_Slot], jobs: deque[_Job]) -> Iterator[Completion]:
        """One decode: a token of every sequence, and as much of the pending prompts as the batch has room for."""
        entries: list[tuple[int, int, int, bool]] = []
        ready: list[tuple[int, int]] = []
        for sequence, slot in enumerate(active):
            room = self._batch_tokens - len(entries) - (len(active) - sequence - 1)
            chunk, slot.pending = slot.pending[:room], slot.pending[room:]
            begin = len(self._held[sequence])
            entries += [(token, sequence, begin + i, False) for i, token in enumerate(chunk)]
            if not slot.pending:
                entries[-1] = (*entries[-1][:3], True)
                ready.append((sequence, len(entries) - 1))
        self._decode(entries)

        began = time.monotonic()
        finished: list[tuple[int, FinishReason]] = []
        for sequence, output in ready:
            slot = active[sequence]
            token = llama_cpp.llama_sampler_sample(slot.chain, self._context, output)
            slot.pending = [token]
            slot.drawn += 1
            if reason := self._finish_reason(slot, token, len(self._held[sequence])):
                finished.append((sequence, reason))
        self.usage.tokens += len(ready)
        self.usage.seconds += time.monotonic() - began
        for sequence, reason in reversed(finished):
            slot = active[sequence]
            slot.free()
            self._refill(active, sequence, jobs)
            yield _completion(slot.job, slot.seed, b"".join(slot.pieces), slot.drawn, reason)

    def _finish_reason(self, slot: _Slot, token: int, held: int) -> FinishReason | None:
        assert self._plan is not None
        if self._model.ends_turn(token):
            return "stop"
        slot.pieces.append(self._model.piece(token))
        if slot.drawn >= slot.job.request.generation.max_tokens:
            return "length"
        return "context" if held >= self._plan.context_tokens else None

    def _refill(self, active: list[_Slot], sequence: int, jobs: deque[_Job]) -> None:
        """Keep the active ids contiguous: a new job into the freed slot, or the last sequence moved into it."""
        if job := self._next_job(jobs, active):
            active[sequence] = self._start(sequence, job)
            return
        last = active.pop()
        if sequence < len(active):
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, len(active), sequence, -1, -1)
            self._held[sequence] = list(self._held[len(active)])
            active[sequence] = last

    def _decode(self, entries: list[tuple[int, int, int, bool]]) -> None:
        """Decode (token, sequence, position, wants logits), and note what the cache then holds."""
        batch = self._batch
        assert batch is not None
        batch.n_tokens = len(entries)
        for index, (token, sequence, position, wants_logits) in enumerate(entries):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wants_logits
            self._held[sequence].append(token)
        began = time.monotonic()
        code = llama_cpp.llama_decode(self._context, batch)
        self.usage.seconds += time.monotonic() - began
        if code:
            raise OutOfMemoryError(
                f"llama.cpp could not decode a batch (code {code}): {llama_log.last_complaint()}; "
                "lower sampling.slots or sampling.context_tokens"
            )


def _sampler_chain(generation: Generation, seed: int) -> object:
    """top_k first, so that everything after it handles few candidates instead of the whole vocabulary."""
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    if generation.temperature <= 0:
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
        return chain
    if generation.top_k > 0:
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_top_k(generation.top_k))
    llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_temp(generation.temperature))
    if generation.top_p < 1:
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_top_p(generation.top_p, 1))
    llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_dist(seed))
    return chain


def _completion(job: _Job, seed: int, text: bytes, drawn: int, reason: FinishReason) -> Completion:
    return Completion(
        key=job.request.key,
        sample_index=job.sample_index,
        seed=seed,
        text=text.decode("utf-8", "replace"),
        finish_reason=reason,
        tokens=drawn,
        prompt_tokens=len(job.prompt),
    )


def _common(held: list[int], wanted: list[int]) -> int:
    """Length of the common beginning."""
    if held[: len(wanted)] == wanted:
        return len(wanted)
    return next(
        (i for i, (a, b) in enumerate(zip(held, wanted, strict=False)) if a != b), min(len(held), len(wanted))
    )
