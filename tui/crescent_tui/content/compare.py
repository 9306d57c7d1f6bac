"""Two models' answers side by side: what a line of `crescent answer --json` changes, and how it is shown. Pure.

A model's text is anybody's: it passes `printable` and is never markup. Example:
    side = told(Side("base"), '{"model": "base", "text": "It is 5.", "done": false}'); side.text   # "It is 5."
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
from crescent_tui.content.words import plain_key

CUT_OFF = {"length": "cut off at its longest", "context": "cut off: the context is full"}

NOBODY = "No model here: choose one above. A round makes one when it has enough labels."


@dataclass(frozen=True)
class Side:
    """One model and what it has said so far."""

    model: str
    """'base' or 'round 1', as the command names it; '' is nobody."""
    state: Literal["idle", "loading", "answering", "done", "ended"] = "idle"
    """'ended' was ended before it was done."""
    text: str = ""
    answer_key: str | None = None
    tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = ""


def model_name(number: int) -> str:
    """A round as the command names it; 0 is the base."""
    return f"round {number}" if number else "base"


def choices(standing: Standing | None) -> tuple[tuple[str, int], ...]:
    """The models of a run in words, with their rounds."""
    if standing is None:
        return ()
    rounds = [(f"round {number}, kept" if number == standing.kept else f"round {number}", number)
              for number in standing.adapters]  # fmt: skip
    return (("base", 0), *rounds)


def told(side: Side, line: str) -> Side:
    """The side after a line of the command; a line that is about another model, or no such line, changes nothing."""
    try:
        piece = json.loads(line)
    except (ValueError, RecursionError):
        return side
    if not isinstance(piece, dict) or piece.get("model") != side.model or side.state in ("done", "ended"):
        return side
    text = piece.get("text")
    side = replace(side, state="answering", text=side.text + (text if isinstance(text, str) else ""))
    return _finished(side, piece) if piece.get("done") is True else side


def _finished(side: Side, piece: Mapping[str, Any]) -> Side:
    key, tokens, seconds = piece.get("answer_key"), piece.get("tokens"), piece.get("seconds")
    return replace(
        side,
        state="done",
        answer_key=key if isinstance(key, str) else None,
        tokens=tokens if isinstance(tokens, int) else 0,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        finish_reason=str(piece.get("finish_reason", "")),
    )


def side_text(side: Side) -> Content:
    """What stands in its pane."""
    if side.text:
        return Content(printable(side.text))
    words = {
        "idle": "Nothing asked yet." if side.model else NOBODY,
        "loading": "loading the model …",
        "answering": "reading the question …",
        "done": "It said nothing.",
        "ended": "No answer.",
    }
    return Content.styled(words[side.state], MUTED)


def side_measure(side: Side) -> str:
    """Tokens, seconds and why it ended, in plain words of our own."""
    if side.state == "answering":
        return "answering …"
    if side.state != "done":
        return ""
    words = [f"{side.tokens:,} tokens", f"{side.seconds:.1f} s", CUT_OFF.get(side.finish_reason, "")]
    return ", ".join(filter(None, words))


def found(side: Side) -> Content:
    """The answer that was found in a text."""
    if side.state != "done":
        return Content("")
    if side.answer_key is None:
        return Content.styled("no answer found", "$text-warning")
    return Content.assemble("answer: ", (plain_key(side.answer_key), "bold"))


def verdict(left: Side, right: Side) -> Content:
    """Whether both answers are the same, when both are there."""
    if left.state != "done" or right.state != "done":
        return Content("")
    if left.answer_key is None and right.answer_key is None:
        return Content.styled("Neither says an answer that can be found.", "$text-warning")
    for said, silent in ((left, right), (right, left)):
        if silent.answer_key is None:
            return Content.styled(f"Only {said.model} answers: {plain_key(said.answer_key)}.", "$text-warning")
    if left.answer_key == right.answer_key:
        return Content.styled(f"= Same answer: {plain_key(left.answer_key)}.", "$text-success")
    words = f"≠ Different answers: {plain_key(left.answer_key)} and {plain_key(right.answer_key)}."
    return Content.styled(words, "$text-warning")


def fault(reason: str) -> Content:
    """Why there is no answer."""
    return Content.styled(f"Error: {printable_line(reason, 500)}", "$text-error")
