"""Finds the letter that a reply to a multiple choice question chose. Pure.

A letter counts where it stands as the answer: the whole reply, its beginning, a box, after "the answer is", before
"is right". An article, a list of the options, a letter that is ruled out and two letters at once are not a choice.
Thoughts are taken off; a reply that never left them chose nothing. Of a reply that was cut off only its beginning, a
closed box and whole sentences count. Knows no data set. Example:
    chosen_letter("The answer is B. Option A is incorrect.", {"A": "liquid", "B": "solid"})    # ('B', False)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crescent_lite.answers.characters import normalised
from crescent_lite.answers.thoughts import without_thoughts

MAX_REPLY = 8_000
"""Characters read from the beginning and from the end of a reply."""
_MARKUP = re.compile(
    r"\\(?:text\w*|math\w*|mbox|boxed|fbox|bf|rm|left|right)(?![A-Za-z])"
    r"|\\[()\[\],;:! ]|[*`${}]|</?(?:final_)?answer>",
    re.IGNORECASE,
)
_LETTER = r"(?:\(\s?(?P<{0}p>[A-Ta-t])\s?\)|\[(?P<{0}s>[A-T])\]|(?P<{0}>[A-T])(?![\w+#'-])|(?P<{0}l>[b-t])\))"
_BEGINS = re.compile(r"\W{0,9}(?:option\s|choice\s)?" + _LETTER.format("x") + r"(?P<after>.*)", re.DOTALL)
_SAYS = "|".join(
    (
        r"\b(?:answer|réponse|respuesta|antwort|(?:correct|right|best)\s(?:option|choice|one))\b"
        r"[^.\n=]{0,60}?(?:\b(?:is|are|was|be|es|est|ist)\b|[:=])",
        r"\b(?:option|choice|letter)\s(?:is|would be)\b",
        r"\bchoice:",
        r"\bchoice\b[^.\n]{0,40}?\sis\b",
        r"\bréponse\b",
        r"答案(?:是|为)?:?",
        r"\b(?:I|we)\s(?:would\s)?(?:choose|pick|select|chose|say)\b",
        r"\bgo with\b",
        r"\b(?:it|this)(?:'s|\sis|\smust be|\sshould be)\b",
        r"\bhence",
        r"\btherefore,?",
    )
)
_FILLERS = (
    r"(?:(?:therefore|clearly|thus|definitely|probably|simply|indeed|option|choice|the letter|letter|answer)\s)*"
)
_SURE = re.compile(rf"(?:{_SAYS})[\s:]*{_FILLERS}[\s\"':]*" + _LETTER.format("x"), re.IGNORECASE)
"""'the answer is B', 'I choose (B)', 'it must be B'."""
_THEN = re.compile(
    r"(?:^|[.,;:!\n]\s*|\b(?:option|choice|that|so|thus|hence)\s)"
    + _LETTER.format("x")
    + r"[^.\n,;]{0,30}?\s(?:is|must be|would be|should be)\s(?:the\s)?(?:correct|right|answer|best|true)\b",
    re.MULTILINE,
)
"""'B is right', 'option B is the answer'."""
_NAMED = re.compile(r"\b(?:[Oo]ption|[Cc]hoice)\s" + _LETTER.format("x"))
_BOXED = re.compile(r"\\f?boxed\s?\{")
_RULED_OUT = re.compile(
    r"[)\t \"'*:.]{0,4}(?:[\w-]{2,20}[ ]){0,3}?"
    r"(?:(?:is|are|was|can be|seems)\s?(?:not|n't|wrong|incorrect|false|ruled out|eliminated)|isn't|can't|cannot)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\b(?:not|isn't|wasn't|can't|never)\b", re.IGNORECASE)
_ASKED = re.compile(r"[\s)*]*\?")
_REASON = re.compile(r"\s(?:is|because|since|as|which|and|or)\b")
_ANOTHER_LINE = re.compile(r"\)?\s*\n\W*[A-T]\W*$")
_ENDS = re.compile(r"[)\s]*[.!]?\s*(?:\n|$)")
_NEXT_OPTION = re.compile(r"\n\W*\(?[A-T][.):]\s")
_ANOTHER = re.compile(r"\)?\s?(?:,|/|&|\bor\b|\band\b)\s?(?:option\s)?\(?[A-T](?![\w'])(?!\s[a-z])")
_UNFINISHED = re.compile(r"(?:^|(?<=[.!?\n]))[^.!?\n]*$")
"""The last sentence, if it has no end."""
_CORRECTED = re.compile(
    r"\b(?:actually|wait|correction|sorry|oops|no|scratch that|i mean)\b[\s,:.!-]*(?:it'?s?\s(?:is\s)?|option\s)?"
    + _LETTER.format("x"),
    re.IGNORECASE,
)
"""'Wait, B': the letter after it replaces the one before."""
_NOT_BEFORE = re.compile(r"\b(?:not|isn't|n't|neither|nor)\W{0,3}(?:option\s|choice\s)?$", re.IGNORECASE)


def chosen_letter(reply: str, options: Mapping[str, str], *, finished: bool = True) -> tuple[str | None, bool]:
    """Return the chosen letter, None if the reply is unclear, and whether the reply begins with it.

    `finished`: False for a reply that was cut off: "The answer is B" could have become "B or C".
    """
    said = without_thoughts(reply)
    if said is None:
        return None, False
    said = said.strip()
    text = normalised(said[-MAX_REPLY:]).strip()
    in_a_box = _in_the_last_box(text, options)
    text = _without_a_list(_MARKUP.sub("", text), options).strip()
    first = text if len(said) <= MAX_REPLY else _MARKUP.sub("", normalised(said[:MAX_REPLY])).strip()
    begins = _beginning(first, options)
    if in_a_box is not None:
        return in_a_box or None, False
    text = text if finished else _UNFINISHED.sub("", text)
    sure = [
        letter
        for _, letter in sorted(
            each for pattern in (_SURE, _THEN, _CORRECTED) for each in _said(pattern, text, options)
        )
    ]
    if begins and (not sure or sure[-1] == begins):
        return begins, True
    if sure:
        return sure[-1] or None, False
    if not finished:
        return None, False
    if by_text := _by_text(text, options):
        return by_text, False
    named = {letter for _, letter in _said(_NAMED, text, options)}
    if len(named) == 1:
        return named.pop() or None, False
    return None, False


def _letter(found: re.Match[str]) -> str:
    return next(found[name] for name in ("xp", "xs", "x", "xl") if found[name]).upper()


def _said(pattern: re.Pattern[str], text: str, options: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the position and letter of each chosen option that a pattern finds; the letter is '' if there are two."""
    for found in pattern.finditer(text):
        letter = _letter(found)
        before, after = text[max(0, found.start() - 20) : found.start()], text[found.end() : found.end() + 80]
        denied = _NOT_BEFORE.search(before) or _DENIAL.search(found[0])
        ruled_out = pattern is not _THEN and _RULED_OUT.match(after)
        if letter in options and not (denied or ruled_out or _ASKED.match(after) or _is_a_word(found, after)):
            yield found.end(), "" if _ANOTHER.match(after) else letter


