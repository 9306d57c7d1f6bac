"""Two models' answers side by side: how output of `crescent answer` changes them, and how they look. Pure.

A model's text is untrusted: it passes through `printable` and is never parsed as markup. Example:
    side = after_line(Side("base"), '{"model": "base", "text": "It is 5.", "done": false}'); side.text   # "It is 5."
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from textual.content import Content

from crescent_lite.printable import printable, printable_line
from crescent_lite.rounds import Standing
from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import readable_answer

CUT_OFF = {"length": "cut off: token limit", "context": "cut off: context full"}

NO_MODEL = "No model selected; choose one above. A round with enough labels adds a model to the list."


@dataclass(frozen=True)
class Side:
    """One model and its answer so far."""

    model: str
    """'base' or 'round 1', as the command names it; '' if no model is selected."""
    state: Literal["idle", "loading", "answering", "done", "ended"] = "idle"
    """'ended' means that the answer was cancelled, or failed, before it was complete."""
    text: str = ""
    answer_key: str | None = None
    """The canonical answer; None if none was found."""
    tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = ""
    """Why the model stopped, as a `FinishReason`; '' until then."""
    in_thoughts: bool = False
    """Whether there is no answer because the model never left its thoughts."""
    votes: tuple[str | None, ...] = ()
    """The answers of the votes that have ended, None for a vote without one; empty where one answer was asked for."""
    split: tuple[str, ...] = ()
    """How the votes split, and what is to be known about them, in words of the command. Untrusted."""


def model_name(number: int) -> str:
    """The model of a round as the command names it; 0 is the base."""
    return f"round {number}" if number else "base"


def model_choices(standing: Standing | None) -> tuple[tuple[str, int], ...]:
    """(name, round) of each model of a run; the base is round 0."""
    if standing is None:
        return ()
    rounds = [(f"round {number}, kept" if number == standing.kept else f"round {number}", number)
              for number in standing.adapters]  # fmt: skip
    return (("base", 0), *rounds)


def after_line(side: Side, line: str) -> Side:
    """The side after a line of output. A line about another model, or an invalid one, changes nothing."""
    try:
        piece = json.loads(line)
    except (ValueError, RecursionError):
        return side
    if not isinstance(piece, dict) or piece.get("model") != side.model or side.state in ("done", "ended"):
        return side
    text, vote = piece.get("text"), piece.get("vote")
    if isinstance(vote, int):
        key = piece.get("answer_key")
        return replace(side, state="answering", votes=(*side.votes, key if isinstance(key, str) else None))
    side = replace(side, state="answering", text=side.text + (text if isinstance(text, str) else ""))
    return _finished(side, piece) if piece.get("done") is True else side


def _finished(side: Side, piece: Mapping[str, Any]) -> Side:
    key, tokens, seconds = piece.get("answer_key"), piece.get("tokens"), piece.get("seconds")
    remarks = piece.get("remarks")
    split = [piece.get("words"), *(remarks if isinstance(remarks, list) else [])]
    return replace(
        side,
        state="done",
        answer_key=key if isinstance(key, str) else None,
        tokens=tokens if isinstance(tokens, int) else 0,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        finish_reason=str(piece.get("finish_reason", "")),
        in_thoughts=piece.get("abstained") == "in_thoughts",
        split=tuple(line for line in split if isinstance(line, str)),
    )


def side_text(side: Side) -> Content:
    """The text in the pane of a side."""
    if side.text:
        return Content(printable(side.text))
    if side.votes and side.state != "done":
        return Content(
            "\n".join(f"a vote: {readable_answer(key) if key is not None else 'no answer'}" for key in side.votes)
        )
    words = {
        "idle": "Nothing asked yet." if side.model else NO_MODEL,
        "loading": "loading the model …",
        "answering": "reading the question …",
        "done": "The answer is empty.",
        "ended": "No answer.",
    }
    return Content.styled(words[side.state], MUTED)


def side_stats(side: Side) -> str:
    """Tokens, seconds, and whether the answer was cut off. Trusted text."""
    if side.state == "answering":
        return f"answering … {len(side.votes)} votes" if side.votes else "answering …"
    if side.state != "done":
        return ""
    votes = f"{len(side.votes)} votes" if side.votes else ""
    words = [votes, f"{side.tokens:,} tokens", f"{side.seconds:.1f} s", CUT_OFF.get(side.finish_reason, "")]
    return ", ".join(filter(None, words))


def answer_line(side: Side) -> Content:
    """The answer found in the text of a side."""
    if side.state != "done":
        return Content("")
    if side.answer_key is None:
        words = "no answer: it never left its thoughts" if side.in_thoughts else "no answer found"
        found = Content.styled(words, "$text-warning")
    else:
        found = Content.assemble("answer: ", (readable_answer(side.answer_key), "bold"))
    return Content("\n").join([found, *(Content.styled(printable_line(line), MUTED) for line in side.split)])


def comparison_line(left: Side, right: Side) -> Content:
    """Whether both answers are the same; empty until both sides are done."""
    if left.state != "done" or right.state != "done":
        return Content("")
    if left.answer_key is None and right.answer_key is None:
        return Content.styled("No answer found on either side.", "$text-warning")
    for said, silent in ((left, right), (right, left)):
        if silent.answer_key is None:
            return Content.styled(
                f"Only {said.model} gives an answer: {readable_answer(said.answer_key)}.", "$text-warning"
            )
    if left.answer_key == right.answer_key:
        return Content.styled(f"= Same answer: {readable_answer(left.answer_key)}.", "$text-success")
    words = f"≠ Different answers: {readable_answer(left.answer_key)} and {readable_answer(right.answer_key)}."
    return Content.styled(words, "$text-warning")


def error_line(reason: str) -> Content:
    """The reason why there is no answer."""
    return Content.styled(f"Error: {printable_line(reason, 500)}", "$text-error")
