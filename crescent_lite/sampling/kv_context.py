"""A llama.cpp context and its KV cache: many sequences, each with the list of tokens that it holds in the cache.

Knows tokens and sequences, not requests. The beginning of a prompt is copied from the sequence that holds most of it.
Example, which copies what it can, decodes the rest of the prompt and draws one token:
    held = context.begin(3, prompt)
    context.decode([(3, prompt[held:], True)])
    context.draw([Draw(0, chain, candidates=64)])
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.drawing import Draw, likeliest, with_chain
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.memory_plan import MemoryPlan

Chunk = tuple[int, Sequence[int], bool]
"""A sequence, its next tokens, and whether to compute the logits after the last of them."""

MIN_DRAWS_PER_THREAD = 8
"""Fewer draws than this are not worth a thread. Measured on 2 cores: a draw takes about 0.1 ms, mostly to find the
likeliest candidates; handing work to a thread takes about 0.05 ms."""
LOGPROB_SECONDS = 6.5e-9
"""Time of `logprob` for each entry of the vocabulary, in seconds. Measured: 0.1 ms for 49,152, 0.9 ms for 151,936."""
CHEAP = 0.02
"""Largest share of the time of decoding that log-probabilities nobody asked for may take."""
TOKENS_TO_JUDGE = 200
"""Tokens after which the time of a token is known well enough (guess)."""
CACHE_IS_FULL = 1
"""llama_decode's code for "no room in the cache"; the cache is then as it was before the call."""


def are_cheap(vocabulary: int, decode_seconds: float, tokens: int) -> bool:
    """Whether log-probabilities take less than CHEAP of the decoding; False while too few tokens are drawn."""
    return tokens >= TOKENS_TO_JUDGE and vocabulary * LOGPROB_SECONDS < CHEAP * decode_seconds / tokens


