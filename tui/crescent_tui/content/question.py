"""One question in styled text: why it was kept or not, what it is too close to, its rewrites, its votes in short.

Pure. Every text of the model passes `printable`; the result is Content, never markup.
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
from crescent_tui.content.votes import ballot_lines, decision_words, no_votes_words, votes_in_a_line
from crescent_tui.content.words import local_day, spaced

LINK_CHARACTERS = 400
WHY = {
    "new": "a question, and unlike every other one",
    "empty": "nothing is left of the text once it is cleaned",
    "no_question": "no question is in it",
    "refused": "it refuses to ask",
    "too_few_numbers": "too few numbers are in it",
    "too_short": "too short to be a question",
    "too_long": "too long to be a question",
    "cut_off": "it ends in the middle",
    "wrong_language": "not in the language that is wanted",
    "contains_solution": "its own solution follows it",
    "text_after_question": "more text follows the question",
    "several_questions": "more than one question is in it",
    "about_questions": "it is about questions, not one",
    "near_duplicate": "it says nearly the same as a kept question",
    "same_template": "enough kept questions differ from it only in their numbers",
    "contaminated": "it is too close to a benchmark's item, and learning from it would flatter the score",
}
"""What a reason means."""


def question_title(question: WatchedQuestion) -> Content:
    """Its number, its round, whose it is, and its verdict with the reason."""
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
    """What its votes made of it: the reason that the list shows. Empty before they are counted."""
    if question.decision is None:
        return Content("")
    labelled = question.decision == "labelled"
    return Content.assemble(
        " · ",
        ("labelled", "$text-success") if labelled else ("no label", "$text-warning"),
        f": {spaced(question.decision_reason)}" if question.decision_reason else "",
    )


def question_about(question: WatchedQuestion) -> Content:
    """Why it has its verdict; and its text, where no match stands beside it."""
    parts = [question_title(question) + question_outcome(question)]
    if why := WHY.get(question.reason or ""):
        parts.append(Content.styled(why, MUTED))
    if question.match_text is None:
        parts += [Content(""), said(question.text)]
    return Content("\n").join(parts)


def question_pair(question: WatchedQuestion) -> tuple[Content, Content] | None:
    """The question and what it is too close to, the differences marked; None where there is no match."""
    if question.match_text is None:
        return None
    mine, match = compared(question.text, question.match_text)
    return (
        Content.styled("This question", HEADING) + "\n" + mine,
        Content.styled(_match_title(question), HEADING) + "\n" + match,
    )


def question_rest(question: WatchedQuestion, chain: Sequence[Link], waiting: Sequence[Note] = ()) -> Content:
    """Its rewrites, its votes in short, its notes, and what the model wrote. `waiting`: notes not stored yet."""
    parts: list[Content] = []
    if len(chain) > 1:
        parts += [heading("Rewrites"), *_steps(chain, question.question_id)]
    if question.votes:
        parts += [heading("Votes"), votes_in_a_line(question), ballot_lines(question)]
    elif question.verdict == "kept":
        parts += [heading("Votes"), Content.styled("No votes yet.", MUTED)]
    if question.notes or waiting:
        parts += [heading("Notes"), note_lines(question.notes, waiting)]
    if question.raw_text.strip() != question.text.strip():
        whose = "As your file has it" if question.external_id else "As the model wrote it"
        parts += [heading(whose), said(question.raw_text)]
    return Content("\n").join(parts)


def question_and_votes(question: WatchedQuestion, waiting: Sequence[Note], width: int) -> Content:
    """The question, and what its votes add up to and why; or why it has none."""
    parts = [question_title(question), said(question.text), Content("")]
    if question.votes:
        parts += [votes_in_a_line(question), decision_words(question), ballot_lines(question, width)]
    else:
        parts.append(Content.styled(no_votes_words(question), MUTED))
    if question.notes or waiting:
        parts += [Content(""), note_lines(question.notes, waiting)]
    return Content("\n").join(parts)


def note_lines(notes: Sequence[Note], waiting: Sequence[Note]) -> Content:
    """What people remarked, the oldest first; those that wait for the engine last."""
    lines = [_note(note, "") for note in notes]
    lines += [_note(note, " · not stored yet") for note in waiting]
    return Content("\n").join(lines)


def _note(note: Note, state: str) -> Content:
    text = printable(note.text, TEXT_CHARACTERS) or "its notes are to be taken away"
    return Content.assemble(("⚑ ", "$text-accent"), text, (f"  {local_day(note.created_at)}{state}", MUTED))


def said(text: str) -> Content:
    """What a model wrote."""
    shown = printable(text.strip(), TEXT_CHARACTERS)
    return Content(shown) if shown else Content.styled("(nothing)", MUTED)


def heading(text: str) -> Content:
    """After an empty line."""
    return Content.styled(f"\n{text}", HEADING)


def _steps(chain: Sequence[Link], here: int) -> list[Content]:
    """One after the other, the question at hand marked."""
    return [_step(number, link, here=link.question_id == here) for number, link in enumerate(chain)]


def _step(number: int, link: Link, *, here: bool) -> Content:
    what = "asked" if number == 0 else "rewritten"
    reason = f": {spaced(link.reason)}" if link.reason else ""
    return Content.assemble(
        ("▸ " if here else "  ", "bold $text-accent"),
        (f"{what} #{link.question_id}", "bold" if here else ""),
        (f" · {link.verdict or 'not judged yet'}{reason}\n", MUTED),
        f"    {printable_line(link.text, LINK_CHARACTERS) or '(nothing)'}",
    )


def _match_title(question: WatchedQuestion) -> str:
    alike = f", {question.similarity:.0f} of 100 alike" if question.similarity is not None else ""
    match = question.benchmark_item or f"#{question.duplicate_of}"
    return f"Too close to {printable_line(match, 100)}{alike}"
