"""The samples that are still to be drawn, and the order in which they start.

Knows requests and tokens, not slots. A prompt that is just being decoded is passed over: a moment later its cells can
be copied. What the caller appends while completions come goes first: its prompt is likely to be in the cache still.
Example: WaitingSamples(requests, encode, spell).take(busy={"q1"}, free_slots=8) -> a sample of "q2"
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import llama_cpp

from crescent_lite.records import Completion, FinishReason, Generation, Request
from crescent_lite.sampling.reply import Reply

Encode = Callable[[Request], list[int]]
Spell = Callable[[str], list[int]]
"""A text that a sample is made to say, in tokens."""


@dataclass
class Sample:
    """One sample on its way."""

    request: Request
    index: int
    seed: int
    tokens: list[int]
    """The prompt, then what was drawn. A sample that lost its cells goes on from these."""
    prompt_tokens: int
    reply: Reply
    chain: object | None
    """llama.cpp's sampler chain, with its random state; None once it is freed."""
    forced: Sequence[int] = ()
    """The tokens that it is made to say; empty where they are drawn."""
    logprob: float = 0.0
    """Of all drawn tokens together, where it is asked for."""

    @property
    def drawn(self) -> int:
        """Tokens drawn so far."""
        return len(self.tokens) - self.prompt_tokens

    def free(self) -> None:
        """Free the chain, once."""
        chain, self.chain = self.chain, None
        if chain is not None:
            llama_cpp.llama_sampler_free(chain)

    def completion(self, reason: FinishReason) -> Completion:
        """The finished sample."""
        return Completion(
            key=self.request.key,
            sample_index=self.index,
            seed=self.seed,
            text=self.reply.text(),
            finish_reason=reason,
            tokens=self.drawn,
            prompt_tokens=self.prompt_tokens,
            mean_logprob=self.logprob / self.drawn if self.request.generation.logprobs and self.drawn else None,
        )


@dataclass
class _Prompt:
    """A request of which samples are still to be started."""

    request: Request
    tokens: list[int]
    indexes: deque[int] = field(default_factory=deque)


class WaitingSamples:
    """A queue of requests, one sample at a time."""

    def __init__(self, requests: Iterable[Request], encode: Encode, spell: Spell) -> None:
        """A deque is emptied from the left, and may be appended to later; anything else is read whole."""
        self._source = requests if isinstance(requests, deque) else deque(requests)
        self._encode, self._spell = encode, spell
        self._prompts: deque[_Prompt] = deque()
        self._paused: deque[Sample] = deque()
        self._refused: deque[Completion] = deque()
        self._context_tokens: int | None = None
        self._poll()

    def __bool__(self) -> bool:
        self._poll()
        return bool(self._prompts or self._paused or self._refused)

    @property
    def longest(self) -> int:
        """Tokens that the longest prompt and its reply may come to."""
        return max((len(p.tokens) + p.request.generation.max_tokens for p in self._prompts), default=0)

    def fit_into(self, context_tokens: int) -> None:
        """From now on, prompts that would fill the whole context are refused."""
        self._context_tokens = context_tokens
        prompts, self._prompts = list(self._prompts), deque()
        self._admit(prompts)

    def take_refused(self) -> Iterator[Completion]:
        """An empty completion for every sample whose prompt leaves no room for a reply."""
        while self._refused:
            yield self._refused.popleft()

    def take(self, busy: Collection[str], free_slots: int) -> Sample | None:
        """The next sample to start; None where it is better to wait.

        `busy` are the keys of the prompts just being decoded: their other samples wait for the cells. While those
        would fill all `free_slots`, no further prompt is begun.
        """
        self._poll()
        if self._paused:
            return self._paused.popleft()
        for position, prompt in enumerate(self._prompts):
            if prompt.request.key not in busy:
                index = prompt.indexes.popleft()
                if not prompt.indexes:
                    del self._prompts[position]
                return self._sample(prompt, index)
            free_slots -= len(prompt.indexes)
            if free_slots <= 0:
                return None
        return None

    def put_back(self, sample: Sample) -> None:
        """A sample that lost its cells; it goes on, where it was, before any other starts."""
        self._paused.appendleft(sample)

    def free(self) -> None:
        """Free what the paused samples hold."""
        for sample in self._paused:
            sample.free()

    def _sample(self, prompt: _Prompt, index: int) -> Sample:
        request = prompt.request
        seed = request.sample_seed(index)
        stop = [each.encode() for each in request.generation.stop]
        chain = sampler_chain(request.generation, seed)
        forced = self._spell(request.forced[index]) if request.forced else ()
        return Sample(request, index, seed, list(prompt.tokens), len(prompt.tokens), Reply(stop), chain, forced)

    def _poll(self) -> None:
        arrived = []
        while self._source:
            request = self._source.popleft()
            if request.sample_indexes:
                arrived.append(_Prompt(request, self._encode(request), deque(request.sample_indexes)))
        self._admit(arrived)

    def _admit(self, arrived: list[_Prompt]) -> None:
        """Put prompts before those that are there, the ones that are too long aside."""
        limit = self._context_tokens
        for prompt in reversed(arrived):
            if limit is None or len(prompt.tokens) < limit:
                self._prompts.appendleft(prompt)
            else:
                self._refused.extend(_refusal(prompt, index) for index in prompt.indexes)


def _refusal(prompt: _Prompt, index: int) -> Completion:
    request = prompt.request
    return Completion(request.key, index, request.sample_seed(index), "", "context", 0, len(prompt.tokens))


def sampler_chain(generation: Generation, seed: int) -> object:
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