def _is_a_word(found: re.Match[str], after: str) -> bool:
    """Whether a bare letter is an article, a pronoun or a lower-case letter inside a sentence."""
    bare = found["x"]
    if not bare:
        return False
    if bare.islower():
        return bare == "a" or not _ENDS.match(after)
    return bare in "AI" and bool(re.match(r"\s[a-z]", after)) and not _REASON.match(after)


def _beginning(text: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that a reply begins with: 'B', '(B)', 'B. Iron', but not 'A dog barks.'"""
    found = _BEGINS.fullmatch(text)
    if not found:
        if re.fullmatch(r"\W*([a-t])\W*", text) and (letter := re.sub(r"\W", "", text).upper()) in options:
            return letter
        return None
    letter, after = _letter(found), found["after"]
    if letter not in options or _ANOTHER.match(after) or _RULED_OUT.match(after) or _NEXT_OPTION.search(after):
        return None
    if _ANOTHER_LINE.match(after):
        return None
    alone = not after.strip() or not re.match(r"\s?[\w]", after) or after.startswith("\n")
    is_option = after.strip().casefold().startswith(options[letter].casefold())
    reason = re.match(r"\s(?:because|since|as|-)\b", after)
    return letter if alone or is_option or reason or (found["xp"] and after.startswith(" ")) else None


def _without_a_list(text: str, options: Mapping[str, str]) -> str:
    """Return the text without lines that repeat the options, if at least two are repeated."""
    listed = {f"{letter} {option}".casefold() for letter, option in options.items()}
    lines = text.split("\n")
    repeated = [" ".join(re.split(r"\W+", line.strip(" .*"), maxsplit=1)).casefold() in listed for line in lines]
    if sum(repeated) < 2:
        return text
    return "\n".join(line for line, again in zip(lines, repeated, strict=True) if not again)


def _in_the_last_box(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option in the last box, by letter or text; '' for any other content; None without a box."""
    starts = list(_BOXED.finditer(text))[-1:]
    if not starts:
        return None
    depth, at = 1, starts[0].end()
    while at < len(text) and depth and at - starts[0].end() < 300:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    if depth:
        return ""
    inside = _MARKUP.sub("", text[starts[0].end() : at - 1]).strip()
    return _beginning(inside, options) or _same_text(inside, options) or ""


_TEXT_PLACE = re.compile(
    r"\b(?:answer|option|choice)\b[^.\n:]{0,40}?(?:\bis\b|:)\s*(?P<rest>[^\n]{1,300})", re.IGNORECASE
)


def _by_text(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option whose text is the whole reply or follows "the answer is"."""
    places = [found["rest"] for found in _TEXT_PLACE.finditer(text)]
    return _same_text(text, options) or (_same_text(places[-1], options) if places else None)


def _same_text(text: str, options: Mapping[str, str]) -> str | None:
    def bare(words: str) -> str:
        return re.sub(r"^(?:an?|the)\s", "", words.strip(" .!\"'*").casefold())

    same = [letter for letter, option in options.items() if bare(option) == bare(text)]
    return same[0] if len(same) == 1 else None
