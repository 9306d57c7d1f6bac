"""Stage 3, the vote: sampled answers -> label. Pure; knows nothing of models or storage. A tie is not a label.

Example: votes with the keys ("n:12", "n:12", "n:13", None) -> answer n:12, share 0.5.
Source: self-consistency, arXiv 2203.11171.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from crescent_lite.records import Consensus, Decision, Vote


def decide(votes: Sequence[Vote], min_share: float) -> Consensus:
    """The label of one question, or why it has none. `min_share` is the policy's floor, 0-1."""
    ballots = Counter(vote.answer_key for vote in votes if vote.answer_key is not None)
    abstentions = len(votes) - ballots.total()
    if not ballots:
        return Consensus("rejected", "no_answer", None, 0.0, len(votes), abstentions, 0, None)

    (leader, count), *others = ballots.most_common(2)
    share = count / len(votes)
    decision: Decision = "rejected"
    chosen = None
    if others and others[0][1] == count:
        reason = "tie"
    elif share < min_share:
        reason = "low_share"
    elif (chosen := _solution(votes, leader)) is None:
        reason = "cut_off"
    else:
        decision, reason = "labelled", "agreed"
    return Consensus(decision, reason, leader, share, len(votes), abstentions, len(ballots), chosen)


def _solution(votes: Sequence[Vote], leader: str) -> int | None:
    """The vote whose solution is kept: the first finished one for the leading answer, marked ones first."""
    finished = [vote for vote in votes if vote.answer_key == leader and vote.finish_reason == "stop"]
    return min(finished, key=lambda vote: vote.answer_form == "last").vote_id if finished else None
