"""The samples that have not started yet, and the order in which they start.

Knows requests and tokens, not slots. While a prompt is being decoded for one sample, its other samples wait, because
they can soon copy its cache cells. Requests that the caller appends during sampling go first: their prompts are
probably still in the cache.
Example: WaitingSamples(requests, encode, spell, begin).take(busy={"q1"}, free_slots=8) -> a sample of "q2"
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from crescent_lite.records import Completion, FinishReason, Generation, Request
from crescent_lite.sampling.drawing import suffices
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.reply import Reply

Encode = Callable[[Request], list[int]]
"""Turns a request into the tokens of its prompt."""
Spell = Callable[[Sequence[int], str], list[int]]
"""Turns the tokens of a prompt and the text of a forced reply into the tokens of the reply."""
Begin = Callable[[Request], str]
"""Text that the replies to a request begin with although it is not drawn: the opening tag of the model's thoughts."""
Drawn = Callable[[Sequence[int], str], tuple[int, ...] | None]
"""The tokens that spell the text of a reply, out of all that were drawn; None if they cannot be told."""


@dataclass
class Sample:
    """One sample that is being drawn."""

    request: Request
    """The request that the sample belongs to."""
    index: int
    """The sample's index in its request."""
    seed: int
    """Seed of the sampler chain."""
    tokens: list[int]
    """The prompt, then the tokens drawn. A sample that lost its cache cells continues from these."""
    prompt_tokens: int
    """How many of `tokens` belong to the prompt."""
    reply: Reply
    """The text drawn so far."""
    chain: object | None
    """llama.cpp's sampler chain, with its random state; None after it is freed."""
    forced: Sequence[int] = ()
    """The tokens of a forced reply; empty when tokens are drawn."""
    logprob: float = 0.0
    """Sum of the tokens' log-probabilities; 0 unless `with_logprobs`."""
    with_logprobs: bool = False
    """Whether the log-probability of every token is added up."""

    @property
    def candidates(self) -> int:
        """How many of the largest logits decide about a token; 0 when all do."""
        return candidates_for(self.request.generation)

    @property
    def drawn(self) -> int:
        """Tokens drawn so far."""
        return len(self.tokens) - self.prompt_tokens

    def free(self) -> None:
        """Free the chain, once."""
        chain, self.chain = self.chain, None
        if chain is not None:
            llama_cpp.llama_sampler_free(chain)

    def completion(self, reason: FinishReason, drawn: Drawn) -> Completion:
        """The finished sample."""
        text = self.reply.text()
        return Completion(
            key=self.request.key,
            sample_index=self.index,
            seed=self.seed,
            text=text,
            finish_reason=reason,
            tokens=self.drawn,
            prompt_tokens=self.prompt_tokens,
            mean_logprob=self.logprob / self.drawn if self.with_logprobs and self.drawn else None,
            token_ids=drawn(self.tokens[self.prompt_tokens :], text),
        )


@dataclass
class _Prompt:
    """A request with samples that have not started."""

    request: Request
    tokens: list[int]
    indexes: deque[int] = field(default_factory=deque)
    """The samples that have not started."""


class WaitingSamples:
    """A queue of requests that hands out one sample at a time."""

    def __init__(self, requests: Iterable[Request], encode: Encode, spell: Spell, begin: Begin) -> None:
        """Take the requests: a deque is emptied, and may be appended to later; any other iterable is read once."""
        self._source = requests if isinstance(requests, deque) else deque(requests)
        self._encode, self._spell, self._begin = encode, spell, begin
        self._prompts: deque[_Prompt] = deque()
        self._paused: deque[Sample] = deque()
        self._refused: deque[Completion] = deque()
        self._context_tokens: int | None = None
        self._offered = 0
        self.candidates = 1
        """How many of the largest logits the requests so far need after a token; 0 when one needs all."""
        self._poll()

    def __bool__(self) -> bool:
        self._poll()
        return bool(self._prompts or self._paused or self._refused)

    @property
    def longest(self) -> int:
        """Most tokens that a waiting prompt may need together with its reply; 0 when no prompt is waiting."""
        return max((len(p.tokens) + p.request.generation.max_tokens for p in self._prompts), default=0)

    def fit_into(self, context_tokens: int, offered: int) -> None:
        """Refuse, from now on, prompts that would fill the whole context, and hold back what does not fit.

        `offered`: how many of the largest logits the context has after a token; 0 when it has all.
        """
        self._context_tokens, self._offered = context_tokens, offered
        prompts, self._prompts = list(self._prompts), deque()
        self._admit(prompts)

    @property
    def fits(self) -> bool:
        """Whether the context offers all the logits that the requests need; while it does not, none is handed out."""
        return suffices(self._offered, self.candidates)

    def take_refused(self) -> Iterator[Completion]:
        """An empty completion for every sample that was refused because its prompt leaves no room for a reply."""
        while self._refused:
            yield self._refused.popleft()

    def take(self, busy: Collection[str], free_slots: int) -> Sample | None:
        """The next sample to start, or None when it is better to wait.

        `busy` holds the keys of the prompts being decoded: their other samples wait until they can copy the cells.
        While those samples would fill all `free_slots`, no other prompt is started.
        """
        self._poll()
        if not self.fits:
            return None
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
        """Take back a sample that lost its cache cells; it continues before any other sample starts."""
        self._paused.appendleft(sample)

    def free(self) -> None:
        """Free the sampler chains of the paused samples."""
        for sample in self._paused:
            sample.free()

    def _sample(self, prompt: _Prompt, index: int) -> Sample:
        request = prompt.request
        seed = request.sample_seed(index)
        stop = [text.encode() for text in request.generation.stop]
        chain = sampler_chain(request.generation, seed)
        forced = self._spell(prompt.tokens, request.forced[index]) if request.forced else ()
        reply = Reply(stop, self._begin(request))
        return Sample(
            request,
            index,
            seed,
            list(prompt.tokens),
            len(prompt.tokens),
            reply,
            chain,
            forced,
            with_logprobs=request.generation.logprobs,
        )

    def _poll(self) -> None:
        arrived = []
        while self._source:
            request = self._source.popleft()
            if request.sample_indexes:
                needed = 0 if request.generation.logprobs else candidates_for(request.generation)
                self.candidates = max(self.candidates, needed) if self.candidates and needed else 0
                arrived.append(_Prompt(request, self._encode(request), deque(request.sample_indexes)))
        self._admit(arrived)

    def _admit(self, arrived: list[_Prompt]) -> None:
        """Put prompts in front of the waiting ones; refuse those that are too long."""
        limit = self._context_tokens
        for prompt in reversed(arrived):
            if limit is None or len(prompt.tokens) < limit:
                self._prompts.appendleft(prompt)
            else:
                self._refused.extend(_refusal(prompt, index) for index in prompt.indexes)


def _refusal(prompt: _Prompt, index: int) -> Completion:
    request = prompt.request
    return Completion(request.key, index, request.sample_seed(index), "", "context", 0, len(prompt.tokens))


def candidates_for(generation: Generation) -> int:
    """How many of the largest logits decide about a token that is drawn with these settings; 0 when all do."""
    return 1 if generation.temperature <= 0 else generation.top_k


def sampler_chain(generation: Generation, seed: int) -> object:
    """llama.cpp's sampler chain for these settings; the caller frees it.

    top_k comes first, so that the steps after it handle few candidates instead of the whole vocabulary.
    """
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
