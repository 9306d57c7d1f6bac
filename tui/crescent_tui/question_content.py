"""One question in styled text: what was asked, why it was kept or not, its match, its votes and what they add up to.

Pure. Every text of the model passes `printable`; the result is Content, never markup.
Example: question_in_full(question) ends with the votes, the kept one marked.
"""

from __future__ import annotations

from collections import Counter

from textual.content import Content

from crescent_lite.printable import printable, printable_line
from crescent_lite.records import Vote
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.words import plain_key, spaced

MUTED, HEADING = "$foreground 60%", "bold $text-primary"
SAID_CHARACTERS = 4000
"""Of one text: more than a solution has that is not a loop (guess)."""
KEY_WIDTH, BAR_WIDTH = 14, 24


def question_in_full(question: WatchedQuestion) -> Content:
    """Everything that is stored on the question."""
    parts = [_title(question), _said(question.text)]
    if question.raw_text.strip() != question.text.strip():
        parts += [_heading("As the model wrote it"), _said(question.raw_text)]
    if question.match_text is not None:
        parts += [_heading(_match_title(question)), _said(question.match_text)]
    if question.votes:
        parts += [_heading(_consensus(question)), _histogram(question)]
        parts += [_vote(vote, kept=vote.vote_id == question.chosen_vote) for vote in question.votes]
    elif question.verdict == "kept":
        parts.append(Content.styled("No votes yet.", MUTED))
    return Content("\n").join(parts)


def _title(question: WatchedQuestion) -> Content:
    verdict = question.verdict or "not judged yet"
    reason = f": {spaced(question.reason)}" if question.reason else ""
    chain = ""
    if question.rewritten_from:
        chain += f" · rewrites #{question.rewritten_from}"
    if question.rewritten_as:
        chain += f" · rewritten as #{question.rewritten_as}"
    return Content.assemble(
        (f"#{question.question_id}", "bold"),
        (f" · round {question.round} · ", MUTED),
        (verdict, "$text-success" if verdict == "kept" else "$text-warning"),
        reason,
        (chain, MUTED),
    )


def _match_title(question: WatchedQuestion) -> str:
    alike = f", {question.similarity:.0f} of 100 alike" if question.similarity is not None else ""
    match = question.benchmark_item or f"#{question.duplicate_of}"
    return f"Too close to {printable_line(match)}{alike}"


def _consensus(question: WatchedQuestion) -> str:
    drawn = f"{len(question.votes)} vote{'s' if len(question.votes) != 1 else ''}"
    if question.decision is None or question.share is None:
        return f"{drawn} so far"
    leading = plain_key(question.answer_key) if question.answer_key is not None else "nothing"
    if question.decision == "labelled":
        return f"{drawn}: labelled {leading}, share {question.share:.0%}"
    return f"{drawn}: no label, {spaced(question.decision_reason or '')} ({leading} has {question.share:.0%})"


def _histogram(question: WatchedQuestion) -> Content:
    """Votes for each answer key, the commonest first; abstentions last."""
    counts = Counter(vote.answer_key for vote in question.votes)
    abstained = counts.pop(None, 0)
    most = max([*counts.values(), abstained])
    rows = [(plain_key(key), count, "$success") for key, count in counts.most_common()]
    rows += [(plain_key(None), abstained, MUTED)] if abstained else []
    return Content("\n").join([_histogram_line(*row, most) for row in rows])


def _histogram_line(name: str, count: int, style: str, most: int) -> Content:
    label = Content(f"  {name}").truncate(KEY_WIDTH, ellipsis=True)
    length = max(1, round(BAR_WIDTH * count / most))
    return label.pad_right(KEY_WIDTH + 1 - label.cell_length) + Content.assemble(("█" * length, style), f" {count}")


def _vote(vote: Vote, *, kept: bool) -> Content:
    cut_off = "" if vote.finish_reason == "stop" else " · cut off"
    title = Content.assemble(
        (f"\nvote {vote.sample_index + 1}", HEADING),
        (f" · {plain_key(vote.answer_key)}{cut_off}", MUTED),
        (" · kept as the example" if kept else "", "$text-success"),
    )
    return title + "\n" + _said(vote.text)


def _said(text: str) -> Content:
    shown = printable(text.strip(), SAID_CHARACTERS)
    return Content(shown) if shown else Content.styled("(nothing)", MUTED)


def _heading(text: str) -> Content:
    return Content.styled(f"\n{text}", HEADING)
