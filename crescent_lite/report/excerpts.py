"""Samples of what the model wrote: a few accepted, disputed and rejected texts, spread over the whole run.

Reads the store. Texts are untrusted; they are cut here, so that a page stays small. Example:
    cut("x" * 2000, 800)[-27:] -> "\\n[… 1,200 more characters]"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from crescent_lite.records import Vote
from crescent_lite.report.content import Excerpt, Section
from crescent_lite.report.tables import spaced
from crescent_lite.store import Run, Store

MOST_CHARACTERS = 800
"""Most characters of a text that are shown."""
ACCEPTED = 5
"""Most accepted questions that are shown."""
OF_A_REASON = 2
"""Most texts that are shown for one reason."""
REASONS = 8
"""Most reasons that are shown, the commonest first."""


def excerpt_sections(store: Store, run: Run) -> list[Section]:
    """The sections on accepted, disputed and rejected texts; a distillation shows those of its teacher's run."""
    asked_in = run.teacher_id or run.run_id
    of_whom = f" The texts are from run {asked_in}, whose labels were trained on." if run.teacher_id else ""
    labelled = store.questions.fetch_by_outcome(asked_in, "labelled")
    disputed = store.questions.fetch_by_outcome(asked_in, "disputed")
    rejected = store.questions.fetch_by_outcome(asked_in, "rejected")
    every = [question_id for ids in labelled.values() for question_id in ids]
    return [
        _section(
            "accepted", "Accepted: questions with a label", len(every),
            "Enough votes agreed on an answer, and the solution of one of these votes is trained on." + of_whom,
            [_accepted(store, question_id) for question_id in spread(every, ACCEPTED)],
        ),
        _section(
            "disputed", "Disputed: questions without a label", sum(map(len, disputed.values())),
            "These questions were kept, but too few of their votes agreed to give a label; they are not trained on."
            + of_whom,
            [_disputed(store, question_id) for question_id in _of_each(disputed)],
        ),
        _section(
            "rejected", "Rejected: texts that were not voted on", sum(map(len, rejected.values())),
            "These texts are not usable questions, or are too close to an earlier question or a benchmark item."
            + of_whom,
            [_rejected(store, question_id) for question_id in _of_each(rejected)],
        ),
    ]  # fmt: skip


def spread(ids: Sequence[int], most: int) -> list[int]:
    """At most `most` of the ids, spread evenly from the first to the last."""
    if len(ids) <= most:
        return list(ids)
    return [ids[index * (len(ids) - 1) // (most - 1)] for index in range(most)]


def cut(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, or its beginning and the number of characters left out."""
    return text if len(text) <= most else f"{text[:most]}\n[… {len(text) - most:,} more characters]"


def _of_each(by_reason: dict[str, list[int]]) -> list[int]:
    """A few ids for each of the commonest reasons."""
    return [question_id for ids in list(by_reason.values())[:REASONS] for question_id in spread(ids, OF_A_REASON)]


def _section(name: str, title: str, there: int, line: str, excerpts: list[Excerpt]) -> Section:
    if not excerpts:
        return Section(name, title, ("None.",))
    return Section(name, title, (f"{len(excerpts)} of {there:,} are shown. {line}",), excerpts=tuple(excerpts))


def _accepted(store: Store, question_id: int) -> Excerpt:
    found, votes = _detail(store, question_id), store.votes.fetch_votes(question_id)
    solution = next((vote.text for vote in votes if vote.vote_id == found["chosen_vote"]), "")
    facts = (("label", answer_in_words(found["answer_key"])), *_votes_in_words(found, votes))
    texts = (("The question", cut(found["text"])), ("The solution that is trained on", cut(solution)))
    return Excerpt(_title(found), facts, texts)


def _disputed(store: Store, question_id: int) -> Excerpt:
    found, votes = _detail(store, question_id), store.votes.fetch_votes(question_id)
    texts = [("The question", cut(found["text"]))]
    seen: set[str | None] = set()
    for vote in votes:
        if vote.answer_key not in seen and len(seen) < 2:
            seen.add(vote.answer_key)
            texts.append((f"A vote for {answer_in_words(vote.answer_key)}", cut(vote.text)))
    facts = (("why there is no label", spaced(found["decision_reason"])), *_votes_in_words(found, votes))
    return Excerpt(_title(found), facts, tuple(texts))


def _rejected(store: Store, question_id: int) -> Excerpt:
    found = _detail(store, question_id)
    facts = [("why", spaced(found["reason"]))]
    texts = [("The text", cut(found["raw_text"]))]
    if found["match_text"]:
        whose = found["benchmark_item"] or f"question {found['duplicate_of']}"
        facts.append(("similarity", f"{found['similarity'] or 0:.0f} of 100"))
        texts.append((f"Too close to {cut(whose, 100)}", cut(found["match_text"])))
    return Excerpt(_title(found), tuple(facts), tuple(texts))


def _detail(store: Store, question_id: int) -> Any:
    found = store.questions.fetch_detail(question_id)
    assert found is not None  # its id was just read
    return found


def _title(found: Any) -> str:
    return f"Question {found['question_id']}, round {found['round']}"


def _votes_in_words(found: Any, votes: Sequence[Vote]) -> tuple[tuple[str, str], ...]:
    counts = Counter(answer_in_words(vote.answer_key) for vote in votes)
    answers = ", ".join(f"{answer} ({count})" for answer, count in counts.most_common(6))
    more = f", and {len(counts) - 6} other answers" if len(counts) > 6 else ""
    return (("share", f"{found['share']:.0%} of {found['votes']} votes"), ("votes", answers + more))


def answer_in_words(key: str | None) -> str:
    """An answer's key without its type, cut to one short line."""
    if key is None:
        return "no answer"
    kind, _, value = key.partition(":")
    return cut(value if value and len(kind) <= 2 else key, 60).replace("\n", " ")