class KvContext:
    """The context of one model. `close` frees the context, not the model."""

    def __init__(
        self,
        model: GgufModel,
        plan: MemoryPlan,
        *,
        threads: int,
        drawing_threads: int = 1,
        candidates_on_device: int = 0,
    ) -> None:
        """Create the context. Raises OutOfMemoryError.

        With `candidates_on_device`, llama.cpp picks that many of the largest logits where it computes them, on the
        GPU if the output layer is there, and copies only those: `draw` is the same, `logprob` is not possible.
        """
        self.plan = plan
        self.candidates_on_device = candidates_on_device
        # The default parameters turn on flash attention where the device supports it.
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = plan.cells
        params.n_seq_max = plan.slots
        params.n_batch = params.n_ubatch = plan.batch_tokens
        params.n_outputs_max = plan.slots
        params.kv_unified = plan.shared
        params.n_threads = params.n_threads_batch = threads
        self._filters = _filter_on_device(params, plan.slots, candidates_on_device)
        llama_log.forget_complaints()
        self._handle = llama_cpp.llama_init_from_model(model.handle, params)
        if not self._handle:
            self._free_filters()
            raise OutOfMemoryError(
                f"llama.cpp cannot create a context of {plan.cells:,} tokens for {plan.slots} sequences: "
                f"{llama_log.last_complaint()}; lower sampling.slots or sampling.context_tokens"
            )
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self._batch = _Batch(plan.batch_tokens)
        self._drawing_threads = drawing_threads
        self._pool = ThreadPoolExecutor(drawing_threads)  # starts threads only when needed
        self._vocab_size = model.vocab_size
        self.held: list[list[int]] = [[] for _ in range(plan.slots)]
        """For each sequence, the tokens whose cells the cache holds."""
        self.decode_seconds = 0.0
        """Time inside llama_decode so far."""

    @property
    def free_cells(self) -> int:
        """A lower bound on the number of free cells: cells that sequences share are counted once for each of them."""
        return self.plan.cells - sum(map(len, self.held))

    def begin(self, sequence: int, tokens: Sequence[int]) -> int:
        """Copy the longest beginning of `tokens` that any sequence holds into `sequence`; return its length.

        The last token is never copied: it has to be decoded for its logits.
        """
        wanted = list(tokens[:-1])
        shared, donor = max((_common(held, wanted), index) for index, held in enumerate(self.held))
        if shared > _common(self.held[sequence], wanted):
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, donor, sequence, -1, -1)
        if not llama_cpp.llama_memory_seq_rm(self._memory, sequence, shared, -1):
            # A recurrent memory cannot drop a part of itself, so start from an empty one.
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            shared = 0
        self.held[sequence] = wanted[:shared]
        return shared

    def decode(self, chunks: Sequence[Chunk]) -> bool:
        """Decode the next tokens of each sequence. Returns False, with nothing changed, when the cache has no room.

        Raises OutOfMemoryError.
        """
        self._batch.fill(chunks, self.held)
        began = time.perf_counter()
        code = llama_cpp.llama_decode(self._handle, self._batch.struct)
        llama_cpp.llama_synchronize(self._handle)  # on a GPU the work continues after the call
        self.decode_seconds += time.perf_counter() - began
        if code == CACHE_IS_FULL:
            return False
        if code:
            raise OutOfMemoryError(
                f"llama.cpp could not decode a batch (code {code}): {llama_log.last_complaint()}; "
                "lower sampling.slots or sampling.context_tokens"
            )
        for sequence, tokens, _ in chunks:
            self.held[sequence] += tokens
        return True

    def draw(self, draws: Sequence[Draw]) -> list[int]:
        """One token for each of `draws`, from the logits of the last decode."""
        if not draws:
            return []
        llama_cpp.llama_get_logits(self._handle)  # reorders them once; the threads below then only read them
        size = max(MIN_DRAWS_PER_THREAD, -(-len(draws) // self._drawing_threads))
        parts = [draws[begin : begin + size] for begin in range(0, len(draws), size)]
        drawn = self._pool.map(self._draw, parts) if len(parts) > 1 else map(self._draw, parts)
        return [token for tokens in drawn for token in tokens]

    def _draw(self, draws: Sequence[Draw]) -> list[int]:
        return [self._draw_one(each) for each in draws]

    def _draw_one(self, draw: Draw) -> int:
        if draw.candidates and not self.candidates_on_device:
            logits = self._logits(draw.chunk)
            if len(ids := likeliest(logits, draw.candidates)):
                return with_chain(draw.chain, ids, logits)
        entry = self._batch.last_entry[draw.chunk]
        return int(llama_cpp.llama_sampler_sample(draw.chain, self._handle, entry))

    def logprobs_are_cheap(self, decode_seconds: float, tokens: int) -> bool:
        """Whether `logprob` takes less than CHEAP of the time of decoding, given the time that `tokens` took."""
        return not self.candidates_on_device and are_cheap(self._vocab_size, decode_seconds, tokens)

    def logprob(self, chunk: int, token: int) -> float:
        """The token's log-probability after chunk number `chunk` of the last decode, before temperature and top_k."""
        logits = self._logits(chunk)
        highest = logits.max()
        return float(logits[token] - highest - np.log(np.exp(logits - highest).sum()))

    def _logits(self, chunk: int) -> NDArray[np.float32]:
        """All logits after a chunk of the last decode; shape (vocabulary,), a view of llama.cpp's memory."""
        address = llama_cpp.llama_get_logits_ith(self._handle, self._batch.last_entry[chunk])
        return np.ctypeslib.as_array(address, shape=(self._vocab_size,))

    def move(self, source: int, target: int) -> None:
        """Give `target` the cells that `source` holds; `source` keeps them, for other sequences to copy."""
        llama_cpp.llama_memory_seq_rm(self._memory, target, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.held[target] = list(self.held[source])

    def forget(self, sequences: Sequence[int]) -> bool:
        """Free the cells that only these sequences hold. Returns whether any of them held tokens."""
        holding = [sequence for sequence in sequences if self.held[sequence]]
        for sequence in holding:
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            self.held[sequence] = []
        return bool(holding)

    def use_adapter(self, adapter: object | None) -> None:
        """Put a loaded adapter on the model (None: remove it) and clear the cache. Raises ModelError."""
        adapters = [adapter] if adapter else []
        pointers = (llama_cpp.llama_adapter_lora_p_ctypes * len(adapters))(*adapters)
        scales = (ctypes.c_float * len(adapters))(*[1.0] * len(adapters))
        if llama_cpp.llama_set_adapters_lora(self._handle, pointers, len(adapters), scales) != 0:
            raise ModelError("llama.cpp rejected the adapter: train it again, or use another one")
        llama_cpp.llama_memory_clear(self._memory, True)
        self.held = [[] for _ in self.held]

    def close(self) -> None:
        """Free the context, once."""
        self._pool.shutdown()
        handle, self._handle = self._handle, None
        if handle:
            llama_cpp.llama_free(handle)
        self._free_filters()

    def _free_filters(self) -> None:
        filters, self._filters = self._filters, []
        for chain in filters:
            llama_cpp.llama_sampler_free(chain)


def can_filter_on_device() -> bool:
    """Whether this llama.cpp can pick the largest logits where it computes them; builds before 2026 cannot."""
    return hasattr(llama_cpp, "llama_sampler_seq_config")


def _filter_on_device(params: llama_cpp.llama_context_params, slots: int, candidates: int) -> list[object]:
    """Let the context of `params` keep the `candidates` largest logits of each slot; 0 keeps all.

    Returns the chains that do it, one for each slot for as long as the context lives. The caller frees them after it.
    """
    if not candidates:
        return []
    chains = []
    configs = (llama_cpp.llama_sampler_seq_config * slots)()
    for slot in range(slots):
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_top_k(candidates))
        configs[slot].seq_id, configs[slot].sampler = slot, ctypes.cast(chain, ctypes.c_void_p)
        chains.append(chain)
    params.samplers, params.n_samplers = configs, slots  # ctypes keeps the array as long as `params`
    if hasattr(params, "n_outputs_max_per_seq"):
        params.n_outputs_max_per_seq = 1
    return chains


class _Batch:
    """llama.cpp's batch on numpy arrays, because filling it entry by entry would take longer than a small decode."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._sequence = (np.zeros(size, dtype=np.int32) for _ in range(3))
        self._counts = np.ones(size, dtype=np.int32)
        self._wants_logits = np.zeros(size, dtype=np.int8)
        integer = ctypes.POINTER(ctypes.c_int32)
        address, width = self._sequence.ctypes.data, self._sequence.itemsize
        self._sequence_pointers = (integer * size)(
            *(ctypes.cast(address + index * width, integer) for index in range(size))
        )
        self.struct = llama_cpp.llama_batch(
            n_tokens=0,
            token=self._token.ctypes.data_as(integer),
            embd=None,
            pos=self._position.ctypes.data_as(integer),
            n_seq_id=self._counts.ctypes.data_as(integer),
            seq_id=self._sequence_pointers,
            logits=self._wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
        self.last_entry: list[int] = []
        """For each chunk, the index of its last token in the batch."""

    def fill(self, chunks: Sequence[Chunk], held: Sequence[Sequence[int]]) -> None:
        """Lay the chunks out one after the other; positions continue after the tokens that each sequence holds."""
        begin = 0
        self.last_entry = []
        for sequence, tokens, wants_logits in chunks:
            end = begin + len(tokens)
            self._token[begin:end] = tokens
            self._position[begin:end] = np.arange(len(held[sequence]), len(held[sequence]) + len(tokens))
            self._sequence[begin:end] = sequence
            self._wants_logits[begin:end] = 0
            self._wants_logits[end - 1] = wants_logits
            self.last_entry.append(end - 1)
            begin = end
        self.struct.n_tokens = begin


def _common(held: list[int], wanted: list[int]) -> int:
    """Length of the common beginning of two token lists."""
    if held[: len(wanted)] == wanted:
        return len(wanted)
    return next(
        (i for i, (a, b) in enumerate(zip(held, wanted, strict=False)) if a != b), min(len(held), len(wanted))
    )
