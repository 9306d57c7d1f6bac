"""How the answers of models are printed: growing texts and votes, on a screen or as lines of JSON.

Each line of JSON names its model; "done" marks the last line of a model. Knows no command. Example, of a vote:
    {"model": "base", "vote": 3, "text": "It is 12.", "done": false, "answer": "12", "answer_key": "n:12", ...}
"""

from __future__ import annotations

from typing import Any

from crescent_lite.cli.terminal import stream_json, stream_text
from crescent_lite.evaluation.voted_answer import CastVote
from crescent_lite.inquiry import DrawnVote, Piece, Result
from crescent_lite.printable import printable_line
from crescent_lite.records import Abstention, Answer


def stream_as_json(piece: Piece) -> None:
    """Print a piece as one line of JSON. The last piece of a model comes with the answer that was found."""
    value: dict[str, Any] = {"model": piece.model, "text": piece.text, "done": piece.end is not None}
    if end := piece.end:
        value |= {
            **_answer(end.answer),
            "abstained": end.abstained,
            "finish_reason": end.finish_reason,
            "tokens": end.tokens,
            "seconds": round(end.seconds, 3),
        }
    stream_json(value)


class AnswerOnScreen:
    """Prints each model's name, its text as it grows, and the answer that was found in it."""

    def __init__(self) -> None:
        self._model = ""

    def __call__(self, piece: Piece) -> None:
        if piece.model != self._model:
            self._model = piece.model
            stream_text(f"── {piece.model}\n")
        stream_text(piece.text)
        if end := piece.end:
            found = _found(end.answer, end.abstained)
            stream_text(f"\n── {piece.model}: {found} ({end.tokens:,} tokens, {end.seconds:.1f} s)\n\n")


def stream_vote_as_json(news: DrawnVote | Result) -> None:
    """Print a vote, or the result of a model's votes, as one line of JSON."""
    if isinstance(news, DrawnVote):
        stream_json({"model": news.model, "done": False, **_vote(news.vote)})
        return
    voted = news.voted
    leader = voted.leader
    stream_json(
        {
            "model": news.model,
            "done": True,
            "text": voted.solution.text if voted.solution else "",
            **_answer(leader.answer if leader else None),
            "votes": voted.votes,
            "votes_for_answer": leader.votes if leader else 0,
            "share": round(voted.share, 4),
            "split": [{**_answer(each.answer), "votes": each.votes} for each in voted.split],
            "no_answer": voted.no_answer,
            "in_thoughts": voted.in_thoughts,
            "cut_off": voted.cut_off,
            "tied": [each.answer.key for each in voted.tied],
            "words": voted.split_in_words(),
            "remarks": voted.remarks(),
            "solution_vote": voted.solution.index + 1 if voted.solution else None,
            "tokens": news.tokens,
            "seconds": round(news.seconds, 3),
        }
    )


def stream_vote(news: DrawnVote | Result) -> None:
    """Print a vote as one line, or the result of a model's votes with a solution that has its answer."""
    if isinstance(news, DrawnVote):
        vote = news.vote
        cut = ", cut off" if vote.is_cut_off else ""
        found = _found(vote.answer, vote.abstained)
        stream_text(f"{news.model}, vote {vote.index + 1}: {found} ({vote.tokens:,} tokens{cut})\n")
        return
    voted = news.voted
    solution = f"{voted.solution.text}\n" if voted.solution else ""
    answer = _found(voted.leader.answer, None) + f" ({voted.share:.0%} of the votes)" if voted.leader else "no answer"
    lines = "".join(f"   {line}\n" for line in (voted.split_in_words(), *voted.remarks()))
    cost = f"{news.tokens:,} tokens, {news.seconds:.1f} s"
    stream_text(f"── {news.model}\n{solution}── {news.model}: {answer} ({cost})\n{lines}\n")


def _vote(vote: CastVote) -> dict[str, Any]:
    return {
        "vote": vote.index + 1,
        "text": vote.text,
        **_answer(vote.answer),
        "abstained": vote.abstained,
        "finish_reason": vote.finish_reason,
        "tokens": vote.tokens,
    }


def _answer(answer: Answer | None) -> dict[str, str | None]:
    return {"answer": answer.raw if answer else None, "answer_key": answer.key if answer else None}


def _found(answer: Answer | None, abstained: Abstention | None) -> str:
    if answer:
        return f"answer: {printable_line(answer.raw)}"
    return "no answer: it never left its thoughts" if abstained == "in_thoughts" else "no answer found"
