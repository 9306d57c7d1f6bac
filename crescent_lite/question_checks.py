"""Is a raw text a usable maths question? Each rule names its reason.

`clean` finds the question in what a model wrote, `unusable` says why it is none. Knows nothing of other questions.
The rules were tuned on real bait output; tests/baited_texts.jsonl holds labelled texts, and the tests state the
precision and recall reached. What a rule cannot see, a problem that makes no sense, is left to the vote.
Example: unusable(clean("Sure! Here it is:\\n\\nTom has 3 eggs."), "stop", settings)    # 'no_question'
"""

from __future__ import annotations

import re
import unicodedata

from crescent_lite.config import DiversifyConfig
from crescent_lite.duplicates import NUMBER

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
    r"|\b(?:the|student|correct|final) answer\b[^.?!\n]{0,20}(?:\b(?:is|was|would be)\b(?! not)|:)"
    r"|\((?:which|that) is\b"
    r"|(?:^|[.!?]\s|\n)\s*(?:therefore|thus|hence|to (?:find|solve|calculate|answer)[^.?!]{0,60},)"
    r"|\bwe (?:can|need to|have to|know|find|get|start|subtract|add|multiply|divide|perform)\b"
    # a sum of plain numbers with its result: "12 + 5 = 17", but not "x + 3 = 7" or "3 * 4 + y = 20"
    r"|(?<![\w)^+*/×÷−-])(?<![+*/×÷−-] )\d[\d.,]*(?:\s?[-+*/×÷x−]\s?\d[\d.,]*){1,8}\s?=\s?-?\d",
    re.IGNORECASE,
)
SEVERAL = re.compile(
    r"(?:^|\n)\s*(?:\W*(?:question|problem)\s+\d+\b|[2-9][.)]\s)"
    r"|,? and (?:what|how (?:many|much|long|far|old))\b[^.?!\n]{0,200}\?",
    re.IGNORECASE,
)
ABOUT_QUESTIONS = re.compile(
    r"\b(?:maths?|mathematics|word|simple|short|following|this|the|one|next|small|last|first|my) "
    r"(?:\w+ ){0,2}?(?:question|problem|story|puzzle|riddle)\b(?! (?:set|sheet|book|solving))"
    r"|(?:^|\n)\W*(?:question|problem|story|q)\W{0,3}:"
    r"|\b(?:ask|asks|asked|asking) (?:\w+ ){0,3}?(?:question|questions)\b",
    re.IGNORECASE,
)
QUOTED_QUESTION = re.compile(r"[\"“][^\"”\n]{3,300}\?\s?[\"”]")
REFUSAL = re.compile(r"^\W*(?:I(?:'m| am) (?:sorry|unable)|I can(?:'|no)t|as an ai\b)", re.IGNORECASE)
ASKING = re.compile(
    r"\?|(?:^|[.!:;,]\s|\n)\s*(?:please )?(?:find|calculate|compute|determine|solve|evaluate|simplify|what is)\b",
    re.IGNORECASE,
)
NO_QUANTITY = re.compile(r"(?:^|[.!?:\"“]\s|\n)\s*(?:why|who|explain|describe)\b|\bexplanation\b", re.IGNORECASE)
MAX_TRAIL = 60
"""Characters that may follow the last question mark: "Round to two decimal places." More is a solution (guess)."""
MAX_RAW = 20_000
"""Characters of a raw text that are looked at."""
MAX_LAYERS = 12
"""Headings, quotes and lead-ins around a question."""
SENTENCE_END = ".?!:)]}$”\"'"


def clean(raw_text: str) -> str:
    """The question in a raw text: without lead-in, heading and outer marks. Mathematics is left as it is."""
    text = unicodedata.normalize("NFC", raw_text[:MAX_RAW]).replace("\r\n", "\n").strip()
    for _ in range(MAX_LAYERS):
        before = text
        text = LEAD_IN.sub("", text, count=1).strip()
        text = re.sub(r"^(?:\*\*|#+\s)+|(?:\*\*)+$", "", text).strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1].strip()
        if text == before:
            return re.sub(r"[ \t]+", " ", text)
    return ""  # nothing but wrapping


def first_question(text: str) -> str:
    """A one-line drill up to its question mark: "What is 2 + 3? What is 4" -> "What is 2 + 3?"."""
    head, mark, _ = text.partition("?")
    return re.sub(r"\s+", " ", head + mark).strip()


def unusable(text: str, finish_reason: str, settings: DiversifyConfig) -> str | None:
    """Why a cleaned text is not a usable question; None when it is one. The first rule that applies names it."""
    if len(text) > settings.max_characters:
        return "too_long"  # before the patterns: a text of any length costs nothing
    numbers = len(NUMBER.findall(text)) + len(NUMBER_WORDS.findall(text))
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(c, "") or "GREEK" in unicodedata.name(c, "") for c in letters)
    sentences = [s for s in re.split(r"(?<=\?)\s+", text) if s.endswith("?")]
    rules = (
        ("empty", not text),
        ("refused", bool(REFUSAL.search(text))),
        ("cut_off", finish_reason != "stop" and not text.endswith(tuple(SENTENCE_END))),
        ("too_short", len(text) < settings.min_characters),
        ("wrong_language", settings.language == "latin" and bool(letters) and latin < 0.8 * len(letters)),
        ("too_few_numbers", numbers < settings.min_numbers),
        ("contains_solution", bool(SOLUTION.search(text))),
        ("text_after_question", "?" in text and len(text.rpartition("?")[2]) > MAX_TRAIL),
        ("several_questions", bool(SEVERAL.search(text)) or len(sentences) > settings.max_question_marks),
        ("about_questions", bool(ABOUT_QUESTIONS.search(text) or QUOTED_QUESTION.search(text))),
        ("no_question", not ASKING.search(text) or bool(NO_QUANTITY.search(text))),
    )
    return next((reason for reason, applies in rules if applies), None)
