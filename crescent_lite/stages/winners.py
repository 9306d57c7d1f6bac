"""Chooses among the votes of a labelled question: solutions to learn, and pairs of a winner and a loser. Pure.

A winner ended by itself with the leading answer in a marked place; a loser ended by itself with an answer that cannot
mean the same. Cut-off solutions and those without an answer are neither. Example:
    pairs(votes, "n:12", TrainConfig(objective="preference"))      # [Pair(winner, loser, weight=0.5)]
Sources: arXiv 2411.04109 (a pair's weight is the difference of its answers' shares), arXiv 2308.01825 (solutions that
differ in their equations).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.answers.equations import equations
from crescent_lite.answers.likeness import may_be_equal
from crescent_lite.records import Label, Vote

LEAST_LEAD = 2
"""Votes by which the leading answer must be ahead of the next for its pairs to be learnt (guess)."""
MOST_USES = 2
"""Pairs of a question in which the same winner may stand (guess)."""
LENGTH_RATIO = 2.0
"""Largest ratio of the lengths of winner and loser, so that pairs do not teach a length (guess)."""
LENGTH_GAP = 0.05
"""Largest relative difference between the mean lengths of all winners and all losers (guess)."""


@dataclass(frozen=True)
class Pair:
    """A solution of the leading answer and one of a losing answer."""

    winner: Vote
    loser: Vote
    weight: float
    """Votes for the winner's answer minus votes for the loser's, as a fraction of all votes drawn, above 0."""


def distinct_winners(votes: Sequence[Vote], label: Label, most: int) -> list[Vote]:
    """Up to `most` solutions of the label's answer that differ in their equations; the label's own comes first."""
    ended = [vote for vote in votes if vote.answer_key == label.answer_key and vote.finish_reason == "stop"]
    found: dict[object, Vote] = {}
    for vote in sorted(ended, key=lambda vote: (vote.vote_id != label.vote_id, *_order(vote))):
        found.setdefault(_way(vote), vote)
    return list(found.values())[:most]


def pairs(votes: Sequence[Vote], answer_key: str, most: int) -> list[Pair]:
    """Up to `most` pairs of one question: first one for each losing answer, the rarest first, then further losers.

    Each loser gets the winner that is nearest in length. No pairs without a lead of LEAST_LEAD votes.
    """
    counts = Counter(vote.answer_key for vote in votes)
    counts.pop(None, None)  # abstentions
    second = max((count for key, count in counts.items() if key != answer_key), default=0)
    if counts[answer_key] - second < LEAST_LEAD:
        return []
    marked = [vote for vote in votes if vote.answer_key == answer_key and _ended_with_an_answer(vote)]
    winners = list({_way(vote): vote for vote in sorted(marked, key=_order, reverse=True)}.values())
    losers = [
        vote
        for vote in sorted(votes, key=lambda vote: vote.sample_index)
        if vote.answer_key is not None
        and vote.finish_reason == "stop"
        and not may_be_equal(vote.answer_key, answer_key)
    ]
    uses, found = Counter[int](), list[Pair]()
    for loser in _in_turns(losers, counts):
        free = [vote for vote in winners if uses[vote.vote_id] < MOST_USES]
        near = min(free, key=lambda vote: abs(len(vote.text) - len(loser.text)), default=None)
        if near is None or len(found) == most:
            break
        if _ratio(near, loser) <= LENGTH_RATIO:
            uses[near.vote_id] += 1
            found.append(Pair(near, loser, (counts[answer_key] - counts[loser.answer_key]) / len(votes)))
    return found


def matched_in_length(found: Sequence[Pair]) -> list[Pair]:
    """The pairs without those that make the winners shorter or longer than the losers by more than LENGTH_GAP.

    The pairs with the largest difference in that direction are left out, as few as possible.
    """
    kept = sorted(found, key=lambda pair: len(pair.winner.text) - len(pair.loser.text))
    winners = sum(len(pair.winner.text) for pair in kept)
    losers = sum(len(pair.loser.text) for pair in kept)
    while kept and abs(winners - losers) > LENGTH_GAP * losers:
        dropped = kept.pop(0 if winners < losers else -1)
        winners, losers = winners - len(dropped.winner.text), losers - len(dropped.loser.text)
    place = {id(pair): index for index, pair in enumerate(found)}
    return sorted(kept, key=lambda pair: place[id(pair)])


def _in_turns(losers: Sequence[Vote], counts: Counter[str | None]) -> list[Vote]:
    """One loser of each answer, the rarest answer first, then the second of each, and so on."""
    turn, nth = Counter[str | None](), dict[int, int]()
    for vote in losers:
        nth[vote.vote_id] = turn[vote.answer_key]
        turn[vote.answer_key] += 1
    return sorted(losers, key=lambda vote: (nth[vote.vote_id], counts[vote.answer_key], vote.sample_index))


def _ended_with_an_answer(vote: Vote) -> bool:
    return vote.finish_reason == "stop" and vote.answer_form not in (None, "last")


def _order(vote: Vote) -> tuple[bool, int]:
    """Solutions that mark their answer first, then in the order drawn."""
    return vote.answer_form == "last", vote.sample_index


def _way(vote: Vote) -> object:
    """What two solutions share that go the same way: their equations, or the text where there are none."""
    return equations(vote.text) or vote.text.strip()


def _ratio(first: Vote, second: Vote) -> float:
    shorter, longer = sorted((len(first.text), len(second.text)))
    return longer / max(shorter, 1)
