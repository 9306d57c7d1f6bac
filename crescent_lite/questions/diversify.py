"""Decides whether a raw text is kept as a new question. Source: self-deduplication, arXiv 2502.13441.

`Known` holds the kept questions of the run and the items of its benchmarks. `judge` gives the verdict. `rewriting`
builds the request to rewrite a question that is not new; the rewrite is then judged like any raw text. `Acceptance`
says when asking further is not worthwhile. Stores nothing. Example:
    known = Known([(7, "Tom has 3 eggs and buys 4 more. How many eggs does he have?")], settings)
    judge(question, known, settings)    # "Tom has 3 eggs and buys 4 more eggs. How many eggs does he have?"
    -> QuestionVerdict("rejected", "near_duplicate", ..., duplicate_of=7, similarity=95.9...)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rapidfuzz import fuzz

from crescent_lite.answers.thoughts import without_thoughts
from crescent_lite.config import BaitConfig, DiversifyConfig
from crescent_lite.prompts.sets import PromptSet, fill
from crescent_lite.questions.bait import bait_generation
from crescent_lite.questions.checks import clean, first_question, unusable
from crescent_lite.questions.duplicates import DuplicateIndex, template
from crescent_lite.questions.semantic import SemanticIndex
from crescent_lite.records import Attempt, Benchmark, FinishReason, Question, QuestionVerdict, Request

NOT_NEW = ("near_duplicate", "same_template")
"""Reasons for rejection after which the model may rewrite the question."""
SHARED_WORDS = 13
"""Length of a sequence of words that makes a question contaminated if a benchmark item has it too (13 as for GPT-3,
arXiv 2005.14165)."""
REAL_WORDS = 8
"""Fewest real words in such a sequence; the rest may be masked numbers and operators. Without this limit, long sums
would match (guess)."""


class Known:
    """The questions that a new one must not repeat: the kept ones of the run, and the items of its benchmarks."""

    def __init__(
        self,
        kept: Iterable[tuple[int, str]],
        settings: DiversifyConfig,
        benchmarks: Iterable[Benchmark] = (),
        semantic: SemanticIndex | None = None,
    ) -> None:
        """`kept`: id and text of each kept question. `semantic`: finds the nearest in meaning; None to skip that."""
        self._settings = settings
        self._semantic = semantic
        self._kept = DuplicateIndex(settings.near_duplicate)
        for question_id, text in kept:
            self.add(question_id, text)
        self._items = DuplicateIndex(settings.near_duplicate)
        self._names: list[str] = []
        self._texts: list[str] = []
        self._sequences: dict[tuple[str, ...], int] = {}
        for benchmark in benchmarks:
            for item in benchmark.items:
                self._add_item(f"{benchmark.name}/{item.item_id}", item.question)

    def add(self, question_id: int, text: str) -> None:
        """Add a kept question."""
        self._kept.add(question_id, text)
        if self._semantic:
            self._semantic.add(question_id, text)

    def verdict(self, text: str) -> QuestionVerdict:
        """Return the verdict on a usable question: kept if it is new."""
        if contaminated := self.benchmark_item(text):
            item, similarity = contaminated
            return QuestionVerdict("rejected", "contaminated", text, similarity=similarity, benchmark_item=item)
        if self._settings.duplicates == "keep":
            return QuestionVerdict("kept", "new", text)
        match = self._kept.nearest(text)
        if match and (match.rule == "near_duplicate" or not self._settings.numbers_must_agree):
            return QuestionVerdict("rejected", "near_duplicate", text, match.question_id, match.similarity)
        if match and 0 < self._settings.max_per_template <= match.known:
            return QuestionVerdict("rejected", "same_template", text, match.question_id, match.similarity)
        same_meaning = self._semantic.nearest(text) if self._semantic else None
        return QuestionVerdict("kept", "new", text, same_meaning=same_meaning)

    def _add_item(self, name: str, question: str) -> None:
        number = len(self._names)
        self._names.append(name)
        self._texts.append(question)
        self._items.add(number, question)
        for sequence in _word_sequences(question):
            self._sequences.setdefault(sequence, number)

    def benchmark_item(self, text: str) -> tuple[str, float] | None:
        """Return the benchmark item that a text repeats, and the similarity of their templates, 0-100; else None."""
        match = self._items.nearest(text) if self._names else None
        # If a template may be used without limit, only the same numbers make a question a repeat.
        only_numbers_count = self._settings.numbers_must_agree and not self._settings.max_per_template
        if match and not (match.rule == "same_template" and only_numbers_count):
            return self._names[match.question_id], match.similarity
        shared = next((self._sequences[words] for words in _word_sequences(text) if words in self._sequences), None)
        if shared is None:
            return None
        return self._names[shared], fuzz.ratio(template(text), template(self._texts[shared]))


def _word_sequences(text: str) -> Iterable[tuple[str, ...]]:
    words = template(text).split()
    sequences = (tuple(words[start : start + SHARED_WORDS]) for start in range(len(words) - SHARED_WORDS + 1))
    return (sequence for sequence in sequences if sum(word[0].isalpha() for word in sequence) >= REAL_WORDS)


def judge(question: Question, known: Known, settings: DiversifyConfig) -> QuestionVerdict:
    """Return the verdict on one raw question: kept if it is usable and new."""
    is_own = question.external_id is not None
    said = question.raw_text if is_own else without_thoughts(question.raw_text)
    if said is None:
        return QuestionVerdict("rejected", "in_thoughts", question.raw_text)
    text = clean(said)
    if is_own and text:
        return known.verdict(text)  # a user's own question need not look like one
    finish_reason: FinishReason = question.finish_reason
    if settings.first_question_only:
        text = first_question(text)
        finish_reason = "stop" if text.endswith("?") else finish_reason
    if reason := unusable(text, finish_reason, settings):
        return QuestionVerdict("rejected", reason, text or question.raw_text)
    return known.verdict(text)


def may_be_rewritten(question: Question, verdict: QuestionVerdict, settings: DiversifyConfig) -> bool:
    """Whether the model should rewrite the question. A user's own questions are never rewritten."""
    return question.external_id is None and verdict.reason in NOT_NEW and question.rewrites < settings.max_rewrites


