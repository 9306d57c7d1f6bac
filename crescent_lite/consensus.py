"""Turns the votes of a question into a label, and decides when to stop drawing votes. Pure.

Knows nothing of models or storage. The policy defines a label:
    majority    the leading answer, if its share reaches a floor; a tie is rejected
    band        the same, but a share above a ceiling is rejected too
    reference   the most common answer, an abstention counting as an answer, as in the paper's code
Votes are drawn in waves, each of the fewest votes that could settle the question. The exact rule stops when further
votes cannot change the label, so it always agrees with the full vote. The Beta rule also stops when the leader is
probably the majority, or probably cannot reach the floor. Example:
    votes with the keys "n:12", "n:12", "n:13", None -> answer n:12, share 0.5
Sources: self-consistency, arXiv 2203.11171; the rule for the leader, Adaptive-Consistency, arXiv 2305.11860 (the rule
for the floor is its mirror image); the band, R-Zero, arXiv 2508.05004.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from crescent_lite.config import VoteConfig
from crescent_lite.records import Consensus, Stopped, Vote


@dataclass
class Poll:
    """A question while votes on it are drawn."""

    question_id: int
    policy: VoteConfig
    votes: list[Vote] = field(default_factory=list)
    """Votes drawn so far, in any order."""
    in_flight: int = 0
    """Votes requested but not yet drawn."""

    @property
    def missing(self) -> int:
        """Planned votes that are not drawn yet."""
        return max(0, self.policy.votes_per_question - len(self.votes))

    def start_wave(self) -> tuple[int, ...]:
        """Start a wave and return the sample indexes to draw; empty during a wave or once the question is settled."""
        if self.in_flight or settled(self.votes, self.policy):
            return ()
        drawn = {vote.sample_index for vote in self.votes}
        free = [index for index in range(self.policy.votes_per_question) if index not in drawn]
        wave = tuple(free[: wave_size(self.votes, self.policy)])
        self.in_flight = len(wave)
        return wave

    def add(self, vote: Vote) -> bool:
        """Add a vote of the current wave; return whether the wave is complete."""
        self.votes.append(vote)
        self.in_flight -= 1
        return self.in_flight == 0

    def decide(self) -> Consensus:
        """The consensus of the votes drawn so far."""
        return decide(self.votes, self.policy)


def decide(votes: Iterable[Vote], policy: VoteConfig) -> Consensus:
    """Return the consensus of one question's votes: a label, or the reason for having none."""
    votes = sorted(votes, key=lambda vote: vote.sample_index)
    ballots = _ballots(votes)
    leader, count, second = _leaders(votes)
    stopped = settled(votes, policy) or "all_drawn"
    chosen = None
    if policy.policy == "reference" and votes:
        # Here an abstention counts as an answer, and a tie goes to the answer that was drawn first.
        commonest = Counter(vote.answer_key for vote in votes).most_common(2)
        (leader, count), (_, second) = [*commonest, (None, 0)][:2]
        reason, chosen = "agreed", next(vote.vote_id for vote in votes if vote.answer_key == leader)
    elif not ballots:
        reason = "no_answer"
    elif count == second:
        reason = "tie"
    elif count / len(votes) < policy.min_share or stopped == "floor_improbable":
        reason = "low_share"
    elif policy.policy == "band" and count / len(votes) > policy.max_share:
        reason = "high_share"
    elif (chosen := _solution(votes, leader, policy)) is None:
        reason = "cut_off"
    else:
        reason = "agreed"
    return Consensus(
        decision="rejected" if chosen is None else "labelled",
        reason=reason,
        answer_key=leader,
        share=count / len(votes) if votes else 0.0,
        votes=len(votes),
        abstentions=len(votes) - ballots.total(),
        distinct=len(ballots),
        margin=(count - second) / len(votes) if votes else 0.0,
        entropy=_entropy(ballots),
        chosen_vote=chosen,
        planned=max(policy.votes_per_question, len(votes)),
        stopped=stopped,
    )


def settled(votes: Sequence[Vote], policy: VoteConfig) -> Stopped | None:
    """Return why no more votes are needed; None as long as more are needed."""
    if len(votes) >= policy.votes_per_question:
        return "all_drawn"
    if _draws_all(policy) or not votes:
        return None
    leader, count, second = _leaders(votes)
    reason = _settled(count, second, len(votes), policy)
    # A label needs a finished solution: if all solutions of the leader were cut off, another vote may bring one.
    if reason in ("leader_certain", "leader_probable") and _solution(votes, leader, policy) is None:
        return None
    return reason


