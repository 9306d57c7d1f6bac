"""Stage 2, diversification: is it a question, and is it new? Source: self-deduplication, arXiv 2502.13441.

`Known` has the kept questions of the run and the items of its benchmarks, `judge` decides; `rewriting` asks the model
for another question in place of one that is not new, which is then judged like any raw text; `Acceptance` says when
asking further is not worth it. Stores nothing.
Example: judge(raw_question, known, settings) -> QuestionVerdict("rejected", "near_duplicate", ..., similarity=93.3)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rapidfuzz import fuzz

from crescent_lite.config import BaitConfig, DiversifyConfig
from crescent_lite.prompts.sets import PromptSet, fill
from crescent_lite.questions.bait import bait_generation
from crescent_lite.questions.checks import clean, first_question, unusable
from crescent_lite.questions.duplicates import DuplicateIndex, template
from crescent_lite.questions.semantic import SemanticIndex
from crescent_lite.records import Attempt, Benchmark, FinishReason, Question, QuestionVerdict, Request

NOT_NEW = ("near_duplicate", "same_template")
"""The reasons after which the model may try again."""
SHARED_WORDS = 13
"""Words in a row that a question and a benchmark's item may not share (GPT-3, arXiv 2005.14165, takes 13)."""
REAL_WORDS = 8
"""Of them, those that have to be words and not masked numbers or operators: a long sum is no text (guess)."""


class Known:
    """What a question must not repeat: the kept questions of the run, and the items of its benchmarks."""

    def __init__(
        self,
        kept: Iterable[tuple[int, str]],
        settings: DiversifyConfig,
        benchmarks: Iterable[Benchmark] = (),
        semantic: SemanticIndex | None = None,
    ) -> None:
        """`kept`: id and text of each kept question. `semantic`: marks those that mean nearly the same."""
        self._settings = settings
        self._semantic = semantic
        self._kept = DuplicateIndex(settings.near_duplicate)
        for question_id, text in kept:
            self.add(question_id, text)
        self._items = DuplicateIndex(settings.near_duplicate)
        self._names: list[str] = []
        self._texts: list[str] = []
        self._runs: dict[tuple[str, ...], int] = {}
        for benchmark in benchmarks:
            for item in benchmark.items:
                self._add_item(f"{benchmark.name}/{item.item_id}", item.question)

    def add(self, question_id: int, text: str) -> None:
        """One more kept question."""
        self._kept.add(question_id, text)
        if self._semantic:
            self._semantic.add(question_id, text)

    def verdict(self, text: str) -> QuestionVerdict:
        """Whether a usable question is new."""
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
        for run in _runs_of_words(question):
            self._runs.setdefault(run, number)

    def benchmark_item(self, text: str) -> tuple[str, float] | None:
        """The benchmark's item that a text repeats, and the similarity of the two templates."""
        match = self._items.nearest(text) if self._names else None
        drill = self._settings.numbers_must_agree and not self._settings.max_per_template
        if match and not (match.rule == "same_template" and drill):
            return self._names[match.question_id], match.similarity
        shared = next((self._runs[run] for run in _runs_of_words(text) if run in self._runs), None)
        if shared is None:
            return None
        return self._names[shared], fuzz.ratio(template(text), template(self._texts[shared]))


def _runs_of_words(text: str) -> Iterable[tuple[str, ...]]:
    words = template(text).split()
    runs = (tuple(words[start : start + SHARED_WORDS]) for start in range(len(words) - SHARED_WORDS + 1))
    return (run for run in runs if sum(word[0].isalpha() for word in run) >= REAL_WORDS)


def judge(question: Question, known: Known, settings: DiversifyConfig) -> QuestionVerdict:
    """Keep or reject one raw question."""
    text = clean(question.raw_text)
    if question.external_id is not None and text:
        return known.verdict(text)  # whoever wrote it knows that it is a question
    finish_reason: FinishReason = question.finish_reason
    if settings.first_question_only:
        text = first_question(text)
        finish_reason = "stop" if text.endswith("?") else finish_reason
    if reason := unusable(text, finish_reason, settings):
        return QuestionVerdict("rejected", reason, text or question.raw_text)
    return known.verdict(text)


def may_be_rewritten(question: Question, verdict: QuestionVerdict, settings: DiversifyConfig) -> bool:
    """Whether the model gets another try. A user's own question is not its to change."""
    return question.external_id is None and verdict.reason in NOT_NEW and question.rewrites < settings.max_rewrites


def rewriting(
    question: Question,
    similar: Question,
    prompts: PromptSet,
    bait: BaitConfig,
    settings: DiversifyConfig,
    seed: int,
) -> Attempt:
    """Another question in place of one that is too close to `similar`."""
    request = Request(
        key=f"rewrite {question.question_id}",
        user=fill(prompts.rewrite.text, question=question.text, similar=similar.text),
        assistant_prefix=fill(bait.assistant_prefix, **question.steering),
        generation=bait_generation(bait, settings.rewrite_temperature),
        seed=seed,
    )
    return Attempt(request, prompts.rewrite.sha256, rewrites=question, steering=question.steering)


class Acceptance:
    """Which share of the latest texts was kept."""

    WINDOW = 100

    def __init__(self, floor: float, kept: Iterable[bool] = ()) -> None:
        """`kept`: of each text judged before, oldest first, whether it was."""
        self._floor = floor
        self._latest = deque(kept, maxlen=self.WINDOW)

    def note(self, *, kept: bool) -> None:
        """One more text."""
        self._latest.append(kept)

    def too_low(self) -> str | None:
        """Why asking should stop; None while it should not."""
        if len(self._latest) < self.WINDOW or sum(self._latest) >= self._floor * self.WINDOW:
            return None
        return (
            f"{sum(self._latest)} of the last {self.WINDOW} texts were kept, "
            f"under the floor of {self._floor:.0%} (bait.min_acceptance)"
        )
