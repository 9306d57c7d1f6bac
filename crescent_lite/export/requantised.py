"""Writes a model in the type that is sampled fastest here, and measures what that costs: perplexity and a score.

The CPU kernels that llama.cpp repacks weights for need rows that are a multiple of 256 for the K types; where a model
has others, `Q4_K_M` is mostly Q5_0, which has no such kernel, and IQ4_NL is faster at about the same size. Knows
nothing of runs. Example:
    fastest_type(Path("model-f16.gguf"))    # 'iq4_nl' for a width of 896, 'q4_k_m' for one of 1,536
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from crescent_lite.config import Config
from crescent_lite.errors import ConfigError, UsageError
from crescent_lite.evaluation import load_benchmark
from crescent_lite.evaluation.scoring import score
from crescent_lite.evaluation.statistics import mcnemar
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.prompts.sets import fill, load_prompt_set
from crescent_lite.records import BenchmarkItem, Completion, Generation, PairedComparison, Request
from crescent_lite.sampling import Sampler, open_sampler
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.importance import importance
from crescent_lite.sampling.machine_limits import allowed_threads

BLOCK_OF_K_TYPES = 256
"""Weights in one block of the K types; a row of another length gets a simpler type instead."""
ROUNDED_TYPES = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "IQ4_NL", "IQ4_XS"})
"""Tensor types below six bits: a model in these has been rounded once already."""
WITHOUT_FAST_KERNELS = frozenset({"Q5_0", "Q5_1", "Q4_1"})
"""Types of matrices whose CPU kernels llama.cpp does not repack the weights for (release of 2026-11)."""
Say = Callable[[str], object]
"""Receives one line for each step."""


@dataclass(frozen=True)
class Quality:
    """How well a model answers some items, and how likely it finds the replies that the first model gave."""

    right: Mapping[str, bool]
    """Item -> whether the greedy reply has the right answer."""
    perplexity: float
    """exp of the mean negative log-probability of a token of the first model's replies."""
    tokens_per_second: float
    """Speed of the greedy replies, on this machine as it was."""
    cut_off: int
    """Replies that reached the limit."""


@dataclass(frozen=True)
class Cost:
    """A model before and after it was quantised."""

    before: Quality
    after: Quality
    change: PairedComparison
    """The right answers, paired by item."""


def fastest_type(path: Path) -> str:
    """Return the 4-bit type that llama.cpp's CPU kernels run fastest for a model of this shape."""
    widths = {int(tensor.shape[0]) for tensor in GgufHeader(path).tensors if len(tensor.shape) > 1}
    return "iq4_nl" if any(width % BLOCK_OF_K_TYPES for width in widths) else "q4_k_m"


def is_rounded(path: Path) -> bool:
    """Whether most matrices have been rounded to fewer than six bits already."""
    return _share_of(path, ROUNDED_TYPES) > 0.5


def runs_on_slow_kernels(path: Path) -> bool:
    """Whether most matrices are in a type that llama.cpp's CPU kernels are slow with."""
    return _share_of(path, WITHOUT_FAST_KERNELS) > 0.5


def _share_of(path: Path, types: frozenset[str]) -> float:
    matrices = [tensor for tensor in GgufHeader(path).tensors if len(tensor.shape) > 1]
    weights = sum(int(tensor.n_elements) for tensor in matrices)
    inside = sum(
        int(tensor.n_elements) for tensor in matrices if gguf.GGMLQuantizationType(tensor.tensor_type).name in types
    )
    return inside / weights if weights else 0.0