def wave_size(votes: Sequence[Vote], policy: VoteConfig) -> int:
    """Return the fewest further votes that could settle the question.

    Two outcomes are considered: all of these votes go to the leading answer, or none of them does.
    """
    missing = policy.votes_per_question - len(votes)
    if _draws_all(policy):
        return missing
    _, count, second = _leaders(votes)
    for size in range(1, missing):
        drawn = len(votes) + size
        if _settled(count + size, second, drawn, policy) or _settled(count, second, drawn, policy):
            return size
    return missing


def _draws_all(policy: VoteConfig) -> bool:
    """Whether every planned vote is drawn regardless of the answers."""
    return policy.stopping == "never" or policy.policy == "reference"


def _ballots(votes: Iterable[Vote]) -> Counter[str]:
    """Answer key -> number of votes, without abstentions."""
    return Counter(vote.answer_key for vote in votes if vote.answer_key is not None)


def _leaders(votes: Iterable[Vote]) -> tuple[str | None, int, int]:
    """The leading answer, its number of votes, and the number of votes of the next answer."""
    (leader, count), (_, second) = [*_ballots(votes).most_common(2), (None, 0), (None, 0)][:2]
    return leader, count, second


def _settled(leader: int, second: int, drawn: int, policy: VoteConfig) -> Stopped | None:
    """Apply the stopping rule to the numbers of votes for the leading answer, for the next one, and in all."""
    planned = policy.votes_per_question
    missing = planned - drawn
    if (leader + missing) / planned < policy.min_share:
        return "floor_out_of_reach"
    if policy.policy == "band":
        # The label depends on the final share, so a certain leader does not settle it.
        return "ceiling_passed" if leader / planned > policy.max_share else None
    if leader > second + missing and leader / planned >= policy.min_share:
        return "leader_certain"
    if (
        policy.stopping == "beta"
        and leader / drawn >= policy.min_share
        and majority_probability(leader, second) >= policy.stop_confidence
    ):
        return "leader_probable"
    if policy.stopping == "beta" and floor_probability(leader, drawn, policy) <= 1 - policy.stop_confidence:
        return "floor_improbable"
    return None


def floor_probability(leader: int, drawn: int, policy: VoteConfig) -> float:
    """Return the probability, 0-1, that the leading answer reaches the floor with the votes that are left.

    Beta-binomial prediction from a uniform prior on the answer's share; exact, because all counts are integers.
    """
    missing = policy.votes_per_question - drawn
    planned = policy.votes_per_question
    needed = next(count for count in range(planned + 1) if count / planned >= policy.min_share) - leader
    a, b = leader + 1, drawn - leader + 1
    return sum(
        math.comb(missing, wins)
        * math.comb(a + b - 2, a - 1)
        * (a + b - 1)
        / (math.comb(a + b + missing - 2, a + wins - 1) * (a + b + missing - 1))
        for wins in range(max(0, needed), missing + 1)
    )


def majority_probability(leader: int, second: int) -> float:
    """Return the probability, 0-1, that the model draws the leading answer more often than the next one.

    P(p > 1/2) for p ~ Beta(leader + 1, second + 1), computed exactly as a binomial sum.
    """
    trials = leader + second + 1
    return float(sum(math.comb(trials, wins) for wins in range(leader + 1)) / 2**trials)


def _entropy(ballots: Counter[str]) -> float:
    """Entropy of the answers in bits; 0 when all agree."""
    total = ballots.total()
    return abs(sum(count / total * math.log2(total / count) for count in ballots.values()))


def _solution(votes: Iterable[Vote], leader: str | None, policy: VoteConfig) -> int | None:
    """Return the id of the vote whose solution is kept; None if every solution with the leading answer was cut off.

    Solutions that mark their answer come first, then `vote.keep` decides, then the sample index.
    """
    finished = [vote for vote in votes if vote.answer_key == leader and vote.finish_reason == "stop"]

    def rank(vote: Vote) -> tuple[bool, float, int]:
        badness = {
            "first": 0.0,
            "shortest": float(len(vote.text)),
            "likeliest": -vote.mean_logprob if vote.mean_logprob is not None else math.inf,
        }
        return vote.answer_form == "last", badness[policy.keep], vote.sample_index

    return min(finished, key=rank).vote_id if finished else None
