"""Decides whether a raw text is a usable maths question; each rule that rejects one has a named reason.

`clean` finds the question in what a model wrote, `unusable` says why it cannot be used. Knows nothing of other
questions. The rules were tuned on real model output; tests/baited_texts.jsonl holds labelled texts, and the tests
state the precision and recall reached. No rule sees that a problem makes no sense: that is left to the vote. Example:
    unusable(clean("Sure! Here it is:\\n\\nTom has 3 eggs."), "stop", settings) -> "no_question"
"""

from __future__ import annotations

import re
import unicodedata

from crescent_lite.answers.words import NUMBER_WORDS
from crescent_lite.config import DiversifyConfig
from crescent_lite.questions.duplicates import NUMBER

MORE_NUMBER_WORDS = re.compile(r"\b(?:dozens|halves|third|quarter|twice|double|triple)\b", re.IGNORECASE)
# Every repetition is bounded, so that a text of thousands of newlines or stars is not slow to match.
LEAD_IN = re.compile(
    r"^\W{0,20}(?:"
    r"(?:sure|certainly|of course|absolutely)(?:\s?[!.:]\s{1,9}|,?\s(?=here\b))"
    r"|here(?:'s| is| are)\b[^\n:]{0,100}\b(?:problems?|questions?|one|example)\b[^\n:]{0,60}[:!]\s{1,9}"
    r"|(?:(?:a|the|math|maths|word|new|your)\s){0,4}(?:problem|question)(?:\s(?:statement|\d{1,4}))?"
    r"(?:\W{0,3}[:.]\W{0,9}\s|[ \t*#]{0,9}\n\W{0,20})"
    r"|1[.)]\s{1,9}(?=[A-Z]))",
    re.IGNORECASE,
)
SOLUTION = re.compile(
    r"\n\W{0,20}(?:solution|answer|explanation|to solve|let's|step 1|first, )\b|\\boxed|####"
    r"|\b(?:the|student|correct|final) answer\b[^.?!\n]{0,20}(?:\b(?:is|was|would be)\b(?! not| worth)|:)"
    r"|\((?:which|that) is\b(?! [\d.]{1,9} (?:more|less|fewer|times))"
    r"|(?:^|[.!?]\s|\n)\s{0,20}(?:therefore|thus(?! far)|hence|to (?:find|solve|calculate|answer)[^.?!]{0,60},)"
    r"|\bsolve\b[^?]{0,400}[.\n]\s{0,9}[a-z]\s?=\s?-?\d[\d./]{0,20}$"
    r"|(?<!\bdo )(?<!\bif )(?<!\bmust )"
    r"\bwe (?:can|need to|have to|know|find|get|start|subtract|add|multiply|divide|perform)\b"
    # An operation on plain numbers with its result: "12 + 5 = 17", but not "x + 3 = 7" or "3 * 4 + y = 20".
    r"|(?<![\w)^+*/×÷−-])(?<![+*/×÷−-] )\d[\d.,]{0,20}(?:\s?[-+*/×÷x−]\s?\d[\d.,]{0,20}){1,8}\s?=\s?-?\d",
    re.IGNORECASE,
)
SEVERAL = re.compile(
    r"(?:^|\n)(?:\W{0,20}(?:question|problem)\s{1,4}\d{1,4}\b|\s{0,20}[2-9][.)]\s)"
    r"|,? and (?:what|how (?:many|much|long|far|old))\b[^.?!\n]{0,200}\?",
    re.IGNORECASE,
)
ABOUT_QUESTIONS = re.compile(
    r"\b(?:maths?|mathematics|word|simple|short|following|this|the|one|next|small|last|first|my) "
    r"(?:\w+ ){0,2}?(?:question|problem|story|puzzle|riddle)\b(?! (?:sets?|sheets?|books?|solving|pieces?|box))"
    r"|(?:^|\n)\W{0,20}(?:question|problem|story|q)\W{0,3}:"
    r"|\b(?:ask|asks|asked|asking) (?:\w+ ){0,3}?(?:question|questions)\b",
    re.IGNORECASE,
)
QUOTED_QUESTION = re.compile(r"[\"“][^\"”\n]{3,300}\?\s?[\"”]")
REFUSAL = re.compile(r"^\W*(?:I(?:'m| am) (?:sorry|unable)|I can(?:'|no)t|as an ai\b)", re.IGNORECASE)
ASKING = re.compile(
    r"\?|(?:^|[.!:;,]\s|\n)\s{0,20}(?:please |then |now )?"
    r"(?:tell me|find|calculate|compute|determine|solve|evaluate|simplify|what is)\b",
    re.IGNORECASE,
)
NO_QUANTITY = re.compile(r"(?:^|[.!?:\"“]\s|\n)\s{0,20}(?:why|who|explain|describe)\b|\bexplanation\b", re.IGNORECASE)
MAX_TRAIL = 60
"""Most characters after the last question mark (guess)."""
INSTRUCTION = re.compile(
    r"\(|(?:please )?(?:round|give|express|write|assume|use|show|state|leave|simplify|note|hint)\b"
    r"|(?:your )?answer in\b",
    re.IGNORECASE,
)
"""How text after the last question mark may begin: "Round to two decimal places." Any other text there is an answer,
or not part of the question."""
MAX_RAW = 4_000
"""Only this many characters of a raw text are read; a longer text is too long for a question anyway."""
MAX_LAYERS = 12
"""Most headings, quotes and lead-ins that are removed from around a question (guess)."""
SENTENCE_END = ".?!)]}”\"'"


