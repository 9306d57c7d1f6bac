"""What a round left behind that tells whether the run is still well, and what an alarm says of it. Plain values.

Counted by the store, measured and judged in `evaluation`; knows neither. Example: RoundFacts(number=1).shares -> ()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
class Measured:
    """One finished evaluation of a round."""

    title: str
    """Of benchmark and prompt: the same for each round of a run."""
    role: str
    samples: int
    right: Mapping[str, tuple[int, int]]
    """For each item the samples that are right, strictly and flexibly."""
    answers: Mapping[str, int]
    """How often each answer was given."""
    gold: Mapping[str, int]
    """How often each answer would have been right."""


@dataclass(frozen=True)
class RoundFacts:
    """Everything that the measures of a round are made from. Round 0, the base, has only evaluations."""

    number: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Judged texts by the reason of their verdict; 'new' is kept."""
    contaminated: Mapping[str, int] = field(default_factory=dict)
    """Texts that repeat an item, by benchmark."""
    kept: tuple[str, ...] = ()
    """The kept questions."""
    shares: tuple[float, ...] = ()
    """Of the leading answer of each decided question, 0-1."""
    labels: tuple[str, ...] = ()
    """The label's key of each labelled question."""
    votes: Replies = field(default_factory=Replies)
    """Drawn by the model of the round before."""
    evaluated: Replies = field(default_factory=Replies)
    """Greedy replies to the benchmarks, by the round's own model."""
    evaluations: tuple[Measured, ...] = ()

    def role(self, role: str) -> dict[str, bool]:
        """Whether each item of the greedy evaluations in this role was right, flexibly."""
        return {
            f"{each.title}/{item}": right > 0
            for each in self.evaluations
            if each.role == role and each.samples == 1
            for item, (_, right) in each.right.items()
        }


@dataclass(frozen=True)
class Evidence:
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
