"""What a round left behind that tells whether the run is still well, and what an alarm says of it. Plain values.

Counted by the store, measured and judged in `evaluation`; knows neither. Example: RoundFacts(number=1).shares -> ()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from crescent_lite.records import short_name

Histogram = Mapping[int, int]
"""How often each number of tokens came."""


@dataclass(frozen=True)
class Replies:
    """A heap of replies."""

    tokens: Histogram = field(default_factory=dict)
    ended: int = 0
    """Those that the model ended itself; the rest was cut off."""
    parsed: int = 0
    """Those in which an answer was found."""

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.tokens.values())


@dataclass(frozen=True)
class BenchmarkCounts:
    """One finished evaluation of a round."""

    benchmark: str
    prompt: str
    role: str
    samples: int
    right: Mapping[str, tuple[int, int]]
    """For each item the samples that are right, strictly and flexibly."""
    whole: Mapping[str, int]
    """For each item the samples that the model ended itself and that hold an answer."""
    answers: Mapping[str, int]
    """How often each answer was given."""
    gold: Mapping[str, int]
    """How often each answer would have been right."""

    @property
    def title(self) -> str:
        """For people, and the same for each round of a run."""
        return f"{self.benchmark}, {short_name(self.prompt)}"


@dataclass(frozen=True)
class RoundFacts:
    """Everything that the measures of a round are made from. Round 0, the base, has only evaluations."""

    number: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Judged texts by the reason of their verdict; 'new' is kept."""
    contaminated: Mapping[str, int] = field(default_factory=dict)
    """Texts that repeat an item, by benchmark."""
    raw_texts: int = 0
    """Judged texts that are no rewrites."""
    questions: tuple[str, ...] = ()
    """Of them the usable questions, kept or not: what the model asks, before anything is sorted out."""
    shares: tuple[float, ...] = ()
    """Of the leading answer of each decided question, 0-1."""
    labels: tuple[str, ...] = ()
    """The label's key of each labelled question."""
    votes: Replies = field(default_factory=Replies)
    """Drawn by the model of the round before."""
    evaluated: Replies = field(default_factory=Replies)
    """Greedy replies to the benchmarks, by the round's own model."""
    evaluations: tuple[BenchmarkCounts, ...] = ()

    def right(self, role: str) -> dict[str, int]:
        """For each item of the benchmarks in this role: with how many prompts its greedy answer is right."""
        found: Counter[str] = Counter()
        for each in self.evaluations:
            if each.role == role and each.samples == 1:
                found.update({f"{each.benchmark}/{item}": int(right > 0) for item, (_, right) in each.right.items()})
        return dict(found)


@dataclass(frozen=True)
class MeasuredRound:
    """A round as alarms see it."""

    facts: RoundFacts
    measures: Mapping[str, float]
    """By name; see `evaluation.drift`."""


@dataclass(frozen=True)
class Alarm:
    """Whether one thing that goes wrong in self-training has gone wrong."""

    name: str
    fired: bool
    words: str
    """What was seen, against what; also where nothing is wrong or too little is known."""
