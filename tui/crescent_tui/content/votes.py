"""The votes of a question in styled text: a histogram of answers, what they add up to and why, one vote's heading.

Pure. Every text of the model passes `printable`; the result is Content, never markup. Example:
    votes_in_a_line(question) -> "8 votes: labelled 5, share 63%, margin 38%"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from crescent_lite.records import FinishReason, Stopped, Vote
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.words import plain_key, spaced

NAME_WIDTH, NUMBERS_WIDTH, MARK_WIDTH = 18, 10, 9
BAR_WIDTHS = (4, 30)
"""Cells of the longest bar: at least, at most."""
ENDED: dict[FinishReason, str] = {
    "stop": "finished",
    "length": "cut off: token limit",
    "context": "cut off: no room left",
}
"""How a solution ended."""
ABSTAINED: dict[FinishReason, str] = {
    "stop": "no answer found",
    "length": "cut off",
    "context": "no room left",
}
"""Why a vote has no answer."""
DECIDED = {
    "agreed": "its majority is large enough to learn from",
    "tie": "no label: another answer has as many votes as the leading one",
    "low_share": "no label: too few votes agree with the leading answer",
    "high_share": "no label: so many agree that there is nothing to learn",
    "no_answer": "no label: no vote has an answer",
    "cut_off": "no label: every solution with the leading answer was cut off",
}
"""What the reason of a decision means."""
STOPPED: dict[Stopped, str] = {
    "leader_certain": "the leader could not be overtaken any more",
    "floor_out_of_reach": "no answer could reach the floor any more",
    "ceiling_passed": "the leader was above the band whatever came",
    "leader_probable": "the leader was very probably the majority",
    "floor_improbable": "no answer was likely to reach the floor",
}
"""Why fewer votes were drawn than planned."""


@dataclass(frozen=True)
class Ballot:
    """One line of the histogram."""

    name: str
    """The answer as people write it, or why there is none."""
    votes: int
    answered: bool
    leading: bool


def ballots(votes: Iterable[Vote], leader: str | None) -> list[Ballot]:
    """Answers, the commonest first, then abstentions by their reason."""
    votes = list(votes)
    answers = Counter(vote.answer_key for vote in votes if vote.answer_key is not None)
    without = Counter(vote.finish_reason for vote in votes if vote.answer_key is None)
    found = [Ballot(plain_key(key), count, True, key == leader) for key, count in answers.most_common()]
    return found + [Ballot(ABSTAINED.get(why, "no answer"), n, False, False) for why, n in without.most_common()]


def ballot_lines(question: WatchedQuestion, width: int = 54, limit: int = 12) -> Content:
    """The histogram, `width` cells wide: each share is of all votes, those without an answer counted."""
    bar_width = width - NAME_WIDTH - 1 - NUMBERS_WIDTH - MARK_WIDTH
    bar_width = max(BAR_WIDTHS[0], min(BAR_WIDTHS[1], bar_width))
    found = ballots(question.votes, question.answer_key)
    most, drawn = max(ballot.votes for ballot in found), len(question.votes)
    shown = found if len(found) <= limit else found[: limit - 1]
    lines = [
        _ballot_line(ballot, most, drawn, bar_width, labelled=question.decision == "labelled") for ballot in shown
    ]
    if rest := found[len(shown) :]:
        votes = sum(ballot.votes for ballot in rest)
        lines.append(Content.styled(f"  and {len(rest)} more with {counted(votes, 'vote')}", MUTED))
    return Content("\n").join(lines)


def _ballot_line(ballot: Ballot, most: int, drawn: int, bar_width: int, *, labelled: bool) -> Content:
    label = Content(f"  {ballot.name}").truncate(NAME_WIDTH, ellipsis=True)
    label = label.pad_right(NAME_WIDTH + 1 - label.cell_length)
    length = max(1, round(bar_width * ballot.votes / most))
    bar, style = ("█", "$success") if ballot.answered else ("░", MUTED)
    mark = ""
    if ballot.leading:
        mark = "  ◂ label" if labelled else "  ◂ leads"
    return Content.assemble(
        label if ballot.answered else label.stylize(MUTED),
        (bar * length + " " * (bar_width - length), style),
        f"{ballot.votes:>4}",
        (f"{ballot.votes / drawn:>6.0%}", MUTED),
        (mark, "bold $text-success" if labelled else "bold $text-warning"),
    )


def votes_in_a_line(question: WatchedQuestion) -> Content:
    """How many, the decision, the share and the margin."""
    drawn = counted(len(question.votes), "vote")
    if question.decision is None or question.share is None:
        return Content.assemble((f"{drawn} so far", "bold"), (", not counted yet", MUTED))
    leading = plain_key(question.answer_key) if question.answer_key is not None else "nothing"
    margin = f", margin {question.margin:.0%}" if question.margin is not None else ""
    if question.decision == "labelled":
        return Content.assemble(
            f"{drawn}: ", (f"labelled {leading}", "bold $text-success"), f", share {question.share:.0%}{margin}"
        )
    return Content.assemble(
        f"{drawn}: ",
        (f"no label, {spaced(question.decision_reason or '')}", "bold $text-warning"),
        f" ({leading} has {question.share:.0%}{margin})",
    )


def decision_words(question: WatchedQuestion) -> Content:
    """Why it is so, and why no more votes were drawn; empty before the votes are counted."""
    words = [DECIDED.get(question.decision_reason or "", "")]
    if question.stopped in STOPPED and (question.planned or 0) > len(question.votes):
        words.append(f"{len(question.votes)} of {question.planned} votes were drawn: {STOPPED[question.stopped]}")
    return Content.styled("; ".join(word for word in words if word), MUTED)


def no_votes_words(question: WatchedQuestion) -> str:
    """Why a question has none."""
    if question.verdict == "rejected":
        return f"Rejected, so nobody votes on it: {spaced(question.reason or '')}."
    if question.verdict is None:
        return "It is not judged yet; only a kept question is voted on."
    return "No votes yet: they come one by one."


def vote_title(vote: Vote, tokens: int, *, kept: bool) -> Content:
    """One vote in a line."""
    return Content.assemble(
        (f"Vote {vote.sample_index + 1}", HEADING),
        (f" · {answer_of(vote)} · {ENDED.get(vote.finish_reason, '')} · {counted(tokens, 'token')}", MUTED),
        (" · kept as the example" if kept else "", "bold $text-success"),
    )


def answer_of(vote: Vote) -> str:
    """Its answer as people write it, or why there is none."""
    if vote.answer_key is None:
        return ABSTAINED.get(vote.finish_reason, "no answer")
    return plain_key(vote.answer_key)


def counted(number: int, noun: str) -> str:
    """1 vote, 2 votes."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
