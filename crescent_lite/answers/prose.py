"""Reads what a sentence concludes: the value after its last verb or equals sign, or its only quantity.

A sentence is clear if it states one value. Two possible values, part of an expression, a comparison or a negation
make it unclear, and an unclear sentence has no answer. Knows nothing of where in a solution the sentence stands.
Example:
    concluded("So 12 + 7 is 19 apples.")           # 'n:19'
    concluded("So 42 of the 50 are left.")         # unclear
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from crescent_lite.answers.candidates import OF_A_FORMULA, Candidate, candidates, is_unread_command
from crescent_lite.answers.number_words import ANY_NUMBER_WORD
from crescent_lite.answers.text import prose
from crescent_lite.answers.tokens import Token, tokenise
from crescent_lite.answers.units import MAX_WORDS
from crescent_lite.answers.values import read_tokens
from crescent_lite.answers.words import word_set

MAX_STARTS = 5
"""Verbs and equals signs that are tried as the place before the conclusion, from the end of the sentence."""
MAX_PROSE_TOKENS = 400
"""Tokens read of a sentence, from its end."""


@dataclass(frozen=True)
class Quantity:
    """A value found in a text."""

    raw: str
    """The value as written."""
    key: str | None
    """Canonical key; None if the value is unclear."""


_VERBS = word_set(
    "is are was were equals equal be so therefore thus hence get gets got gives give yields becomes "
    "leaves makes make totals comes results has have had need needs needed cost costs earn earns earned "
    "pay pays paid spend spends spent take takes took weigh weighs lasts save saves saved sell sells sold "
    "receive receives received leaving making meaning totaling"
)
_CONCLUDING = word_set("so therefore thus hence")
_WEAK_VERBS = _VERBS - word_set("is are was were equals equal be so therefore thus hence")
_BETWEEN_VERB_AND_NUMBER = word_set(
    "it now him her them you us me only about exactly approximately a an total of in to around roughly the just "
    "up back off out with"
)
_BEFORE_OTHERS = word_set("for by per from among after before within over on at during every each between")
"""Prepositions: if a number stands before the verb, a number after one of these is not the conclusion."""
_NEGATIONS = word_set(
    "not never wrong incorrect cannot isn't wasn't aren't can't don't doesn't didn't won't neither nor false"
)
_COMPARISONS = word_set(
    "than least most over under above below between exceeds beyond exceeding minus plus times maximum minimum within"
)
_COMPARATIVES = word_set("more less fewer higher lower greater larger smaller older younger taller longer times")
_CLAUSES = word_set("since because as which so where when if after before given considering assuming while that's")
_OPERATORS = word_set("+ * / ^ ! < > ≤ ≥ ≠ ± ∓ | ∪ ∈ _ \\{")
_HAS_NUMBER = re.compile(r"[0-9]|\\(?:sqrt|pi|frac)|[√π]")
_TASK = re.compile(
    r"\W*(?:(?:first|then|next|now|finally|please|so)\W+)?(?:divide|simplify|use|convert|apply|combine|try"
    r"|check|find|calculate|compute|solve|write|list|give|round"
    r"|evaluate|determine|order|multiply|add|subtract|the (?:question|problem|task) (?:asks|wants|is asking)\b)\b"
    r"(?!.*(?:=|:\s|\bis\b|\bgets?\b|\bgives?\b))",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that repeats what was asked, or says what to do."""