def rewriting(
    question: Question,
    similar: Question,
    prompts: PromptSet,
    bait: BaitConfig,
    settings: DiversifyConfig,
    seed: int,
) -> Attempt:
    """Build the request for another question in place of `question`, which is too close to `similar`."""
    request = Request(
        key=f"rewrite {question.question_id}",
        user=fill(prompts.rewrite.text, question=question.text, similar=similar.text),
        assistant_prefix=fill(bait.assistant_prefix, **question.steering),
        generation=bait_generation(bait, settings.rewrite_temperature),
        seed=seed,
    )
    return Attempt(request, prompts.rewrite.sha256, rewrites=question, steering=question.steering)


class Acceptance:
    """The acceptance rate: the fraction of the latest texts that was kept."""

    WINDOW = 100
    """Number of latest texts that are counted."""

    def __init__(self, floor: float, kept: Iterable[bool] = ()) -> None:
        """`floor`: lowest acceptable rate, 0-1. `kept`: whether each earlier text was kept, oldest first."""
        self._floor = floor
        self._latest = deque(kept, maxlen=self.WINDOW)

    def note(self, *, kept: bool) -> None:
        """Record the verdict on one text."""
        self._latest.append(kept)

    def too_low(self) -> str | None:
        """Return why asking should stop; None if the rate is acceptable or the window is not full yet."""
        if len(self._latest) < self.WINDOW or sum(self._latest) >= self._floor * self.WINDOW:
            return None
        return (
            f"{sum(self._latest)} of the last {self.WINDOW} texts were kept, "
            f"below the floor of {self._floor:.0%} (bait.min_acceptance)"
        )
