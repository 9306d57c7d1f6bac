"""A context with the samples in its slots: which sample is in which sequence, and which tokens go into each decode.

A prompt is decoded in one slot, in chunks beside the tokens of the other slots. Its cells are then copied to the
samples that share its beginning, so that all votes of a question need one prefill. The ids of active sequences stay
contiguous and ascending, because llama.cpp splits a batch at every gap. When the cache is full, some samples leave
their slots and continue later. Example, one step of a sampler:
    lane.fill()
    lane.start(worker)
    finished = lane.finish()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait

from crescent_lite.records import FinishReason
from crescent_lite.sampling.drawing import Draw
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext
from crescent_lite.sampling.protocol import SamplerUsage
from crescent_lite.sampling.waiting import Sample, WaitingSamples


class Lane:
    """The slots of one context. All methods are called by one thread; only the decode may run in another."""

    def __init__(self, context: KvContext, model: GgufModel, waiting: WaitingSamples, usage: SamplerUsage) -> None:
        """Begin with empty slots, which samples from `waiting` fill. What is drawn is added to `usage`."""
        self.context = context
        self.active: list[Sample] = []
        """The sample in each sequence."""
        self._model, self._waiting, self._usage = model, waiting, usage
        self._live = context.plan.slots
        """Slots in use at most; lower than planned after the cache was full."""
        self._chunks: list[tuple[int, list[int], bool]] = []
        self._decode: Callable[[], bool] | None = None
        self._future: Future[bool] | None = None

    def fill(self) -> None:
        """Start samples in the free slots."""
        while (free := self._live - len(self.active)) > 0:
            sample = self._next_sample(free)
            if sample is None:
                return
            self._begin(len(self.active), sample)
            self.active.append(sample)

    def refill(self, sequence: int) -> None:
        """Start another sample in the slot of a finished one; if none can start, move the last active one there."""
        context, active = self.context, self.active
        if self._live < context.plan.slots and context.free_cells > context.plan.context_tokens // 2:
            self._live += 1
        free = self._live - len(active) + 1
        if free > 0 and (sample := self._next_sample(free)):
            self._begin(sequence, sample)
            active[sequence] = sample
            return
        last = active.pop()
        if sequence < len(active):
            context.move(len(active), sequence)
            active[sequence] = last

    def start(self, worker: Executor | None) -> None:
        """Begin to decode the next tokens of every slot, in `worker` while this thread goes on; None: in `finish`."""
        chunks = self._chunks = self._next_chunks()
        context = self.context
        if worker is None:
            self._decode = lambda: context.decode(chunks)
        else:
            self._future = worker.submit(context.decode, chunks)
            self._decode = self._future.result

    def finish(self) -> list[tuple[int, Sample, FinishReason]]:
        """End the decode that was started, and add a token to every sample whose prompt is complete.

        Returns the samples that finished, each with its sequence and its reason; none if nothing was started.
        """
        if self._decode is None:
            return []
        began, decoding = time.perf_counter(), self.context.decode_seconds
        while not self._decode():
            if not self._make_room():
                self._decode = None
                return [(0, self.active[0], "context")]
            self.start(None)
        self._decode = self._future = None
        finished = [(sequence, self.active[sequence], reason) for sequence, reason in self._add_tokens()]
        self._usage.decode_seconds += self.context.decode_seconds - decoding
        self._usage.seconds += time.perf_counter() - began
        return finished

    def settle(self) -> None:
        """Wait until no decode is running, and drop what it brought."""
        if self._future:
            wait([self._future])
        self._decode = self._future = None

    def clear(self) -> None:
        """Let all unfinished samples wait again; they continue where they were when they are taken."""
        self.settle()
        for sample in reversed(self.active):
            if sample.chain is not None:
                self._waiting.put_back(sample)
        self.active = []

    def _next_sample(self, free_slots: int) -> Sample | None:
        if self.active and not any(self.context.held):
            return None  # the very first prompt is decoded alone, so that the others can copy its beginning
        busy = {
            sample.request.key
            for sequence, sample in enumerate(self.active)
            if len(sample.tokens) - len(self.context.held[sequence]) > 1
        }
        return self._waiting.take(busy, free_slots)

    def _begin(self, sequence: int, sample: Sample) -> None:
        held = self.context.begin(sequence, sample.tokens)
        self._usage.prompt_tokens += len(sample.tokens) - held
        if not sample.drawn:  # a paused sample that continues has been counted
            self._usage.started += 1
            if sample.request.generation.logprobs_if_cheap:
                usage = self._usage
                sample.with_logprobs |= self.context.logprobs_are_cheap(usage.decode_seconds, usage.tokens)

    def _next_chunks(self) -> list[tuple[int, list[int], bool]]:
        """One token of every sequence, and as many more prompt tokens as the batch has room for."""
        chunks = []
        room = self.context.plan.batch_tokens - len(self.active)
        for sequence, sample in enumerate(self.active):
            held = len(self.context.held[sequence])
            tokens = sample.tokens[held : held + 1 + room]
            room -= len(tokens) - 1
            chunks.append((sequence, tokens, held + len(tokens) == len(sample.tokens)))
        return chunks

    def _make_room(self) -> bool:
        """Make room in a full cache. Returns False when there is nothing to free.

        The cells of idle slots are freed first. If there are none, a quarter of the samples leave their slots.
        """
        context, active = self.context, self.active
        if context.forget(range(len(active), context.plan.slots)):
            return True
        if len(active) == 1:
            return False
        kept = min(len(active) - 1, max(1, len(active) * 3 // 4))
        for sample in reversed(active[kept:]):
            self._waiting.put_back(sample)
        context.forget(range(kept, len(active)))
        self._usage.pauses += len(active) - kept
        del active[kept:]
        self._live = kept
        return True

    def _add_tokens(self) -> list[tuple[int, FinishReason]]:
        complete = [
            (number, self.active[sequence]) for number, (sequence, _, is_last) in enumerate(self._chunks) if is_last
        ]
        draws = [Draw(number, sample.chain, sample.candidates) for number, sample in complete if not sample.forced]
        drawn = iter(self.context.draw(draws))
        finished: list[tuple[int, FinishReason]] = []
        for number, sample in complete:
            token = sample.forced[sample.drawn] if sample.forced else next(drawn)
            if sample.with_logprobs:
                sample.logprob += self.context.logprob(number, token)
            self._usage.tokens += 1
            sequence = self._chunks[number][0]
            if reason := self._add(sample, token, len(self.context.held[sequence])):
                finished.append((sequence, reason))
        return finished

    def _add(self, sample: Sample, token: int, held: int) -> FinishReason | None:
        """Append a token to a sample. Returns why the sample is finished, or None when it is not."""
        sample.tokens.append(token)
        if self._model.ends_turn(token) or sample.reply.add(self._model.piece(token)):
            return "stop"
        if sample.drawn == len(sample.forced):
            return "stop"
        if sample.drawn >= sample.request.generation.max_tokens:
            return "length"
        return "context" if held >= self.context.plan.context_tokens else None
