"""Tells what a reply takes back or denies after it was said, in a marked place or not.

Works on the text around a place; knows nothing of where an answer stands. Each pattern is bounded, so that reading is
linear. Example:
    retracted_until("The answer is 12. Wait, that's wrong.")    # 36, the end of the retraction
    is_denied(r"\\boxed{5} is not the answer.", "n:5", 7)        # True
"""

from __future__ import annotations

import re

from crescent_lite.answers.values import read_value

_SELF = (
    r"(?:that|this|it|the above|(?:my|the)\s(?:\w+\s)?(?:answer|result|value|solution|calculation"
    r"|work)(?:\sabove)?)"
)
_BEGINS = (
    r"(?:^|(?<=[.!?…)*}>]\s)|(?<=[.!?]\s\s)|\n|\b(?:wait|hmm+|hm|no|nope|oops|hold\son|sorry|actually|but"
    r"|however|oh|ah"
    r"|unfortunately|so|then)\b[\s,.!:…-]{1,6})[\s*_]{0,4}(?:but\s|so\s|i\s(?:think|see|realise"
    r"|realize)(?:\sthat)?\s)?"
)
_WRONG = (
    r"(?:wrong|incorrect|mistaken|false|impossible|invalid|a\smistake|an\serror|nonsense|absurd|off"
    r"|too\s(?:big|small"
    r"|large|high|low|much)|(?:not|n't)\s(?:\w+\s)?(?:right|correct|possible|valid|true|it|the\sanswer"
    r"|what\s(?:is|was)\sasked))"
)
_ADVERB = r"(?:\s(?:clearly|obviously|all|also|actually|still|probably|just|completely|certainly|quite))?"
_RETRACTION = re.compile(
    rf"""(?: {_BEGINS}
        (?: {_SELF} (?:\s?(?:'s|is|was|seems|looks|must\sbe|has\sto\sbe)){_ADVERB}\s?{_WRONG}\b
          | {_SELF} \s? (?:isn't|wasn't|doesn't\s(?:look|seem)|does\snot\s(?:look|seem)){_ADVERB}\s
            (?:right|correct|possible|valid|true|it|the\sanswer|what\s(?:is|was)\sasked)\b
          | {_SELF} \s (?:can't|cannot|can\snot|couldn't|could\snot)\sbe\s(?:right|correct|true|it|possible
            |so|the\sanswer)\b
          | {_SELF} \s (?:contradicts|violates|fails|does\snot\s(?:satisfy|work|fit|match|agree|make\ssense|add\sup)
                        |doesn't\s(?:satisfy|work|fit|match|agree|make\ssense|add\sup))\b
          | (?:please\s)? (?:ignore|disregard|forget|discard|scrap|scratch|strike|drop|retract|cross\sout)\s
            (?:that|this|it|the|my|what|everything|all|about)\b[^.!?\n]{{0,60}}
          | (?:let\sme|let's|let\sus|i'll|i\swill|(?:i|we)\s(?:\w+\s)?(?:need|have|must|want|should
            |ought)(?:\sto)?)\s
            (?:please\s)?(?:just\s)?(?:redo|re-do|do\s(?:it|this|that)\s(?:again|over)|recompute|recalculate
              |re-calculate|rethink
              |reconsider|re-?read|rework|restart|re-?examine|re-?evaluate|revise
              |(?:start|try|begin|think)\s(?:over|again|afresh|anew|from\sscratch)|go\sback
              |(?:start|read|try|compute|calculate|check|count|work|think|go
                |look)\s[^.!?\n]{{0,30}}?\b(?:again|over|afresh|anew|from\sscratch))\b
        )
      | \bi\s(?:\w+\s)?(?:withdraw|retract|take\s(?:it|that|this)\sback|take\sback)\b[^.!?\n]{{0,60}}
      | \bi\s(?:no\slonger|don't|do\snot)\s(?:\w+\s)?(?:believe|trust|think)\s(?:it|that|this|so)\b(?!\s\w)
      | \b(?:have|need|must|want|going|try)\s(?:to\s)?(?:start(?:ing)?\s(?:over|again|afresh|from)|redo\b
        |recompute\b
          |recalculate\b|begin\sagain)\b
      | \bback\sto\sthe\sdrawing\sboard\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
"""A sentence that takes back what stands before it and does not name the value."""
_HINTS = (
    "wrong", "incorrect", "mistak", "false", "impossible", "invalid", "error", "nonsense", "absurd", " off",
    "too ", "n't", "not ", "cannot", "contradict", "violat", "fails", "ignore", "disregard", "forget",
    "discard", "scrap", "scratch", "strike", "drop", "retract", "cross out", "redo", "re-do", "again", "over",
    "recompute", "recalc", "re-calc", "rethink", "reconsider", "reread", "re-read", "rework", "restart",
    "reexamin", "re-examin", "reevaluat", "re-evaluat", "revise", "afresh", "anew", "go back", "withdraw",
    "take it", "take that", "take this", "take back", "no longer", "starting from", "start from",
    "drawing board",
)  # fmt: skip
"""Words of which each retraction has one; a text without them is not searched."""
_HYPOTHETICAL = re.compile(r"\b(?:if|would|were|suppose|since|because|otherwise|option|choice)\b", re.IGNORECASE)


WRONG_ELSEWHERE = re.compile(
    r"不对|錯了|错了|是错的|有误|\bestá mal\b|\bes incorrect[oa]\b|\bist falsch\b|\bc'est faux\b|\bè sbagliat[oa]\b"
    r"|\bestá errad[oa]\b|\bневерно\b|\bнеправильно\b|गलत|間違い|틀렸",
    re.IGNORECASE,
)
"""What says in other common languages that a result is wrong."""


def retracted_until(text: str) -> int:
    """Return the index after the last retraction; 0 if there is none."""
    end = max((found.end() for found in WRONG_ELSEWHERE.finditer(text)), default=0)
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return end
    for found in _RETRACTION.finditer(text):
        before = re.split(r"[.!?\n]\s", text[max(0, found.start() - 80) : found.start()])[-1]
        if not _HYPOTHETICAL.search(before):
            end = max(end, found.end())
    return end


_IS_DENIED = re.compile(
    r"(?:\s(?:is|was|are|were|must be|seems|looks)(?:\s(?:therefore|clearly|thus|also|still|definitely|certainly"
    r"|actually|obviously|just|simply))?\s(?:wrong|incorrect|impossible|invalid|extraneous|rejected|excluded|false"
    r"|ruled out|(?:not|never)\s(?:(?:the|a|an|my)\s)?(?:\w+\s)?(?:answer|solution|root|right|correct|valid"
    r"|possible"
    r"|acceptable|true|allowed|it)\b)|\s(?:isn't|wasn't|aren't|can't be|cannot be|can not be|couldn't be)\s"
    r"(?:(?:the|a|an|my)\s)?(?:\w+\s)?(?:answer|solution|root|right|correct|valid|possible|acceptable|true|it)\b"
    r"|\s(?:does not|doesn't|cannot|can't|fails to)\s(?:satisfy|work|fit|solve|hold)\b|\sis out\b)",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\b(?:doubt|(?:don't|do not|cannot|can't) (?:think|believe)|not (?:sure|convinced|certain)|unlikely|hardly)\s"
    r"(?:that\s|if\s|whether\s)?(?:the answer (?:is|was)\s|it(?:'s| is| was)\s)?([^,;!?\n]{1,40}?)(?=\s(?:is"
    r"|was|can|could)\b|[.!?]\s|[.!?]?$)",
    re.IGNORECASE | re.MULTILINE,
)


def is_denied(text: str, key: str, at: int) -> bool:
    """Whether a statement that ends after index `at` denies or doubts the value with this key: so 8 is wrong."""
    for found in _IS_DENIED.finditer(text, at):
        words = text[max(0, found.start() - 60) : found.start()].split()
        if any(_value_of(" ".join(words[-count:])) == key for count in range(1, min(len(words), 5) + 1)):
            return True
    return any(_value_of(found[1]) == key for found in _DOUBTED.finditer(text, max(0, at - 80)) if found.end() > at)


def _value_of(text: str) -> str | None:
    return read_value(_MARKS.sub(" ", text).strip(" ,:;.("))


_MARKS = re.compile(r"\\f?boxed\s?\{|\}\s*$|[*_`]|\b(?:answer|value|that|of|so|the)\b", re.IGNORECASE)
