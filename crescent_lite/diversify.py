"""Stage 2, diversification: is it a question, and is it new? Source: self-deduplication, arXiv 2502.13441.

`clean` finds the question in a raw text, `Deduplicator` knows the kept ones, `judge` decides; `rewrite` asks the
model for another wording, which is then judged like any raw text. Stores nothing. Similarity is that of the templates
(numbers masked): on maths a plain text ratio calls "12 + 7" and "12 + 8" alike and a paraphrase different.
Example: judge(raw_question, kept, settings) -> QuestionVerdict("rejected", "near_duplicate", ..., similarity=93.3)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from rapidfuzz import fuzz, process

from crescent_lite.bait import bait_generation
from crescent_lite.config import BaitConfig, DiversifyConfig
from crescent_lite.prompt_set import fill
from crescent_lite.records import Completion, PromptText, Question, QuestionVerdict, Request
from crescent_lite.sampling import Sampler

NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
NUMBER_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|twenty|thirty|forty|fifty|hundred"
    r"|thousand|half|halves|third|quarter|twice|double|triple)\b",
    re.IGNORECASE,
)
LEAD_IN = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|absolutely|here(?:'s| is| are))\b[^\n]{0,160}?[:!]\s*\n+|"
    r"(?:(?:the|math|maths|word|new|your)\s+){0,4}(?:problem|question)(?:\s+\d+)?\s*\W{0,3}[:.]\W*\s)",
    re.IGNORECASE,
)
SOLUTION = re.compile(
    r"\n\s*\W*(?:solution|answer|explanation|to solve|let's|step 1|first, )\b|\\boxed|####"
    r"|\bthe answer\b[^.?!\n]{0,20}\bis\b(?! not)|\((?:which|that) is\b"
    r"|(?:^|[.!?]\s|\n)\s*(?:therefore|thus|hence|to (?:find|solve|calculate)[^.?!]{0,60},)"
    r"|\bwe (?:can|need to|have to|subtract|add|multiply|divide)\b"
    # a sum of plain numbers with its result: "12 + 5 = 17", but not "x + 3 = 7" or "3 * 4 + y = 20"
    r"|(?<![\w)^+*/×÷−-])(?<![+*/×÷−-] )\d[\d.,]*(?:\s?[-+*/×÷x−]\s?\d[\d.,]*){1,8}\s?=\s?-?\d",
    re.IGNORECASE,
)
SEVERAL = re.compile(r"(?:^|\n)\s*(?:\W*(?:question|problem)\s+\d+\b|[2-9][.)]\s)", re.IGNORECASE)
REFUSAL = re.compile(r"^\W*(?:I(?:'m| am) (?:sorry|unable)|I can(?:'|no)t|as an ai\b)", re.IGNORECASE)
ASKING = re.compile(
    r"\?|\b(?:find|calculate|compute|determine|solve|evaluate|simplify|how (?:many|much|long|far|old)|what is)\b",
    re.IGNORECASE,
)
OPERATOR = re.compile(r"([-+*/×÷=^−])")
MAX_TRAIL = 60
"""Characters that may follow the last question mark: "Round to two decimal places." More is a solution (guess)."""
SENTENCE_END = ".?!:)]}$”\"'"


def clean(raw_text: str) -> str:
    """The question in a raw text: without lead-in, heading and outer marks. Mathematics is left as it is."""
    text = unicodedata.normalize("NFC", raw_text).replace("\r\n", "\n").strip()
    before = None
    while before != text:
        before = text
        text = LEAD_IN.sub("", text, count=1).strip()
        text = re.sub(r"^(?:\*\*|#+\s)+|(?:\*\*)+$", "", text).strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1].strip()
    return re.sub(r"[ \t]+", " ", text)


def first_question(text: str) -> str:
    """A one-line drill up to its question mark: "What is 2 + 3? What is 4" -> "What is 2 + 3?"."""
    head, mark, _ = text.partition("?")
    return re.sub(r"\s+", " ", head + mark).strip()


def unusable(text: str, finish_reason: str, settings: DiversifyConfig) -> str | None:
    """Why a cleaned text is not a usable question; None when it is one. The first rule that applies names it."""
    numbers = len(NUMBER.findall(text)) + len(NUMBER_WORDS.findall(text))
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(c, "") or "GREEK" in unicodedata.name(c, "") for c in letters)
    sentences = [s for s in re.split(r"(?<=\?)\s+", text) if s.endswith("?")]
    rules = (
        ("empty", not text),
        ("refused", bool(REFUSAL.search(text))),
        ("cut_off", finish_reason != "stop" and not text.endswith(tuple(SENTENCE_END))),
        ("too_short", len(text) < settings.min_characters),
        ("too_long", len(text) > settings.max_characters),
        ("wrong_language", settings.language == "latin" and bool(letters) and latin < 0.8 * len(letters)),
        ("too_few_numbers", numbers < settings.min_numbers),
        ("contains_solution", bool(SOLUTION.search(text))),
        ("text_after_question", "?" in text and len(text.rpartition("?")[2]) > MAX_TRAIL),
        ("several_questions", bool(SEVERAL.search(text)) or len(sentences) > settings.max_question_marks),
        ("no_question", not ASKING.search(text)),
    )
    return next((reason for reason, applies in rules if applies), None)


def template(text: str) -> str:
    """The text with every number masked, lower case, with one space around operators and between words."""
    masked = OPERATOR.sub(r" \1 ", NUMBER.sub("#", text.lower()))
    return re.sub(r"\s+", " ", masked).strip()


def numbers(text: str) -> tuple[str, ...]:
    """The numbers in order of appearance, as written but for separators."""
    return tuple(number.replace(",", "") for number in NUMBER.findall(text))


class Deduplicator:
    """The kept questions of a run, and which of them a text is too close to."""

    def __init__(self, kept: Iterable[tuple[int, str]], settings: DiversifyConfig) -> None:
        self._settings = settings
        self._groups: dict[tuple[str, ...], tuple[list[int], list[str]]] = {}
        for question_id, text in kept:
            self.add(question_id, text)

    def add(self, question_id: int, text: str) -> None:
        """One more kept question."""
        ids, templates = self._groups.setdefault(self._group(text), ([], []))
        ids.append(question_id)
        templates.append(template(text))

    def nearest(self, text: str) -> tuple[int, float] | None:
        """The most similar kept question at or above the threshold, and the similarity, 0-100."""
        ids, templates = self._groups.get(self._group(text), ([], []))
        found = process.extractOne(
            template(text), templates, scorer=fuzz.ratio, score_cutoff=self._settings.near_duplicate
        )
        return (ids[found[2]], found[1]) if found else None

    def _group(self, text: str) -> tuple[str, ...]:
        """Texts of different groups are never duplicates."""
        return tuple(sorted(numbers(text))) if self._settings.numbers_must_agree else ()


def judge(question: Question, kept: Deduplicator, settings: DiversifyConfig) -> QuestionVerdict:
    """Keep or reject one raw question."""
    text = clean(question.raw_text)
    finish_reason: str = question.finish_reason
    if settings.first_question_only:
        text = first_question(text)
        finish_reason = "stop" if text.endswith("?") else finish_reason
    if reason := unusable(text, finish_reason, settings):
        return QuestionVerdict("rejected", reason, text or question.raw_text)
    if match := kept.nearest(text):
        return QuestionVerdict("rejected", "near_duplicate", text, *match)
    return QuestionVerdict("kept", "new", text)


def rewrite(
    sampler: Sampler,
    prompt: PromptText,
    owed: Iterable[tuple[Question, Question]],
    bait: BaitConfig,
    settings: DiversifyConfig,
    seed: int,
) -> Iterator[tuple[Question, Completion, str]]:
    """Another wording for each near-duplicate, as it comes. `owed` pairs it with the question it is too close to."""
    questions = {f"rewrite {question.question_id}": (question, similar) for question, similar in owed}
    requests = [
        Request(
            key=key,
            user=fill(prompt.text, question=question.text, similar=similar.text),
            assistant_prefix=bait.assistant_prefix,
            generation=bait_generation(bait, settings.rewrite_temperature),
            seed=seed,
        )
        for key, (question, similar) in questions.items()
    ]
    for completion in sampler.sample(requests):
        yield questions[completion.key][0], completion, bait.assistant_prefix + completion.text