def score_items(config: Config, measured: int, calibrating: int) -> tuple[list[BenchmarkItem], list[BenchmarkItem]]:
    """Return the first `measured` items of each benchmark with the role 'score', and `calibrating` others in all.

    Benchmarks of choices are left out. Raises UsageError if there is none with the role, or a BenchmarkError.
    """
    first: list[BenchmarkItem] = []
    others: list[BenchmarkItem] = []
    for name, settings in config.evaluate.benchmarks.items():
        if settings.role == "score" and settings.kind != "choices":
            items = [replace(item, item_id=f"{name}/{item.item_id}") for item in load_benchmark(name, settings).items]
            first += items[:measured]
            others += items[measured:]
    if not first and not others:
        raise UsageError("no benchmark of the settings has the role 'score' and answers that are not choices")
    step = max(1, len(others) // calibrating) if calibrating else 1
    return first, others[::step][:calibrating]


def find_importance(path: Path, config: Config, items: Sequence[BenchmarkItem]) -> dict[str, NDArray[np.float32]]:
    """Let the model answer the items, and return how much each column of its matrices matters for its replies.

    Raises ModelError or OutOfMemoryError.
    """
    with closing(open_sampler(path, config)) as sampler:
        replies, _, _ = _answered(sampler, config, items)
        prompts = dict(zip((item.item_id for item in items), _prompts(config, items), strict=True))
        texts = [
            sampler.encode_example(prompts[key], reply.text, reply.token_ids)[0] for key, reply in replies.items()
        ]
    with closing(GgufModel(path)) as model:
        return importance(model, texts, threads=config.sampling.threads or allowed_threads())


def measure_cost(before: Path, after: Path, config: Config, items: Sequence[BenchmarkItem], say: Say) -> Cost:
    """Let both models answer the items greedily, and both judge the replies of the first.

    Raises ConfigError with sampling servers, which cannot judge replies, or a ModelError.
    """
    if config.sampling.servers:
        raise ConfigError("sampling.servers: a quantised file is measured on this machine; run it without servers")
    judged: dict[str, Completion] = {}
    qualities = []
    for path in (before, after):
        with closing(open_sampler(path, config)) as sampler:
            say(f"{path.name} answers {len(items):,} items")
            replies, right, speed = _answered(sampler, config, items)
            judged = judged or replies
            say(f"{path.name} judges the replies of {before.name}")
            perplexity = _perplexity(sampler, config, items, judged)
            qualities.append(Quality(right, perplexity, speed, _cut_off(replies)))
    first, second = qualities
    return Cost(first, second, mcnemar(first.right, second.right))


def _prompts(config: Config, items: Sequence[BenchmarkItem]) -> list[str]:
    text = load_prompt_set(config.run.prompts).for_evaluation(config.evaluate.primary_prompt or "bare").text
    return [fill(text, question=item.question) for item in items]


def _answered(
    sampler: Sampler, config: Config, items: Sequence[BenchmarkItem]
) -> tuple[dict[str, Completion], dict[str, bool], float]:
    greedy = Generation(config.evaluate.max_tokens, temperature=0.0)
    requests = [
        Request(item.item_id, prompt, greedy) for item, prompt in zip(items, _prompts(config, items), strict=True)
    ]
    before = sampler.usage.seconds
    replies = {reply.key: reply for reply in sampler.sample(requests)}
    seconds = sampler.usage.seconds - before
    right = {
        item.item_id: score(
            replies[item.item_id].text,
            item.answer_key,
            finished=replies[item.item_id].finish_reason == "stop",
            question=item.question,
            gold=item.answer,
        ).flexible
        for item in items
    }
    tokens = sum(reply.tokens for reply in replies.values())
    return replies, right, tokens / seconds if seconds else 0.0


def _perplexity(
    sampler: Sampler, config: Config, items: Sequence[BenchmarkItem], replies: Mapping[str, Completion]
) -> float:
    """Perplexity of the replies to the items; infinite without a token."""
    judging = Generation(max(reply.tokens for reply in replies.values()) + 1, temperature=0.0, logprobs=True)
    requests = [
        Request(item.item_id, prompt, judging, forced=(replies[item.item_id].text,))
        for item, prompt in zip(items, _prompts(config, items), strict=True)
        if replies[item.item_id].text
    ]
    tokens, total = 0, 0.0
    for judged in sampler.sample(requests):
        tokens += judged.tokens
        total += judged.tokens * (judged.mean_logprob or 0.0)
    return math.exp(-total / tokens) if tokens else math.inf


def _cut_off(replies: Mapping[str, Completion]) -> int:
    return sum(reply.finish_reason != "stop" for reply in replies.values())
