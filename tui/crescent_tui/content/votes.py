"""The votes of a question in styled text: a histogram of answers, the decision and its reason, and single votes.

Pure. The texts of a model pass through `printable`; the result is Content, never parsed as markup. Example:
    votes_line(question) -> "8 votes: labelled 5, share 63%, margin 38%"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from crescent_lite.records import FinishReason, Stopped, Vote
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.columns import cell
from crescent_tui.content.words import plural, readable_answer, spaced

NAME_WIDTH, NUMBERS_WIDTH, MARK_WIDTH = 18, 10, 9
BAR_WIDTHS = (4, 30)
"""The length in cells of a bar for all votes: at least, at most."""
ENDED: dict[FinishReason, str] = {
    "stop": "finished",
    "length": "cut off: token limit",
    "context": "cut off: context full",
}
"""How a solution ended, by the reason stored."""
ABSTAINED: dict[str, str] = {
    "in_thoughts": "inside thoughts",
    "stop": "no answer found",
    "length": "cut off",
    "context": "context full",
}
"""Why a vote has no answer, by the reason stored; otherwise by how the solution ended."""
DECIDED = {
    "agreed": "enough votes agree on the leading answer",
    "tie": "no label: another answer has as many votes as the leading one",
    "low_share": "no label: too few votes agree with the leading answer",
    "high_share": "no label: so many votes agree that there is nothing to learn",
    "no_answer": "no label: no vote has an answer",
    "cut_off": "no label: every solution with the leading answer was cut off",
}
"""The meaning of the reason of a decision."""
STOPPED: dict[Stopped, str] = {
    "leader_certain": "no other answer could overtake the leading one",
    "floor_out_of_reach": "no answer could still reach the required share",
    "ceiling_passed": "the leading answer was certain to exceed the highest share",
    "leader_probable": "the leading answer was very probably the majority",
    "floor_improbable": "no answer was likely to reach the required share",
}
"""Why fewer votes were drawn than planned."""


@dataclass(frozen=True)
class AnswerCount:
    """One line of the histogram: an answer, or a reason for having none."""

    name: str
    """The answer as people write it, or why there is none."""
    votes: int
    answered: bool
    """False for a count of votes without an answer."""
    leading: bool
    """Whether it is the answer with the most votes."""


def answer_counts(votes: Iterable[Vote], leader: str | None) -> list[AnswerCount]:
    """Counts of answers, most frequent first, then of votes without an answer, by reason."""
    votes = list(votes)
    answers = Counter(vote.answer_key for vote in votes if vote.answer_key is not None)
    without = Counter(_why(vote) for vote in votes if vote.answer_key is None)
    found = [AnswerCount(readable_answer(key), count, True, key == leader) for key, count in answers.most_common()]
    return found + [AnswerCount(ABSTAINED.get(why, "no answer"), n, False, False) for why, n in without.most_common()]


def histogram(question: WatchedQuestion, width: int = 54, limit: int = 12) -> Content:
    """A histogram of the answers, `width` cells wide.

    A bar's length is the share of all votes, those without an answer included, and its track is all of them.
    """
    bar_width = width - NAME_WIDTH - 1 - NUMBERS_WIDTH - MARK_WIDTH
    bar_width = max(BAR_WIDTHS[0], min(BAR_WIDTHS[1], bar_width))
    found = answer_counts(question.votes, question.answer_key)
    drawn = len(question.votes)
    shown = found if len(found) <= limit else found[: limit - 1]
    lines = [_histogram_line(count, drawn, bar_width, labelled=question.decision == "labelled") for count in shown]
    if rest := found[len(shown) :]:
        votes = sum(count.votes for count in rest)
        lines.append(Content.styled(f"  and {len(rest)} more with {plural(votes, 'vote')}", MUTED))
    return Content("\n").join(lines)


def _histogram_line(count: AnswerCount, drawn: int, bar_width: int, *, labelled: bool) -> Content:
    label = Content(f"  {count.name}").truncate(NAME_WIDTH, ellipsis=True)
    label = label.pad_right(NAME_WIDTH + 1 - label.cell_length)
    length = max(1, round(bar_width * count.votes / drawn))
    bar, style = ("█", "$success") if count.answered else ("░", MUTED)
    mark = ""
    if count.leading:
        mark = "  ◂ label" if labelled else "  ◂ leads"
    return Content.assemble(
        label if count.answered else label.stylize(MUTED),
        (bar * length, style),
        ("┄" * (bar_width - length), MUTED),
        cell(f"{count.votes:,}", 4, right=True),
        (cell(f"{count.votes / drawn:.0%}", 6, right=True), MUTED),
        (mark, "bold $text-success" if labelled else "bold $text-warning"),
    )


def votes_line(question: WatchedQuestion) -> Content:
    """The number of votes, the decision, the share and the margin."""
    drawn = plural(len(question.votes), "vote")
    if question.decision is None or question.share is None:
        return Content.assemble((f"{drawn} so far", "bold"), (", not counted yet", MUTED))
    leading = readable_answer(question.answer_key) if question.answer_key is not None else "nothing"
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


def decision_line(question: WatchedQuestion) -> Content:
    """The reason for the decision, and for drawing fewer votes than planned; empty until votes are counted."""
    words = [DECIDED.get(question.decision_reason or "", "")]
    if question.stopped in STOPPED and (question.planned or 0) > len(question.votes):
        words.append(f"{len(question.votes)} of {question.planned} votes were drawn: {STOPPED[question.stopped]}")
    return Content.styled("; ".join(word for word in words if word), MUTED)


def no_votes_text(question: WatchedQuestion) -> str:
    """Why a question has no votes."""
    if question.verdict == "rejected":
        return f"Rejected, so not voted on: {spaced(question.reason or '')}."
    if question.verdict is None:
        return "Not checked yet; only a kept question is voted on."
    return "No votes yet."


def vote_title(question: WatchedQuestion, vote: Vote, tokens: int) -> Content:
    """The heading of a vote: its number, answer, end and length, and what was learnt from it."""
    return Content.assemble(
        (f"Vote {vote.sample_index + 1}", HEADING),
        (f" · {answer_of(vote)} · {ENDED.get(vote.finish_reason, '')} · {plural(tokens, 'token')}", MUTED),
        (" · kept as the example" if vote.vote_id == question.chosen_vote else "", "bold $text-success"),
        (pair_words(question, vote), "bold"),
    )


def pair_words(question: WatchedQuestion, vote: Vote) -> str:
    """The preference pairs of a vote: ' · learnt as better than vote 3'; empty for a vote in no pair."""
    numbers = {each.vote_id: each.sample_index + 1 for each in question.votes}
    beaten = [numbers[loser] for winner, loser in question.pairs if winner == vote.vote_id and loser in numbers]
    beaten_by = [numbers[winner] for winner, loser in question.pairs if loser == vote.vote_id and winner in numbers]
    words = ""
    for what, others in (("better", beaten), ("worse", beaten_by)):
        if others:
            which = "vote" if len(others) == 1 else "votes"
            words += f" · learnt as {what} than {which} {', '.join(map(str, others))}"
    return words


def answer_of(vote: Vote) -> str:
    """The answer of a vote as people write it, or why there is none."""
    if vote.answer_key is None:
        return ABSTAINED.get(_why(vote), "no answer")
    return readable_answer(vote.answer_key)


def _why(vote: Vote) -> str:
    """The key in ABSTAINED of a vote without an answer."""
    return "in_thoughts" if vote.abstained == "in_thoughts" else vote.finish_reason
