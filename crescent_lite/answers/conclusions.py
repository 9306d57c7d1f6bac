"""Tells whether a sentence that states a value has the form of a conclusion.

A whitelist of forms. Each form excuses some words of doubt (`doubts`) and no others:
    a calculation      12 + 7 = 19; If each costs $3, then 4 × 3 = 12 dollars are needed
    a conclusion       So she has 19 left; In total, 19; That leaves 19
    a named result     The area is 24; Total: 24; x = 4
    a confirmed value  7 × 5 = 35. He walks 35 km: a statement of what was calculated before it
    a whole reply      She has 19 apples: if the reply says nothing else
A sentence in another language needs a sign or a word of a result. In doubt a sentence is no conclusion. Example:
    is_conclusion("So she has 19 left.", Quantity("19", "n:19"), [])    # True
    is_conclusion("He buys 7.", Quantity("7", "n:7"), ["There are 12."])    # False
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from crescent_lite.answers.doubts import (
    ALTERNATIVES,
    BEGINNINGS,
    CONDITIONS,
    ENGLISH,
    HARD,
    HEDGES,
    KNOWN,
    MODALS,
    NEGATIONS,
    NUMBERED,
    PERSONS,
    PLANS,
    SOFT,
    TURNS,
    is_ended,
    speaks_elsewhere,
    words_of,
)
from crescent_lite.answers.prose import Quantity, concluded, has_number
from crescent_lite.answers.result_words import (
    ADVERBS,
    COMPUTED,
    DEFINITE,
    LABELS,
    LEADS,
    QUANTITIES,
    RESULT_VERBS,
    RESULTS_ELSEWHERE,
    RESULTS_UNSPACED,
    UNITS,
)
from crescent_lite.answers.statements import Statement, is_calculation, statement_of
from crescent_lite.answers.words import word_set

MAX_UNIT = 4
"""Words after the value of a label, or of a sentence that does not end in a punctuation mark."""
MAX_BEFORE = 6
"""Sentences before the last one in which its value is searched."""


def is_conclusion(sentence: str, found: Quantity, before: Sequence[str]) -> bool:
    """Whether a sentence that states a value has the form of a conclusion. `before`: the sentences before it."""
    held = words_of(sentence)
    if (
        "?" in held
        or "__" in sentence
        or found.key is None
        or speaks_elsewhere(sentence, held)
        or _NAMES_A_DAY.search(sentence)
    ):
        return False
    said = statement_of(sentence, found, before)
    if is_calculation(said.text):
        return not (_OPENS_A_PART.match(sentence) and not said.has(_CLOSES)) and _is_clear(said)
    if _is_doubted(said) or _is_of_something_else(said):
        return False
    if said.words in ([], ["and"]) or _is_bare_equation(said.text):
        trivial = not said.words and _TRIVIAL.fullmatch(said.text)
        return not trivial and (not before or _introduces(before[-1]))
    if _ABOUT_A_PART.match(sentence) or _waits(said.words):
        return False
    if (label := _LABEL.match(said.text)) and len(said.after) <= MAX_UNIT:
        named = said.key.startswith("r:") or bool(_NAME_AT_LAST.search(label[1]))
        return named or _names_a_result(words_of(label[1]), label[1]) or said.key in _calculated(before)
    if not is_ended(said.text) and (len(said.after) > MAX_UNIT or said.at < 0):
        return False
    if said.has(PERSONS) and not (_concludes(said) and _states_a_result(said.words)):
        return False
    if _is_fact(said.words) or said.has(TURNS):
        return False
    if said.key in _calculated(before):
        return True
    if not said.has(ENGLISH):
        return _concludes(said) or _names_a_result(said.words, said.text)
    return _is_plain_result(said)


_NAMES_A_DAY = re.compile(
    r"\b(?:is|was|be|falls|=)\s(?:\w+\s){0,2}\W{0,3}(?:mon|tues|wednes|thurs|fri|satur|sun)day\W*$", re.IGNORECASE
)


def _is_clear(said: Statement) -> bool:
    """Whether a calculation is neither doubted nor one of two cases, and no work follows it."""
    if said.has(HARD - NEGATIONS - _OF_CONTENT, CONDITIONS - _EXCUSED, KNOWN):
        return False
    if said.words.count("if") > 1 or "either" in said.words or {"if", "were", "would"} <= set(said.words):
        return False
    if said.has(NEGATIONS) and not _are_of_a_relative(said.words):
        return False
    last = said.before[-1] if said.before else ""
    if (said.words[:1] == ["then"] and not HEDGES.isdisjoint(words_of(last))) or last.lower().rstrip().endswith(
        "e.g."
    ):
        return False
    return "answer" in said.after or (said.after[:1] != ["is"] and (PLANS | _GOES_ON).isdisjoint(said.after))


_EXCUSED = word_set("if once until till")
_OF_CONTENT = word_set("think thought sure certain missing feel feels")
"""Words of doubt that are content in a calculation: 12 people that think so."""
_GOES_ON = word_set("find use used add subtract multiply divide then but next still only which mind")
"""Words after the result of a calculation with which the work goes on."""
_CLOSES = word_set("so therefore thus hence finally total altogether left")
_OPENS_A_PART = re.compile(
    r"\W*(?:first(?:ly)?\b|initially\b|(?:to )?(?:start|begin)\b|(?:step|part|stage)s? (?:1|one|i)\b|cases?\b"
    r"|(?:for )?example|e\.g\b|compare\b|similarly\b|likewise\b|given\b|known\b|recall\b|note\b|remember\b|suppose\b"
    r"|(?:row|column|option|line|page|round)\s\w{1,3}\s?:|(?:since|because)\b[^,]*$|let (?!me\b|us\b))",
    re.IGNORECASE,
)
"""The beginning of a first part, a single case, an example or something known."""


def _are_of_a_relative(words: Sequence[str]) -> bool:
    """Whether each negation belongs to a relative clause or a condition: the girls that are not in the team."""
    return all(
        _RELATIVE.intersection(words[max(0, index - 8) : index])
        for index, word in enumerate(words)
        if word in NEGATIONS
    )


_RELATIVE = word_set("that who if since with")


def _is_doubted(said: Statement) -> bool:
    """Whether a sentence without a calculation has a word of doubt."""
    if said.has(HARD, SOFT - MODALS - ALTERNATIVES - {"given"}) or _SOME.search(said.text):
        return True
    if "given" in said.words and "the given" not in said.text:
        return True
    return said.has(ALTERNATIVES) and not said.key.startswith("s:")


_SOME = re.compile(
    r"\b(?:one of (?:the|its|them|these|those|many|several|two)|so far|for now|used to be"
    r"|first (?![0-9]|two|three|four|five|six|seven|eight|nine|ten|few)\w+)\b",
    re.IGNORECASE,
)
"""One of several results, or one for the time being."""


def _is_of_something_else(said: Statement) -> bool:
    """Whether the value is the number of something, as in Table 3, a note, or the subject of a remark."""
    if said.at < 0:
        return False
    before, behind = said.text[: said.at], said.text[said.at :]
    if re.search(r"[a-z]\s?[\[(]$|^\W*\[$", before) and not behind.startswith(("[", "(")):
        return True
    if "part" in said.after or "parts" in said.after[:1] or not _LATER.isdisjoint(said.after[:-1]):
        return True
    names = words_of(before)
    if not names and said.after[:1] in (["is"], ["are"], ["was"]) and COMPUTED.isdisjoint(said.after):
        return re.match(r"[-+$€£\d.,/^{}\\()]+\s+(?:is|are|was)\b", behind) is not None
    if said.after[:1] == ["times"] or names[-1:] in (["like"], ["as"], ["nearly"], ["almost"]):
        return True
    if len(names) == 1 and names[0] in _BEFORE_A_TIME and len(said.after) > 1:
        return True
    if names[-2:] in (["divided", "by"], ["multiplied", "by"]) and not has_number(before):
        return True
    if said.key.startswith("t:") and names[-1:] == ["the"]:
        return True  # the 9:15 train
    return bool(names) and names[-1] in NUMBERED and re.search(r"[A-Za-z.][\s(#\[]*$", before) is not None


_BEFORE_A_TIME = word_set("in on at after before during by from since until")
"""Words before a number at the beginning that makes a time or place of it: In 1905 he published his paper."""
_LATER = word_set("before excluding minus deducted")
_TRIVIAL = re.compile(r"[\s$]*\S+\s?=\s?\S+?[\s$.]*")
_ABOUT_A_PART = re.compile(
    r"\W*(?:step|part|question|problem|exercise|case|chapter|example)s? ?#?[0-9]+\b(?!\s?:)", re.IGNORECASE
)


def _is_bare_equation(text: str) -> bool:
    """Whether a text is only an equation of one name, or a continued one: x = 4, AB = 5, = 55."""
    left, sign, right = text.rpartition("=" if "=" in text else "≈")
    if not sign or not ENGLISH.isdisjoint(words_of(right)):
        return False
    named = all(len(word) == 1 or word == "det" or word.upper() in left for word in words_of(left))
    return not left.strip(" $\\[(&") or (named and not re.search(r"\d", left))


def _introduces(sentence: str) -> bool:
    """Whether a sentence before a bare value leads to it, or is a calculation or a line of its own."""
    words = words_of(sentence)
    if not (HARD | SOFT).isdisjoint(words):
        return False
    leads = not words or words[-1] in LEADS or sentence.rstrip().endswith(":")
    return leads or "=" in sentence or has_number(sentence)


def _waits(words: Sequence[str]) -> bool:
    """Whether something is still to be done: 12 must be added."""
    before = MODALS | {"to", "now", "then"}
    return any(
        word == "be" and words[index - 1] in before and words[index + 1].endswith("ed")
        for index, word in enumerate(words[:-1])
        if index
    )


_LABEL = re.compile(r"([^=≈→➡.?!\d]{1,60}?)\s?(?::|=|≈|→|➡|\\approx)\s?(?=[^\n]*\d)")
_NAME_AT_LAST = re.compile(r"(?:[,:;]|\b(?:is|are|get|so|then|that))\s*[$\\(]*[A-Za-z]\s*$")


def _names_a_result(words: Sequence[str], text: str) -> bool:
    """Whether words before a colon, or in another language, say that a result follows."""
    if not words:
        return True
    if words[-1] in QUANTITIES or (len(words) == 1 and (len(words[0]) == 1 or words[0] == "ans")):
        return True
    return not (LABELS | RESULTS_ELSEWHERE).isdisjoint(words) or any(mark in text for mark in RESULTS_UNSPACED)


def _calculated(before: Sequence[str]) -> set[str | None]:
    """Return the keys of the calculations in the sentences before the last one."""
    found = [concluded(each) for each in before[-MAX_BEFORE:] if "=" in each or "≈" in each]
    return {each.key for each in found if each}


def _concludes(said: Statement) -> bool:
    """Whether words such as "therefore", "in total" and "that leaves" say that a result follows."""
    words = said.words
    for index, word in enumerate(words):
        if word == "so" and words[index + 1 : index + 2] in (["far"], ["many"], ["much"], ["that"]):
            return False
        if word in ADVERBS or (word == "left" and ("left" in said.after[:6] or words[index - 1] in _BE)):
            return True
        if words[index : index + 2] == ["in", "all"] or words[index : index + 3] == ["in", "the", "end"]:
            return True
    if words and words[0].endswith("ing"):
        return not RESULT_VERBS.isdisjoint(words[1:])
    return words[:1] != [] and words[0] in _BACK and not RESULT_VERBS.isdisjoint(words[1:3])


_BE = word_set("are is be has")
_BACK = word_set("that this which it we i")


def _states_a_result(words: Sequence[str]) -> bool:
    """Whether the writer says what was found, and not what is to be done: we get 12, but not we have to add 12."""
    for index, word in enumerate(words):
        if word in PERSONS:
            verb, following = [*words[index + 1 : index + 3], "", ""][:2]
            to_do = word.startswith("you") or (word == "i" and "need" in words) or following == "to"
            if to_do or verb not in RESULT_VERBS | _ALSO:
                return False
    return True


_ALSO = word_set("need had have conclude arrive end spent paid")


def _is_fact(words: Sequence[str]) -> bool:
    """Whether a sentence is a conversion that everybody knows: there are 60 minutes in an hour."""
    one = word_set("a an one each every")
    opens = words[1:2] if words and words[0] in one else words[:1]
    if opens and opens[0].removesuffix("s") in UNITS:
        return True
    return len(words) > 2 and words[-1] in UNITS and words[-2] in one and words[-3] in ("in", "per")


def _is_plain_result(said: Statement) -> bool:
    """Whether a statement in English concludes, names what was computed, or is the whole reply."""
    words = said.words
    if "to get" in said.text or "to obtain" in said.text:
        return True
    if _is_instruction(said.text, words):
        return False
    if _concludes(said):
        return True
    if words[0] in ("then", "next", "now") or said.has(_WRITER):
        return False
    if (words[0] in ("a", "an") and words[1:2] != ["total"]) or _goes_on(said):
        return False
    if said.has(BEGINNINGS) and COMPUTED.isdisjoint(words[:3]):
        return False
    of_the_task = not DEFINITE.isdisjoint(words[:3])
    if any(map(_says_something, said.before)):
        names = QUANTITIES if any(map(is_calculation, said.before[-MAX_BEFORE:])) else COMPUTED
        return of_the_task and not names.isdisjoint(words[1:8])
    modal = MODALS.intersection(words)
    return not modal or (modal <= _DUTIES and words[0] not in ("it", "this", "that", "there"))


_WRITER = word_set("me us my your")
_DUTIES = word_set("will must need needs")
_TWO_FACTS = re.compile(
    r"[0-9][^;]{0,200}?(?:;|,?\s(?:and|while|but)\s(?:there|each|every|he|she|it|they|his|her|another|[A-Z]\w+)\b)"
)
_WHICH_IS = re.compile(r"\bwhich (?:is|equals|gives|makes)\b")


def _goes_on(said: Statement) -> bool:
    """Whether another statement stands before or after the value: each box holds 12 eggs, and there are 5 boxes."""
    before = said.text[: max(0, said.at)]
    if _TWO_FACTS.search(before) and not _WHICH_IS.search(before):
        return True
    if "answer" in said.after:
        return False
    return "which" in said.after or ("and" in said.after and said.key[:2] not in ("l:", "m:", "s:"))


def _says_something(sentence: str) -> bool:
    """Whether a sentence before the last one has a number, or speaks of the task or of work."""
    return has_number(sentence) or not (SOFT | HARD | PERSONS).isdisjoint(words_of(sentence))


def _is_instruction(text: str, words: Sequence[str]) -> bool:
    """Whether a sentence begins with the bare form of a verb and its object: Add 5, Take the rest."""
    rest = words[1:] if words and words[0] in _BEFORE_A_VERB else words
    if not rest or len(rest[0]) < 2:
        return False
    verb = rest[0]
    if verb in _OPENERS or verb in LABELS or verb.endswith(("ing", "ed", "s", "ly")):
        return False
    follows = re.search(rf"\b{re.escape(verb)}\s+(\S+)", text, re.IGNORECASE)
    return follows is not None and (follows[1].lower() in _OBJECTS or follows[1][0] in "$0123456789\\")


_BEFORE_A_VERB = word_set("so then now next finally please first also and again")
_OBJECTS = word_set(
    "one me us my your the a an all both each his her its their every that this these by from with to into "
    "up out off for x"
)
_OPENERS = word_set(
    "the a an this that these those he she it they we i you there here his her its their our each every all "
    "both some in on at for from by with after before during within when while as about only exactly just "
    "out to of another half twice two three four five six seven eight nine ten one eleven twelve dozen and "
    "but or together if since because what which who is are was per between around over under nearly almost "
    "roughly approximately"
)
"""Words that begin a statement and are no verbs."""