_HOW_TO = re.compile(
    r"\W*to \w+ [^,.!?\n]{1,80}, (?:you |we |one |first |must |can |should |need to |have to ){0,4}"
    r"(?:find|make|take|choose|use|look|multiply|divide|add|subtract|convert|write|change|start|begin|apply)\b"
    r"(?!.*(?:=|\bgets?\b|\bgives?\b))",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that tells how something is done: To add fractions, find a common denominator."""
_PREMISE = re.compile(r"\W*(?:assume|suppose|let (?!me\b|us\b)|recall|consider|imagine|picture)", re.IGNORECASE)
"""A sentence that sets what is calculated with."""


def is_instruction(sentence: str) -> bool:
    """Whether a sentence repeats what was asked, or says what to do."""
    return bool(_TASK.match(sentence) or _HOW_TO.match(sentence))


def has_number(text: str) -> bool:
    """Whether the text contains a digit, a root or pi."""
    return bool(_HAS_NUMBER.search(text))


def concluded(sentence: str) -> Quantity | None:
    """Return what a sentence concludes; None if it states no quantity, repeats the task or is a question."""
    sentence = prose(sentence).strip()
    if sentence.rstrip("*_ ").endswith(("?", ":")) or is_instruction(sentence) or _PREMISE.match(sentence):
        return None
    words = not has_number(sentence)
    if words and not ANY_NUMBER_WORD.search(sentence):
        return None
    tokens: Sequence[Token] = tokenise(sentence)[-MAX_PROSE_TOKENS:]
    if len(tokens) > 1 and tokens[0].kind == "num" and all(token.kind == "!" for token in tokens[1:]):
        return Quantity(sentence, None)  # 5! may be 120
    reason = next(
        (index for index, token in enumerate(tokens) if index > 2 and token.text.lower() in ("because", "since")), 0
    )
    if reason and _states_a_number(tokens[:reason], words=words):
        tokens = tokens[:reason]
    tokens = _without_condition(tokens, words=words)
    starts = [index + 1 for index in range(len(tokens)) if _is_start(tokens, index)]
    several = any(token.kind in (",", ";", "±") or token.text in ("and", "or") for token in tokens)
    plain = not any(token.kind == "=" for token in tokens)
    for start in (0, *(starts[-MAX_STARTS:] if several else ())):
        key = read_tokens(tokens[start:], "end") if not start or tokens[start - 1].kind != "=" else None
        if key and (key[0] in "lsi" or (plain and not start)):
            return _tail(sentence, tokens[start:], words=words)
    if interval := _half_open(sentence, tokens):
        return interval
    unread = any(is_unread_command(token) for token in tokens)
    if unread or _is_comparison(tokens) or _assignments(_conclusion(tokens)) > 1:
        return Quantity(sentence, None)
    for start in reversed(starts[-MAX_STARTS:]):
        tail = tokens[start:]
        if not _states_a_number(tail, words=words) or not _is_said_of(tokens, start, words=words):
            continue
        if _is_compared_aside(tokens, start):
            continue
        if [token.text.lower() for token in tail[:2]] == ["the", "answer"]:
            return _only(sentence, tokens[: start - 1], words=words)
        result = tokens[start - 1].kind in ("=", "≈")
        if (
            (not result and _is_negated(tokens[max(0, start - 1) :]))
            or _is_of_an_equation(tokens, start)
            or _is_coordinated(tokens, starts, start)
        ):
            return Quantity(sentence, None)
        if not result and _is_of_another(tokens, start, words=words):
            return Quantity(sentence, None)
        return (_result(sentence, tail) if result else None) or _tail(sentence, tail, words=words)
    if _is_negated(tokens):
        return Quantity(sentence, None)
    return _only(sentence, tokens, words=words)


def _half_open(text: str, tokens: Sequence[Token]) -> Quantity | None:
    """Return the last bracket that one of the other kind closes: an interval, unclear if its ends are no values.

    None if there is none, or if numbers follow it.
    """
    opened: list[int] = []
    found = None
    for index, token in enumerate(tokens):
        if token.kind in ("(", "["):
            opened.append(index)
        elif token.kind in (")", "]") and opened:
            begin = opened.pop()
            if (tokens[begin].kind == "(") != (token.kind == ")"):
                inside = tokens[begin : index + 1]
                found = Quantity(_raw(text, inside), read_tokens(inside, "end"))
        elif token.kind == "num" and not opened:
            found = None
    return found


def _without_condition(tokens: Sequence[Token], *, words: bool) -> Sequence[Token]:
    """Return the tokens without a condition after the result: 12 when x = 3."""
    for index in range(3, len(tokens) - 2):
        name, sign = tokens[index + 1 : index + 3]
        conditional = tokens[index].text.lower() in ("when", "at", "if", "where", "for", "with")
        if (
            conditional
            and sign.kind == "="
            and name.kind in ("word", "var")
            and len(name.text.partition("_")[0]) == 1
        ):
            goes_on = any(each.text.lower() in _CONCLUDING for each in tokens[index:])
            return tokens if goes_on or not _states_a_number(tokens[:index], words=words) else tokens[:index]
    return tokens


def leading(text: str) -> Quantity | None:
    """Return the value that follows "the answer is", possibly with a reason or a unit after it."""
    text = prose(text).strip()
    tokens = tokenise(text)[:MAX_PROSE_TOKENS]
    words = not has_number(text)
    if words and not ANY_NUMBER_WORD.search(text):
        return None
    if tokens and (_is_negated(tokens[:3]) or tokens[0].text.lower() in _COMPARISONS):
        return Quantity(text, None)
    cut = next((index for index in range(1, len(tokens)) if _ends_the_value(tokens, index)), 0)
    if cut and (key := read_tokens(tokens[:cut], "end")):
        return Quantity(_raw(text, tokens[:cut]), None if _says_another(tokens, cut) else key)
    found = concluded(text)
    if found and found.key:
        return found
    first = _leading(text, tokens, words=words)
    return first or found or (Quantity(text, None) if _states_a_number(tokens, words=words) else None)


def _ends_the_value(tokens: Sequence[Token], index: int) -> bool:
    """Whether a reason or remark begins at a token. A comma without a space may be a decimal comma."""
    if tokens[index].kind in (",", ";"):
        return index + 1 == len(tokens) or tokens[index + 1].space
    return tokens[index].text.lower() in _CLAUSES


def _says_another(tokens: Sequence[Token], cut: int) -> bool:
    """Whether what follows the first value is a second one: 1, 2 and so on; 11.7, which rounds to 12."""
    rest = [token.text.lower() for token in tokens[cut + 1 : cut + 5]]
    if tokens[cut].kind in (",", ";") and cut + 1 < len(tokens):
        following = tokens[cut + 1 + (rest[0] in ("or", "and")) :]
        if following and (following[0].kind in ("num", "dots", "frac") or rest[:4] == ["for", "a", "total", "of"]):
            return True
    if any(token.text.lower() == "but" for token in tokens[cut:]) and _states_a_number(tokens[cut:], words=False):
        return True
    return any(word.startswith("round") for word in rest) and has_number("".join(t.text for t in tokens[cut:]))


def _is_start(tokens: Sequence[Token], index: int) -> bool:
    token = tokens[index]
    if token.kind in ("=", "≈"):
        return True
    if token.kind == "arrow":
        return not (index and tokens[index - 1].kind == "word" and len(tokens[index - 1].text) == 1)
    if token.kind == ":":
        labelled = any(each.kind == "word" and len(each.text) > 1 for each in tokens[:index])
        return labelled and index + 1 < len(tokens) and tokens[index + 1].space and not token.space
    if token.kind == "cjk":
        return token.text in "是为"
    return token.kind == "word" and token.text.lower() in _VERBS


def _is_said_of(tokens: Sequence[Token], start: int, *, words: bool) -> bool:
    """Whether the number belongs to the verb: "it takes 5 days", but not "to get there 5 minutes sooner"."""
    verb = tokens[start - 1].text.lower()
    before = tokens[start - 2].text.lower() if start > 1 else ""
    if verb == "be":
        return before != "to"
    if verb not in _WEAK_VERBS:
        return True
    if before == "to" and verb != "get":
        return False
    while start < len(tokens) and tokens[start].text.lower() in _BETWEEN_VERB_AND_NUMBER:
        start += 1
    signed = start < len(tokens) and tokens[start].kind in ("-", "$", "€", "£", "(", "[")
    return _states_a_number(tokens[start : start + 1 + signed], words=words)


def _is_compared_aside(tokens: Sequence[Token], start: int) -> bool:
    """Whether the verb belongs to an aside that compares the result: 42 apples, which is 6 more than before."""
    aside = start > 1 and tokens[start - 2].text.lower() in ("which", "that")
    return aside and any(token.text.lower() in _COMPARATIVES for token in tokens[start:])


def _is_of_another(tokens: Sequence[Token], start: int, *, words: bool) -> bool:
    """Whether the number after the verb is not the conclusion: 5 days are needed for 3 workers."""
    if not _states_a_number(tokens[: start - 1], words=words):
        return False
    for token in tokens[start:]:
        if token.kind == "num":
            return False
        if token.text.lower() in _BEFORE_OTHERS:
            return True
    return False


def _states_a_number(tokens: Sequence[Token], *, words: bool) -> bool:
    return any(
        token.kind in ("num", "frac", "sqrt", "pi")
        or (words and token.kind == "word" and ANY_NUMBER_WORD.fullmatch(token.text) and token.text.lower() != "one")
        for token in tokens
    )


def _is_negated(tokens: Sequence[Token]) -> bool:
    return any(token.kind == "word" and token.text.lower() in _NEGATIONS for token in tokens)


def _is_comparison(tokens: Sequence[Token]) -> bool:
    """Whether the sentence contains a condition such as x > 3."""
    return any(token.kind in ("<", ">", "≤", "≥", "≠") for token in tokens) and not any(
        token.kind in ("[", "(") for token in tokens
    )


_BEGINS_A_VALUE = frozenset({"num", "-", "frac", "$", "sqrt", "begin", "[", "(", "\\{"})


def _is_function_value(tokens: Sequence[Token]) -> bool:
    """Whether the tokens end in a letter with an argument in parentheses: f(2)."""
    pairs = pairwise(tokens)
    return any(name.kind == "word" and len(name.text) == 1 and at.kind == "(" and not at.space for name, at in pairs)


def _is_counted(tokens: Sequence[Token], index: int) -> bool:
    """Whether a word is the unit of a number before it: 36 buns = ..."""
    first = max(0, index - MAX_WORDS)
    while index >= first and tokens[index].kind == "word":
        if len(tokens[index].text) == 1 or tokens[index].text.lower() in _CLAUSES:
            return False
        index -= 1
    return index >= first and tokens[index].kind in ("num", ")", "/", "%")


def _conclusion(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return the tokens after the last "so" or "therefore"."""
    last = max((index + 1 for index, token in enumerate(tokens) if token.text.lower() in _CONCLUDING), default=0)
    return tokens[last:]


def _assignments(tokens: Sequence[Token]) -> int:
    """Count the names that get a value: two in x = 5 and y = 6."""
    count = 0
    for index in range(len(tokens) - 2):
        if tokens[index + 1].kind not in ("=", "≈") or tokens[index + 2].kind not in _BEGINS_A_VALUE:
            continue
        before = tokens[index]
        letter = before.kind in ("var", "}", "opaque") or (before.kind == "word" and not _is_counted(tokens, index))
        count += letter or (before.kind == ")" and _is_function_value(tokens[max(0, index - 8) : index + 1]))
    return count


def _is_of_an_equation(tokens: Sequence[Token], start: int) -> bool:
    """Whether the left side of the equals sign before `start` has variables: 2x = 6. A single letter is a name."""
    if tokens[start - 1].kind not in ("=", "≈"):
        return False
    first = start - 1
    while first and (
        tokens[first - 1].kind in OF_A_FORMULA
        or (tokens[first - 1].kind == "word" and not tokens[first - 1].roman and len(tokens[first - 1].text) == 1)
    ):
        first -= 1
    run = [token for token in tokens[first : start - 1] if token.kind not in ("$", "{", "}")]
    if len(run) == 2 and run[0].kind == "word" and run[1].kind == "num" and not run[1].space:
        return False  # x1 = 3
    if (
        len(run) > 3
        and run[0].kind in ("word", "var")
        and run[1].kind == "("
        and run[-1].kind == ")"
        and not run[1].space
    ):
        return False  # f(2) = 7
    return len(run) > 1 and any(
        token.kind == "var" or (token.kind == "word" and (token.text != "a" or not token.space))
        for token in run
        if token.kind in ("var", "word")
    )


def _is_coordinated(tokens: Sequence[Token], starts: Sequence[int], start: int) -> bool:
    """Whether the verb occurs twice, in two statements: A gets 12 and B gets 18."""
    verb = tokens[start - 1]
    if verb.kind not in ("word", ":"):
        return False
    first = next(other for other in starts if tokens[other - 1].text.lower() == verb.text.lower())
    between = tokens[first : start - 1]
    linked = any(token.kind in (",", ";") or token.text.lower() in ("and", "while", "but") for token in between)
    return linked and any(token.kind == "num" for token in between)


def _tail(text: str, tail: Sequence[Token], *, words: bool) -> Quantity:
    first = _leading(text, tail, words=words)
    if key := read_tokens(tail, "end"):
        if key.startswith("l:") and not _are_alike(tail):
            return Quantity(text, None)
        return first if first and first.key == key else Quantity(_raw(text, tail), key)
    if first:
        return first
    return _only(text, tail, words=words) or Quantity(text, None)


def _are_alike(tokens: Sequence[Token]) -> bool:
    """Whether all elements of a list have one unit: 3, 4 and 5 cm, but not 10 apples, 5 red and 5 green."""
    units: list[str] = []
    last = max((index for index, token in enumerate(tokens) if token.kind == "num"), default=0)
    for index, token in enumerate(tokens[:last]):
        if (
            token.kind == "word"
            and token.text.lower() not in ("and", "or")
            and tokens[index - 1].kind in ("num", "word")
        ):
            units.append(token.text.lower())
    return len(set(units)) < 2


_SAYS_FOR_WHAT = word_set("for in per on after within from at over during by until")


def _result(text: str, tail: Sequence[Token]) -> Quantity | None:
    """Return the value after an equals sign, with any prose after it: = 15 liters of the 24."""
    first = next(candidates(tail, words=False), None)
    if not first or first.first or not first.key:
        return None
    following = tail[first.after : first.after + 3]
    names = [token.text.lower() for token in following]
    if names and (following[0].kind in (",", ";") or names[0] in ("and", "or", "remainder", "r", "with")):
        return None
    joined = names[1:2] and (names[1] in ("and", "or", "remainder", "r") or following[1].kind == ",")
    if joined or (len(names) > 1 and following[1].kind == "num" and names[0] not in _SAYS_FOR_WHAT):
        return None
    if len(names) > 1 and names[0] == "to" and following[1].kind == "num":
        return None
    if _is_negated(tail) and any(token.text.lower() in ("wrong", "incorrect", "answer") for token in tail):
        return None
    return Quantity(_raw(text, tail[: first.after]), first.key)


_KIND_WORDS = word_set(
    "the an a at interval set list point open closed half pair coordinates about approximately exactly only"
)


def _leading(text: str, tokens: Sequence[Token], *, words: bool) -> Quantity | None:
    """Return the first quantity if a reason or a unit follows and no second quantity is joined to it."""
    start = 0
    while start < len(tokens) and (
        tokens[start].text.lower() in _KIND_WORDS
        or (tokens[start].kind in ("-",) and start + 1 < len(tokens) and tokens[start + 1].text in ("open", "closed"))
    ):
        if tokens[start].text.lower() in ("a", "an") and words:
            break
        start += 1
    if start < len(tokens) and tokens[start].kind in ("(", "[", "\\{"):
        for after in range(len(tokens), start, -1):
            ends = after == len(tokens) or tokens[after].kind in (".", ",", ";", "$")
            if ends and tokens[after - 1].kind in (")", "]", "\\}") and (key := read_tokens(tokens[start:after])):
                return Quantity(_raw(text, tokens[start:after]), key)
            if len(tokens) - after > 30:
                break
    found = list(islice(candidates(tokens[start:], words=words), 2))
    if not found or found[0].first or not found[0].key:
        return None
    first = found[0]
    if len(found) == 1:
        return Quantity(_raw(text, tokens[start : start + first.after]), first.key)
    between = tokens[start + first.after : start + found[1].first]
    if _links(between):
        return Quantity(text, None)
    return Quantity(_raw(text, tokens[start : start + first.after]), first.key)


def _links(between: Sequence[Token]) -> bool:
    """Whether the words between two quantities join them: 5 and 6, 1 in 6, 3 to 4, 42 of the 50."""
    names = [token.text.lower() for token in between if token.kind == "word"]
    clause = next((index for index, token in enumerate(between) if token.text.lower() in _CLAUSES), None)
    if clause is not None:
        return False
    names = [name for name in names if name not in ("the", "a", "an", "his", "her", "their", "its", "all")]
    if len(names) < 2 or names[-1] in ("to", "of", "in", "per", "every", "or", "and", "than", "by"):
        return True
    return any(
        name in ("and", "or", "plus", "minus", "times", "remainder", "out", "than", "but", "with") for name in names
    ) or any(token.kind in (",", ";", "=", "≈") for token in between)


def _only(text: str, tokens: Sequence[Token], *, words: bool) -> Quantity | None:
    """Return the only quantity of a sentence; with two or more the sentence is unclear."""
    after_given = _given_first(tokens)
    given: list[Candidate] = []
    said: list[Candidate] = []
    for each in candidates(tokens, words=words):
        (said if each.first >= after_given else given).append(each)
        if len(said) > 1:
            break
    found = said or (given if tokens and tokens[0].text.lower() != "if" else [])
    if not found:
        return None
    if len(found) > 1:
        return Quantity(text, None)
    only = found[0]
    before = tokens[only.first - 1].text.lower() if only.first else ""
    up_to = before == "to" and only.first > 1 and tokens[only.first - 2].text.lower() == "up"
    if before in _COMPARISONS or before == "up" or up_to:
        return Quantity(text, None)
    return Quantity(_raw(text, tokens[only.first : only.after]), only.key)


_GIVEN = word_set("after when if since because with for given as while before at in from during by once until")


def _given_first(tokens: Sequence[Token]) -> int:
    """Return the index after an opening clause that repeats given facts: After 2 hours, ..."""
    if not tokens or tokens[0].text.lower() not in _GIVEN:
        return 0
    return next((index + 1 for index, token in enumerate(tokens) if token.kind == ","), 0)


def _raw(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0].start : tokens[-1].end].strip() if tokens else text
