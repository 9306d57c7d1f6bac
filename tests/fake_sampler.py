"""The one thing that tests fake: a sampler that asks sums and answers them, correctly three times in four.

Every reply follows from the request and its seed, so a resumed run gets the same replies as an uninterrupted one.
The reply to a bait is a sum, or sometimes not a question at all; the reply to a sum is mostly the right number.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crescent_lite.records import Completion, Request
from crescent_lite.sampling import SamplerUsage, Watch


class FakeSampler:
    """A Sampler without a model."""

    def __init__(self, reply: str | None = None) -> None:
        self.usage = SamplerUsage()
        self.effective = {"sampling.slots": 1}
        self.adapter: Path | None = None
        self.adapters_used: list[Path | None] = []
        self._reply = reply
        """The reply to every request; None makes it depend on the request."""

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        waiting = requests if isinstance(requests, deque) else deque(requests)
        while waiting:
            request = waiting.popleft()
            for index in request.sample_indexes:
                seed = request.sample_seed(index)
                if request.forced:
                    likelihood = -random.Random(seed).random()
                    yield Completion(request.key, index, seed, request.forced[index], "stop", 5, 12, likelihood)
                    continue
                text = self._reply if self._reply is not None else self._say(request, random.Random(seed))
                for end in range(1, len(text) + 1) if watch else ():
                    watch(request.key, text[:end])
                self.usage.tokens += 5
                yield Completion(request.key, index, seed, text, "stop", 5, 12)

    def use_adapter(self, path: Path | None) -> None:
        self.adapter = path
        self.adapters_used.append(path)

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        prompt = list(user.encode()[:40])
        return prompt + list(solution.encode()[:20]), len(prompt)

    def close(self) -> None:
        pass

    def _say(self, request: Request, chance: random.Random) -> str:
        asked = re.search(r"(\d+) \+ (\d+)", request.user)
        if asked is None or "Change the numbers" in request.user:
            if chance.random() < 0.2:
                return " the matter with you?"
            return f" {chance.randint(1, 30)} + {chance.randint(1, 30)}?"
        right = int(asked[1]) + int(asked[2])
        return str(right if chance.random() < self._right() else right + chance.randint(1, 9))

    def _right(self) -> float:
        """The probability of a correct reply: higher with an adapter, as if training had helped."""
        return 0.95 if self.adapter else 0.75
