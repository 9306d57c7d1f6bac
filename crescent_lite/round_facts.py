"""The counts of a round from which its measures are computed, and the alarms that those measures set off.

`store.measures` counts, `evaluation.drift` computes the measures, and `evaluation.alarms` compares rounds. The values
here know none of the three. Example:
    ReplyCounts(tokens={80: 3, 120: 1}, ended=4, parsed=3).count -> 4
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from crescent_lite.records import short_name

Histogram = Mapping[int, int]
"""Length in tokens -> number of replies of that length."""


@dataclass(frozen=True)
class InThoughts:
    """Replies of one stage that never left their thoughts, so that no answer was read from them."""

    stage: Literal["ask", "vote", "evaluate"]
    count: int
    """Replies that ended inside their thoughts."""
    replies: int
    """All replies of the stage."""

    @property
    def words(self) -> str:
        """How many there are, and what to change."""
        limit = {"ask": "bait", "vote": "vote", "evaluate": "evaluate"}[self.stage]
        return (
            f"{self.count:,} of {self.replies:,} replies ended inside their thoughts: "
            f"raise {limit}.max_tokens or turn thinking off (model.template_arguments)"
        )

    @property
    def is_much(self) -> bool:
        """Whether this explains why a stage brought little: more than one reply in ten (guess)."""
        return self.count > 0.1 * self.replies


@dataclass(frozen=True)
class LabelTruth:
    """How many labels are right, where the right answers are known. Shown only: nothing is learnt from it."""

    labels: int
    known: int
    """Labels whose question has a right answer that was given or can be computed."""
    right: int
    """Those of them that have this answer."""
    given: int = 0
    """Labels among `known` whose question came with its answer; the other answers are computed."""
    unreadable: int = 0
    """Labels whose question came with an answer that is no value which can be compared."""

    @property
    def words(self) -> str:
        """'14 of 36 labels right; 22 of the questions make sense'; '25 of 30 labels right by the answers given'."""
        if not (self.given or self.unreadable):
            return f"{self.right:,} of {self.labels:,} labels right; {self.known:,} of the questions make sense"
        how = "given or computed" if self.given < self.known else "given"
        said = f"{self.right:,} of {self.known:,} labels right by the answers {how}"
        if not self.known:
            said = f"none of the {self.labels:,} labels could be compared with an answer"
        without = self.labels - self.known - self.unreadable
        rest = [(without, "without an answer"), (self.unreadable, "with an answer that cannot be read")]
        return "; ".join([said, *(f"{count:,} {what}" for count, what in rest if count)])

    @property
    def short_words(self) -> str:
        """'14 right, 22 make sense' or '25 right of 30 with an answer'."""
        if self.given or self.unreadable:
            return f"{self.right:,} right of {self.known:,} with an answer"
        return f"{self.right:,} right, {self.known:,} make sense"


@dataclass(frozen=True)
class ReplyCounts:
    """Counts over a set of replies."""

    tokens: Histogram = field(default_factory=dict)
    """How long the replies are."""
    ended: int = 0
    """Replies that the model ended itself; the others were cut off."""
    parsed: int = 0
    """Replies in which an answer was found."""

    @property
    def count(self) -> int:
        """Number of replies."""
        return sum(self.tokens.values())


@dataclass(frozen=True)
class BenchmarkCounts:
    """Counts over one finished evaluation of a round: a benchmark with one prompt."""

    benchmark: str
    prompt: str
    """Full name of the prompt, `set/file`."""
    role: str
    """Role of the benchmark in the run: 'score', 'final', 'general' or 'canary'."""
    samples: int
    """Replies per item; 1 is a greedy evaluation."""
    right: Mapping[str, tuple[int, int]]
    """Item id -> number of right replies, (strictly, flexibly)."""
    whole: Mapping[str, int]
    """Item id -> number of replies that the model ended itself and that contain an answer."""
    answers: Mapping[str, int]
    """Answer key -> number of replies with this answer."""
    gold: Mapping[str, int]
    """Answer key -> number of items whose gold answer it is."""

    @property
    def title(self) -> str:
        """'gsm8k, bare': the same in every round of a run."""
        return f"{self.benchmark}, {short_name(self.prompt)}"


@dataclass(frozen=True)
class RoundFacts:
    """All counts from which a round's measures are computed. Round 0, the base, has only evaluations."""

    number: int
    """Number of the round; 0 is the base."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reason of a verdict -> number of texts, rewrites included; 'new' counts the kept ones."""
    contaminated: Mapping[str, int] = field(default_factory=dict)
    """Benchmark -> number of texts that repeat one of its items."""
    raw_texts: int = 0
    """Texts with a verdict that are not rewrites."""
    questions: tuple[str, ...] = ()
    """The usable questions among the raw texts, kept or rejected as duplicates or contaminated."""
    shares: tuple[float, ...] = ()
    """Share of the leading answer of each decided question, 0-1."""
    labels: tuple[str, ...] = ()
    """Answer key of each label."""
    votes: ReplyCounts = field(default_factory=ReplyCounts)
    """The votes, which the model of the round before drew."""
    evaluated: ReplyCounts = field(default_factory=ReplyCounts)
    """Greedy replies of the round's own model to the benchmarks."""
    evaluations: tuple[BenchmarkCounts, ...] = ()

    def right(self, role: str) -> dict[str, int]:
        """Map each item (`benchmark/item`) of this role to the number of prompts whose greedy reply is right."""
        found: Counter[str] = Counter()
        for each in self.evaluations:
            if each.role == role and each.samples == 1:
                found.update({f"{each.benchmark}/{item}": int(right > 0) for item, (_, right) in each.right.items()})
        return dict(found)


@dataclass(frozen=True)
class MeasuredRound:
    """A round's counts and measures, as alarms compare them."""

    facts: RoundFacts
    measures: Mapping[str, float]
    """Name -> value; `evaluation.drift` defines names and units."""


@dataclass(frozen=True)
class Alarm:
    """The result of one check for a known failure of self-training."""

    name: str
    """Name of the check, for instance 'one_answer'."""
    fired: bool
    words: str
    """What was seen and what it was compared with; or what is missing, if the check needs more data."""


OF_REPLIES = ("agreement", "cut_off", "reply_tokens")
"""Figures of the greedy replies of a look, without 'held_out_'."""


def measures_in_words(measures: Mapping[str, Sequence[float]]) -> list[str]:
    """A line for each figure of a training: 'pair accuracy 0.52 to 0.81'. First and last tenth of its values.

    The figures of greedy replies share a line, with their first and last values.
    """
    lines = []
    if replies := measures.get("held_out_replies"):
        agreement, cut_off, tokens = (measures[f"held_out_{name}"] for name in OF_REPLIES)
        lines.append(
            f"{replies[-1]:.0f} greedy replies to held-out questions: agreement with the votes {agreement[0]:.0%} to "
            f"{agreement[-1]:.0%}, cut off {cut_off[0]:.0%} to {cut_off[-1]:.0%}, mean length {tokens[0]:.0f} to "
            f"{tokens[-1]:.0f} tokens"
        )
    for name, values in measures.items():
        if name in ("held_out_replies", *(f"held_out_{name}" for name in OF_REPLIES)):
            continue
        tenth = max(1, len(values) // 10)
        first, last = sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth
        lines.append(f"{name.replace('_', ' ')} {first:.3g} to {last:.3g}")
    return lines
