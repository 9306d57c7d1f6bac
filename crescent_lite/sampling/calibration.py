"""How fast this machine samples a model, and how long its replies are: a few seconds of the work of a run.

Knows samplers and requests, not what they are for. A sampler on servers cannot be stopped in the middle of a reply,
so it is not calibrated. Example:
    calibrate(sampler, {"votes": votes, "replies": items}, prompts, seconds=3.0).draw -> 152.0
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from crescent_lite.records import Request
from crescent_lite.sampling.protocol import Sampler, SamplerUsage

PROMPT_WEIGHT = 0.5
"""Cost of reading a prompt token in drawn tokens, where the two cannot be told apart: as in `store.experience`."""
LONGEST = 4.0
"""Longest time for the prompts and replies of a kind, in units of the time for its replies alone (guess)."""
FEWEST_ENDED = 0.5
"""Fraction of the replies that must have ended for their mean length to be known. Fewer would be the short ones."""


@dataclass(frozen=True)
class Calibration:
    """What a few seconds of sampling showed."""

    draw: float
    """Tokens drawn per second with all slots at work."""
    prompt: float
    """Prompt tokens read per second."""
    lengths: Mapping[str, float]
    """Mean length in tokens of each kind of reply, for kinds of which enough replies ended."""
    seconds: float
    """Time that was spent."""


class _TimeIsUpError(Exception):
    """Ends the sampling between two steps."""


def calibrate(
    sampler: Sampler, kinds: Mapping[str, Sequence[Request]], prompts: Sequence[Request], seconds: float
) -> Calibration | None:
    """Sample each kind of request for up to `seconds` after its prompts are read, and read `prompts` again.

    The speeds of drawing and of reading are told apart by their different mixture before and after the last prompt.
    None if nothing was drawn.
    """
    began = time.perf_counter()
    reading, drawing, lengths = SamplerUsage(), SamplerUsage(), {}
    for name, requests in kinds.items():
        before, after, ended = _sample_for(sampler, requests, seconds)
        reading, drawing = reading + before, drawing + after
        samples = sum(len(request.sample_indexes) for request in requests)
        if samples and len(ended) >= FEWEST_ENDED * samples:
            under_way = samples - len(ended)
            lengths[name] = (before.tokens + after.tokens) / (len(ended) + under_way / 2)
    first = [replace(each, generation=replace(each.generation, max_tokens=1)) for each in prompts]
    reading = reading + sum(_sample_for(sampler, first, seconds)[:2], SamplerUsage())
    speeds = _speeds(drawing, reading)
    return Calibration(*speeds, lengths, time.perf_counter() - began) if speeds else None


def _sample_for(
    sampler: Sampler, requests: Sequence[Request], seconds: float
) -> tuple[SamplerUsage, SamplerUsage, list[int]]:
    """What the sampler did until the last prompt was read, and in up to `seconds` after that.

    Also the lengths of the replies that ended.
    """
    before, ended = replace(sampler.usage), []
    read = replace(before)
    latest = time.perf_counter() + LONGEST * seconds
    until = latest

    def watch(_key: str, _text: str) -> None:
        nonlocal read, until
        now = time.perf_counter()
        if sampler.usage.prompt_tokens != read.prompt_tokens:
            read, until = replace(sampler.usage), now + seconds
        if now > min(until, latest):
            raise _TimeIsUpError

    try:
        with closing(sampler.sample(requests, watch)) as completions:  # type: ignore[type-var]
            for completion in completions:
                ended.append(completion.tokens)
    except _TimeIsUpError:
        pass
    return read - before, sampler.usage - read, ended


def _speeds(drawing: SamplerUsage, reading: SamplerUsage) -> tuple[float, float] | None:
    """Tokens drawn and prompt tokens read per second: the costs that explain the time of both samplings."""
    if drawing.tokens + reading.tokens <= 0 or drawing.seconds + reading.seconds <= 0:
        return None
    determinant = drawing.tokens * reading.prompt_tokens - reading.tokens * drawing.prompt_tokens
    if determinant > 0:
        per_prompt = (drawing.tokens * reading.seconds - reading.tokens * drawing.seconds) / determinant
        solved = (drawing.seconds - per_prompt * drawing.prompt_tokens) / drawing.tokens
        if per_prompt > 0 and solved > 0:
            return 1 / solved, 1 / per_prompt
    mixed = drawing + reading
    work = mixed.tokens + PROMPT_WEIGHT * mixed.prompt_tokens
    return work / mixed.seconds, work / mixed.seconds / PROMPT_WEIGHT
