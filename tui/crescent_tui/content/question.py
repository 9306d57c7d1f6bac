"""One question in styled text: why it was kept or rejected, what it is too close to, its rewrites and its votes.

Pure. The texts of a model pass through `printable`; the result is Content, never parsed as markup.
Example: question_title(question) -> "#12 · round 1 · rejected: near duplicate"
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from crescent_lite.printable import printable, printable_line
from crescent_lite.records import Note
from crescent_lite.store.browsing import Link
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content.colours import HEADING, MUTED
from crescent_tui.content.differences import TEXT_CHARACTERS, compared
from crescent_tui.content.votes import decision_line, histogram, no_votes_text, votes_line
from crescent_tui.content.words import local_date_time, spaced

LINK_CHARACTERS = 400
REASONS = {
    "new": "a usable question, unlike every question kept before it",
    "empty": "nothing is left of the text after cleaning",
    "in_thoughts": "the text never left the model's thoughts",
    "no_question": "the text has no question",
    "refused": "the model refused to ask",
    "too_few_numbers": "the text has too few numbers",
    "too_short": "too short to be a question",
    "too_long": "too long to be a question",
    "cut_off": "the text ends in the middle of a sentence",
    "wrong_language": "not in the required language",
    "contains_solution": "the question is followed by its solution",
    "text_after_question": "more text follows the question",
    "several_questions": "the text has more than one question",
    "about_questions": "the text is about questions instead of being one",
    "near_duplicate": "nearly the same as a kept question",
    "same_template": "enough kept questions differ from this one only in their numbers",
    "contaminated": "too close to an item of a benchmark: learning from it would inflate the score",
}
"""The meaning of each reason."""


def question_title(question: WatchedQuestion) -> Content:
    """The number, round, source and verdict of a question, with the reason."""
    verdict = question.verdict or "not judged yet"
    reason = f": {spaced(question.reason)}" if question.reason else ""
    return Content.assemble(
        (f"#{question.question_id}", "bold"),
        (f" · round {question.round} · ", MUTED),
        (f"yours, {printable_line(question.external_id, 40)} · " if question.external_id else "", "$text-accent"),
        (verdict, "$text-success" if verdict == "kept" else "$text-warning"),
        reason,
        (" · noted" if question.notes else "", "$text-accent"),
    )


def question_outcome(question: WatchedQuestion) -> Content:
    """The decision of the votes, with the reason that the list shows. Empty until the votes are counted."""
    if question.decision is None:
        return Content("")
    labelled = question.decision == "labelled"
    return Content.assemble(
        " · ",
        ("labelled", "$text-success") if labelled else ("no label", "$text-warning"),
        f": {spaced(question.decision_reason)}" if question.decision_reason else "",
    )


def question_about(question: WatchedQuestion) -> Content:
    """The title and what the reason means; and the text, unless it is shown beside a match."""
    parts = [question_title(question) + question_outcome(question)]
    if why := REASONS.get(question.reason or ""):
        parts.append(Content.styled(why, MUTED))
    if question.own_answer is not None:
        parts.append(given_answer(question))
    if question.match_text is None:
        parts += [Content(""), model_text(question.text)]
    return Content("\n").join(parts)


def question_pair(question: WatchedQuestion) -> tuple[Content, Content] | None:
    """The question and its match, with the differences marked; None without a match."""
    if question.match_text is None:
        return None
    mine, match = compared(question.text, question.match_text)
    return (
        Content.styled("This question", HEADING) + "\n" + mine,
        Content.styled(_match_title(question), HEADING) + "\n" + match,
    )


def question_rest(question: WatchedQuestion, chain: Sequence[Link], pending: Sequence[Note] = ()) -> Content:
    """Rewrites, votes, notes, and the raw text if it differs. `pending`: notes that the engine has not stored yet."""
    parts: list[Content] = []
    if len(chain) > 1:
        parts += [heading("Rewrites"), *_steps(chain, question.question_id)]
    if question.votes:
        parts += [heading("Votes"), votes_line(question), histogram(question)]
    elif question.verdict == "kept":
        parts += [heading("Votes"), Content.styled("No votes yet.", MUTED)]
    if question.notes or pending:
        parts += [heading("Notes"), note_lines(question.notes, pending)]
    if question.raw_text.strip() != question.text.strip():
        whose = "As in your file" if question.external_id else "As the model wrote it"
        parts += [heading(whose), model_text(question.raw_text)]
    return Content("\n").join(parts)


def question_and_votes(question: WatchedQuestion, pending: Sequence[Note], width: int) -> Content:
    """The question with the decision of its votes and the reason; or why it has no votes."""
    parts = [question_title(question), model_text(question.text), Content("")]
    if question.votes:
        parts += [votes_line(question), decision_line(question)]
        parts += [given_answer(question)] if question.own_answer is not None else []
        parts += [histogram(question, width)]
    else:
        parts.append(Content.styled(no_votes_text(question), MUTED))
    if question.notes or pending:
        parts += [Content(""), note_lines(question.notes, pending)]
    return Content("\n").join(parts)


def given_answer(question: WatchedQuestion) -> Content:
    """The answer that came with the question, and whether the leading answer of the votes is the same."""
    shown = printable_line(question.own_answer or "", 60)
    if question.own_answer_key is None:
        return Content.styled(f"Your answer: {shown}, which is no value that can be compared", MUTED)
    if question.decision is None:
        return Content(f"Your answer: {shown}")
    right = question.own_answer_key == question.answer_key
    verdict = ("right", "$text-success") if right else ("wrong", "$text-error")
    return Content.assemble(f"Your answer: {shown}; the leading answer is ", verdict)


def note_lines(notes: Sequence[Note], pending: Sequence[Note]) -> Content:
    """Notes, oldest first; then those that the engine has not stored yet."""
    lines = [_note(note, "") for note in notes]
    lines += [_note(note, " · not stored yet") for note in pending]
    return Content("\n").join(lines)


def _note(note: Note, state: str) -> Content:
    text = printable(note.text, TEXT_CHARACTERS) or "all notes will be removed"
    return Content.assemble(("⚑ ", "$text-accent"), text, (f"  {local_date_time(note.created_at)}{state}", MUTED))


def model_text(text: str) -> Content:
    """A text written by a model."""
    shown = printable(text.strip(), TEXT_CHARACTERS)
    return Content(shown) if shown else Content.styled("(empty)", MUTED)


def heading(text: str) -> Content:
    """A heading after an empty line."""
    return Content.styled(f"\n{text}", HEADING)


def _steps(chain: Sequence[Link], here: int) -> list[Content]:
    """The chain of rewrites, with the current question marked."""
    return [_step(number, link, here=link.question_id == here) for number, link in enumerate(chain)]


def _step(number: int, link: Link, *, here: bool) -> Content:
    what = "asked" if number == 0 else "rewritten"
    reason = f": {spaced(link.reason)}" if link.reason else ""
    return Content.assemble(
        ("▸ " if here else "  ", "bold $text-accent"),
        (f"{what} #{link.question_id}", "bold" if here else ""),
        (f" · {link.verdict or 'not judged yet'}{reason}\n", MUTED),
        f"    {printable_line(link.text, LINK_CHARACTERS) or '(empty)'}",
    )


def _match_title(question: WatchedQuestion) -> str:
    alike = f", {question.similarity:.0f} of 100 alike" if question.similarity is not None else ""
    match = question.benchmark_item or f"#{question.duplicate_of}"
    return f"Too close to {printable_line(match, 100)}{alike}"
