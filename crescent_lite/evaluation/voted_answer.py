"""The answer of several samples of one question: the majority, its share, how the votes split, and a solution. Pure.

The majority is that of `sampled_scores`: in a tie, the answer that was drawn first. Unlike the label of a run it has
no floor, because somebody is waiting for an answer. Example, of votes for 12, 13 and 12:
    voted_answer(votes).split_in_words() -> "12 in 2 of 3 votes; 13: 1"
Source: self-consistency, arXiv 2203.11171.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from crescent_lite.evaluation.sampled_scores import majority
from crescent_lite.printable import printable_line
from crescent_lite.records import Abstention, Answer, FinishReason


@dataclass(frozen=True)
class CastVote:
    """One sample of a question."""

    index: int
    """Place in the order of drawing, from 0."""
    text: str
    """The solution. Untrusted."""
    answer: Answer | None
    """The final answer; None where none was found."""
    finish_reason: FinishReason
    tokens: int
    """Tokens drawn."""
    abstained: Abstention | None = None
    """Why no final answer was found; None if one was."""

    @property
    def is_cut_off(self) -> bool:
        """Whether the solution did not end by itself."""
        return self.finish_reason != "stop"


@dataclass(frozen=True)
class AnswerCount:
    """One of the answers that were voted for."""

    answer: Answer
    """As the first vote for it wrote it."""
    votes: int
    """Votes for it, at least 1."""


@dataclass(frozen=True)
class VotedAnswer:
    """What the votes on one question add up to."""

    votes: int
    """Votes drawn."""
    split: tuple[AnswerCount, ...]
    """Each answer with its votes, the leader first; equal counts in the order of drawing. Empty without answers."""
    solution: CastVote | None
    """A vote for the leader: ended before cut off, marked answers before unmarked ones, then the first drawn.
    None without answers."""
    no_answer: int
    """Votes without an answer."""
    in_thoughts: int
    """The part of `no_answer` that never left the model's thoughts."""
    cut_off: int
    """Votes that did not end by themselves, with or without an answer."""

    @property
    def leader(self) -> AnswerCount | None:
        """The majority; None without answers."""
        return self.split[0] if self.split else None

    @property
    def share(self) -> float:
        """Fraction of all votes that agree with the leader, 0-1. Votes without an answer count against it."""
        return self.split[0].votes / self.votes if self.split else 0.0

    @property
    def tied(self) -> tuple[AnswerCount, ...]:
        """The answers that share the first place; empty if one leads."""
        first = tuple(each for each in self.split if each.votes == self.split[0].votes)
        return first if len(first) > 1 else ()

    def split_in_words(self) -> str:
        """'12 in 5 of 8 votes; 13: 2; no answer: 1'."""
        if not self.split:
            return f"no answer in {counted(self.votes)}"
        leader, *others = self.split
        words = [f"{_shown(leader)} in {leader.votes} of {counted(self.votes)}"]
        words += [f"{_shown(each)}: {each.votes}" for each in others]
        return "; ".join([*words, f"no answer: {self.no_answer}"] if self.no_answer else words)

    def remarks(self) -> list[str]:
        """What a reader should know beside the split: a tie, unfinished thoughts, replies that were cut off."""
        found = []
        if tied := self.tied:
            names = f"{', '.join(map(_shown, tied[:-1]))} and {_shown(tied[-1])}"
            found.append(f"a tie of {names}; {_shown(tied[0])} was drawn first")
        if self.in_thoughts:
            found.append(f"{counted(self.in_thoughts)} never left the thoughts")
        if self.cut_off:
            found.append(f"{counted(self.cut_off)} cut off by the length limit")
        return found


def voted_answer(votes: Iterable[CastVote]) -> VotedAnswer:
    """Count the votes on one question, given in any order."""
    drawn = sorted(votes, key=lambda vote: vote.index)
    first: dict[str, Answer] = {}
    for vote in drawn:
        if vote.answer:
            first.setdefault(vote.answer.key, vote.answer)
    counts = Counter(vote.answer.key for vote in drawn if vote.answer)
    split = tuple(AnswerCount(first[key], votes) for key, votes in counts.most_common())
    leader = majority(vote.answer.key if vote.answer else None for vote in drawn)
    return VotedAnswer(
        votes=len(drawn),
        split=split,
        solution=min((v for v in drawn if v.answer and v.answer.key == leader), key=_rank, default=None),
        no_answer=len(drawn) - counts.total(),
        in_thoughts=sum(vote.abstained == "in_thoughts" for vote in drawn),
        cut_off=sum(vote.is_cut_off for vote in drawn),
    )


def counted(votes: int) -> str:
    """'1 vote', '8 votes'."""
    return f"{votes:,} vote{'s' * (votes != 1)}"


def _rank(vote: CastVote) -> tuple[bool, bool, int]:
    return vote.is_cut_off, vote.answer is None or vote.answer.form == "last", vote.index


def _shown(count: AnswerCount) -> str:
    return printable_line(count.answer.raw)
