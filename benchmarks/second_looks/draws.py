"""What was drawn for one question, what a second look makes of it, and the interface between the two. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from crescent_lite.config import VoteConfig
from crescent_lite.consensus import decide
from crescent_lite.records import Consensus, Vote

Kind = Literal["bare", "second", "reworded"]
"""How a vote was asked for. bare: the question alone. second: with the second prompt. reworded: the model's own
rewording of the question alone."""
FLOOR = 0.5
"""Share from which the leading answer is a label, as in the presets."""


@dataclass(frozen=True)
class Drawn:
    """A vote and what it cost."""

    vote: Vote
    tokens: int
    """Tokens drawn."""


@dataclass(frozen=True)
class Check:
    """The model's own yes or no, from the log-probabilities of the two words."""

    log_odds: float
    """Log-probability of 'Yes' minus that of 'No', in nats."""
    tokens: int
    """Tokens of the prompt and the two words."""

    @property
    def yes(self) -> float:
        """Probability of 'Yes' among the two, 0-1."""
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, self.log_odds))))


@dataclass(frozen=True)
class Draws:
    """Everything that was drawn for one question."""

    votes: Mapping[Kind, Sequence[Drawn]]
    """In the order of their sample indexes."""
    rewording_tokens: int = 0
    """Tokens of the rewording."""
    is_complete: Check | None = None
    """Whether the question is a complete problem with one answer; None if it was not asked."""
    is_right: Mapping[str, Check] = field(default_factory=dict)
    """Whether an answer is right, by the answer's key."""

    def first(self, kind: Kind, count: int) -> list[Drawn]:
        """The first votes of a kind. Raises ValueError if fewer were drawn."""
        found = list(self.votes.get(kind, ()))[:count]
        if len(found) < count:
            raise ValueError(f"{len(found)} votes of the kind {kind!r}, {count} needed")
        return found


@dataclass(frozen=True)
class Looked:
    """What a second look makes of one question."""

    chosen: Vote | None
    """The vote whose solution would be learnt; None without an answer that leads."""
    confidence: float
    """Orders the questions: a label of a higher confidence is given up later. 0 or more."""
    is_label: bool
    """Whether the question gets a label at the usual floor."""
    tokens: int
    """Tokens that the decision cost."""


class SecondLook(Protocol):
    """Decides the label of a question from at most `votes` votes, and from checks that cost tokens too."""

    @property
    def name(self) -> str:
        """Its name in the tables."""
        ...

    def look(self, draws: Draws, votes: int) -> Looked:
        """Decide. Raises ValueError if something that it needs was not drawn."""
        ...


def counted(votes: Sequence[Vote], floor: float = 0.0) -> Consensus:
    """The consensus of votes with this floor; every one of them counts."""
    return decide(votes, VoteConfig(votes_per_question=max(len(votes), 1), min_share=floor, stopping="never"))


def solution(votes: Sequence[Vote], consensus: Consensus) -> Vote | None:
    """The vote that a consensus chose."""
    return next((vote for vote in votes if vote.vote_id == consensus.chosen_vote), None)


def by_share(drawn: Sequence[Drawn], *, of: int = 0, extra_tokens: int = 0) -> Looked:
    """The leading answer of votes, with its share as the confidence.

    `of`: the number of votes that the share counts, if some of them were left out.
    """
    votes = [each.vote for each in drawn]
    consensus = counted(votes)
    chosen = solution(votes, consensus)
    share = consensus.share * len(votes) / (of or max(len(votes), 1))
    tokens = sum(each.tokens for each in drawn) + extra_tokens
    return Looked(chosen, share if chosen else 0.0, chosen is not None and share >= FLOOR, tokens)