def clean(raw_text: str) -> str:
    """Return the question in a raw text, without lead-in, heading and outer quotes. Formulas are not changed."""
    text = unicodedata.normalize("NFC", raw_text[:MAX_RAW]).replace("\r\n", "\n").strip()
    for _ in range(MAX_LAYERS):
        before = text
        text = LEAD_IN.sub("", text, count=1).strip()
        text = re.sub(r"^(?:\*\*|#{1,9}\s)+", "", text).strip()
        text = (text[: len(text) // 2] + text[len(text) // 2 :].rstrip("*")).strip() if text.endswith("**") else text
        if len(text) > 1 and text[0] + text[-1] in ('""', "''", "“”"):
            text = text[1:-1].strip()
        if text == before:
            return re.sub(r"[ \t]+", " ", text)
    return ""  # the text has more layers than any question


def first_question(text: str) -> str:
    """Return the text up to its first question mark, on one line: "What is 2 + 3? What is 4" -> "What is 2 + 3?"."""
    head, mark, _ = text.partition("?")
    return re.sub(r"\s+", " ", head + mark).strip()


def unusable(text: str, finish_reason: str, settings: DiversifyConfig) -> str | None:
    """Return why a cleaned text is not a usable question, by the first rule that applies; None when it is usable."""
    if len(text) > settings.max_characters:
        return "too_long"  # before any pattern is matched, which would be slow on a very long text
    words = [word for word in NUMBER_WORDS.findall(text) if word.lower() != "one"]
    numbers = len(NUMBER.findall(text)) + len(words) + len(MORE_NUMBER_WORDS.findall(text))
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(c, "") or "GREEK" in unicodedata.name(c, "") for c in letters)
    max_marks = settings.max_question_marks
    marks = len(re.findall(r"\?+", text))
    trail = text.rpartition("?")[2].strip(" \n\"'*_)”’.$")
    is_complete = text.endswith(tuple(SENTENCE_END)) or (text.endswith("$") and not text.count("$") % 2)
    rules = (
        ("empty", not text),
        ("refused", bool(REFUSAL.search(text))),
        ("cut_off", finish_reason != "stop" and not is_complete),
        ("too_short", len(text) < settings.min_characters),
        ("wrong_language", settings.language == "latin" and bool(letters) and latin < 0.8 * len(letters)),
        ("too_few_numbers", numbers < settings.min_numbers),
        ("contains_solution", bool(SOLUTION.search(text))),
        ("text_after_question", marks > 0 and (len(trail) > MAX_TRAIL or not INSTRUCTION.match(trail or "("))),
        ("several_questions", marks > max_marks or (max_marks == 1 and bool(SEVERAL.search(text)))),
        ("about_questions", bool(ABOUT_QUESTIONS.search(text) or QUOTED_QUESTION.search(text))),
        ("no_question", not ASKING.search(text) or bool(NO_QUANTITY.search(text))),
    )
    return next((reason for reason, applies in rules if applies), None)
