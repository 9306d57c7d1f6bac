"""Finds the final answer of a free-text solution, as a typed canonical key; an unclear one is an abstention.

Knows where an answer can be: the whole reply; answer tags or an answer field of JSON; the last boxes; '#### x'; 'th
  e
answer is x'; a bold last line; else what the concluding sentence says. The first place that says anything decides:
when it is unclear (a list of values, an unfinished sum, a negation) there is no second guess elsewhere. A correctio
  n
replaces what it corrects; a check, note or farewell after the result is passed over. Which texts are values is
decided in `answers.values`. Pure, linear in time, safe on hostile text. Example:
    canonical_answer("12 + 7 = 19 (see step 2), so there are **19 apples**.")    # 'n:19'
    canonical_answer("So there are 12 + 7 apples.")                              # None
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crescent_lite.answers.characters import normalised
from crescent_lite.answers.doubts import (
    is_check,
    is_conditional,
    is_cut_off,
    is_denied,
    is_ended,
    is_no_conclusion,
    is_undecided,
    leaves_open,
    makes_no_choice,
    retracted_until,
)
from crescent_lite.answers.prose import Quantity, concluded, has_number, is_instruction, leading
from crescent_lite.answers.text import (
    FAREWELL,
    first_part,
    laid_out,
    last_part,
    prose,
    sentences,
    without_farewell,
)
from crescent_lite.answers.thoughts import without_thoughts
from crescent_lite.answers.values import MAX_ANSWER, read_choice, read_value, read_yes_no
from crescent_lite.records import Answer, AnswerForm

MAX_SOLUTION = 8_000
"""Characters read, from the end: about 2,000 tokens. The final answer stands at the end."""
MAX_NESTING = 8
"""Most nested braces inside `\\boxed{}`. A deeper one is an abstention."""
MAX_SENTENCE = 400
"""Characters read after 'the answer is', to the end of the sentence at most."""
MAX_PLACES = 20
"""Places of one kind that are tried, from the end."""
MAX_LAST_SENTENCES = 12
"""Lines at the end in which a check or note after the result is searched."""


def canonical_answer(solution: str) -> str | None:
    """Return the key of the solution's final answer; None if there is none or it is unclear."""
    answer = find_answer(solution)
    return answer.key if answer else None


def find_answer(solution: str, *, finished: bool = True, began_in_thoughts: bool = False) -> Answer | None:
    """Return the solution's final answer; None is an abstention.

    In a solution that was cut off (`finished` is False) only a closed box or answer tag counts: "The answer is 1"
    could have become 15, and a last number is only a step. A solution that never left its thoughts has no answer;
    `began_in_thoughts`: whether the prompt ended with their opening tag.
    """
    said = without_thoughts(solution, inside=began_in_thoughts)
    if said is None:
        return None
    text = laid_out(normalised(last_part(said.strip(), MAX_SOLUTION)))
    text = _CODE_BLOCK.sub(_keep_a_value, text)
    if taken_back := retracted_until(text):
        text = text[taken_back:]
        if not re.search(r"\w", text):
            return None
    text = without_farewell(text)
    for form, look in PLACES:
        found = look(text)
        if found is None:
            continue
        if form in ("phrase", "boxed", "hash", "bold"):
            found = _corrected(text, found)
        if form in ("boxed", "tagged") and _is_contradicted(text, found):
            return None
        if found.key and is_denied(text, found.key, max(0, text.rfind(found.raw))):
            return None
        if found.key and form != "whole" and makes_no_choice(text[max(0, text.rfind(found.raw)) :]):
            return None
        if not finished and form not in ("boxed", "tagged"):
            return None
        found = _as_a_line(text, found)
        raw = found.raw.strip().rstrip(".")[:MAX_ANSWER]
        if _NOTHING_SAID.fullmatch(raw):
            return None
        return Answer(raw, found.key, form) if found.key else None
    return None


def _is_contradicted(text: str, found: Quantity) -> bool:
    """Whether a sentence after a marked place says that the answer is another one."""
    at = text.rfind(found.raw) if found.key else -1
    after = text[at + len(found.raw) :] if at >= 0 else ""
    if not _ANSWER_IS.search(after):
        return False
    later = _phrase(after)
    return later is not None and later.key is not None and later.key[2:] != str(found.key)[2:]


_NOTHING_SAID = re.compile(r"\W*(?:n/?a|none|null|nan|unknown|undefined|tbd|tba)\W*", re.IGNORECASE)
_A_LINE = re.compile(
    r"\b(?:equation|asymptote|axis of symmetry|directrix|(?:vertical "
    r"|horizontal )?line)s?\b[^.?!\n=]{0,60}?[\s$\\(\[{*]([xy])\s?=\s?$",
    re.IGNORECASE,
)
_SOLVES = re.compile(r"\b(?:solutions?|roots?|solv\w+|satisf\w+|into|value|number line)\b", re.IGNORECASE)


def _as_a_line(text: str, found: Quantity) -> Quantity:
    """Return x = 4 as an equation where the sentence says that it is a line."""
    if not found.key or found.key[:2] not in ("n:", "e:"):
        return found
    named = re.match(r"[\s$\\(]*[xy]\s?=\s?", found.raw)
    at = text.rfind(found.raw) + (named.end() if named else 0)
    before = text[max(0, at - 120) : max(0, at)]
    line = _A_LINE.search(before)
    if not line or _SOLVES.search(before):
        return found
    return Quantity(found.raw, read_value(f"{line[1]} + 0 = {found.raw[named.end() if named else 0 :]}"))


_CODE_BLOCK = re.compile(r"```[a-zA-Z]{0,20}[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def _keep_a_value(block: re.Match[str]) -> str:
    inside = block[1]
    return f"\n{inside}\n" if read_value(inside) or _JSON.search(inside) else "\n"


_UNKNOWN = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|not possible to)"
    r" (?:determine|compute|calculate|answer|solve|say|tell"
    r"|be (?:determined|computed|calculated|answered|solved|known|found))\b"
    r"|\b(?:not enough|insufficient|(?:need|require)s? (?:\w+ ){0,2}?more|without more)"
    r" (?:information|data|details|facts)\b",
    re.IGNORECASE,
)
_UNCERTAIN = re.compile(r"\bi need \w+ more \w+ to\b", re.IGNORECASE)


def _whole(text: str) -> Quantity | None:
    if len(text) > 2 * MAX_SENTENCE or _BOX.search(text):
        return None
    text = _PLAIN_SET.sub(r"\\{\1\\}", text)
    key = read_value(text, "unclear" if "\\" not in text and "$" not in text else "factorial")
    if not key or ("=" in text and key[0] not in "lsi" and not _SHORT_NAME.match(text)):
        return None
    return Quantity(text.strip(), key)


_PLAIN_SET = re.compile(r"^\s*\{([^{}\\]{1,100})\}\s*$")
_SHORT_NAME = re.compile(r"[\s$\\(\[*]*[A-Za-z](?:_?\{?\d?\}?)?\s?=[^=]*$")
"""x = 19. A calculation such as 12 + 7 = 19 is a sentence, not a bare answer."""
_TAG_END = re.compile(r"<\s?/\s?(?:answer|final_answer|final answer|result|final)\s?>", re.IGNORECASE)
_TAG_START = re.compile(r"<\s?(?:answer|final_answer|final answer|result|final)\s?>", re.IGNORECASE)


def _tagged(text: str) -> Quantity | None:
    """Return the answer inside the last answer tags."""
    end = None
    for end in _TAG_END.finditer(text):  # noqa: B007
        pass
    if end is None:
        return None
    begins = [each.end() for each in _TAG_START.finditer(text, 0, end.start())]
    if not begins:
        return None
    inside = text[begins[-1] : end.start()].strip()
    box = _boxed(inside)
    return box or _stated(inside)


_JSON = re.compile(
    r'"(?:final_?)?answer"\s?:\s?("(?:[^"\\\n]|\\.){0,200}"|-?[0-9][0-9.eE+-]{0,40}|true|false|null|none)',
    re.IGNORECASE,
)


def _json(text: str) -> Quantity | None:
    """Return the answer field of a JSON object."""
    found = _JSON.findall(text)
    if not found:
        return None
    inside = found[-1].strip('"').replace("\\\\", "\\")
    return _stated(inside) or Quantity(inside, None)


_BOX = re.compile(r"\\f?boxed\s?\{")
_GOES_ON = re.compile(
    r"\b(?:then|so|thus|therefore|hence|finally|next|giv(?:es|ing)|wait|actually|no|wrong|instead"
    r"|correct(?:ed|ion)?)\b|[.!?;:](?:\s|$)|\n\s*\n|=|\\implies|⇒|→",
    re.IGNORECASE,
)
_JOINS = re.compile(
    r"[\s$,;.]*(?:\\text\s?\{)?[\s$,;]*(?:and|or)?[\s$,}]*(?:[A-Za-z](?:_\{?\d\}?)?\s?=\s?)?[\s$]*"
    r"|[\s$,;()\[\]]*(?:\\quad|\\,)?[\s$]*",
    re.IGNORECASE,
)


def _boxed(text: str) -> Quantity | None:
    """Return the last box, or the last boxes together if they are one answer: \\boxed{2} and \\boxed{3}."""
    starts = list(_BOX.finditer(text))[-MAX_PLACES:]
    boxes: list[tuple[int, int, str]] = []
    for found in starts:
        content = _inside_braces(text, found.end())
        if content is None:
            boxes.append((found.start(), found.end(), "\\"))
        elif content.strip():
            boxes.append((found.start(), found.end() + len(content.rstrip("%")), content))
    if not boxes:
        return None
    last = _stated_in_a_box(boxes[-1][2])
    together = [last]
    for (_, end, content), (begin, _, _) in zip(reversed(boxes[:-1]), reversed(boxes[1:]), strict=True):
        between = text[end + 1 : begin]
        if len(between) > 80 or (_GOES_ON.search(between) and not _JOINS.fullmatch(between)):
            break
        if not _JOINS.fullmatch(between):
            other = _stated_in_a_box(content)
            return last if other.key == last.key else Quantity("", None)
        together.append(_stated_in_a_box(content))
    if len({each.key for each in together}) == 1:
        return last
    if is_undecided(text[boxes[-1][1] + 1 :][:MAX_SENTENCE]):
        return Quantity(last.raw, None)
    begins = [begin for begin, _, _ in boxes[-len(together) :]]
    return _joined(list(reversed(together)), [_name_before(text, begin) for begin in begins])


def _name_before(text: str, begin: int) -> str:
    """Return the variable that an equals sign before the box names; '' if there is none."""
    found = _NAMED_VALUE.search(text[max(0, begin - 12) : begin])
    return found[1] if found else ""


_NAMED_VALUE = re.compile(r"([A-Za-z](?:_?\{?\d\}?)?)\s?=[\s$\\(]*$")
_NAME_INSIDE = re.compile(r"[\s$]*([A-Za-z](?:_?\{?\d\}?)?)\s?=")


def _joined(boxes: list[Quantity], names: list[str]) -> Quantity:
    """Combine boxes that are one answer: a set, or a list in the order of their names if they have names."""
    raw = ", ".join(each.raw for each in boxes)
    keys = [str(each.key) for each in boxes]
    inside = [_NAME_INSIDE.match(each.raw) for each in boxes]
    names = [found[1] if found else name for found, name in zip(inside, names, strict=True)]
    if any(key[:2] not in ("n:", "e:") for key in keys) or (any(names) and not all(names)):
        return Quantity(raw, None)
    if len(set(names)) == 1:
        return Quantity(raw, "s:" + ";".join(sorted(set(keys))))
    if len(set(names)) < len(names):
        return Quantity(raw, None)
    return Quantity(raw, "l:" + ";".join(key for _, key in sorted(zip(names, keys, strict=True))))


def _stated_in_a_box(content: str) -> Quantity:
    key = read_value(_NAMED_RATIO.sub("", content))
    if key:
        return Quantity(content.strip(), key)
    said = _plain_words(content)
    key = read_choice(said, alone=False) or _yes_no(said)
    if not key and (label := _BOX_LABEL.match(content)):
        key = read_value(content[label.end() :])
    return Quantity(content.strip(), key)


def _yes_no(said: str) -> str | None:
    """Return the key of a yes or no at the beginning; None for "yes, 12", which says two things."""
    key = read_yes_no(said, alone=False)
    if key and (_NO_REPLY.search(said) or read_value(said.partition(" ")[2], "end")):
        return None
    return key


_NAMED_RATIO = re.compile(r"^[\s$]*\\[dt]?frac\s?\{[A-Za-z]\}\s?\{[A-Za-z]\}\s?=\s?(?=[^=]*$)")
_NO_REPLY = re.compile(
    r"^\W*(?:yes|no|true|false)\b[^\n]{0,80}?(?:\b(?:wrong|incorrect|wait|sorry|rather|again|problem|thanks?"
    r"|idea|guess|sure|of course|i can|i'll|let me|let's|let us|help"
    r"|course)\b|\b(?:not|n't|cannot) (?:be )?(?:right|correct|know|sure)\b)",
    re.IGNORECASE,
)
"""A yes or no that speaks to the reader or judges a try: "No, 14 is incorrect"."""
_BOX_LABEL = re.compile(r"\s*(?:\\text\w*\s?\{)?\s*[A-Za-z][A-Za-z ]{2,40}(?::|\bis\b)\s*\}?")
_WORDS_MARKUP = re.compile(r"\\(?:text\w*|math\w*|mbox|left|right)(?![A-Za-z])|\\[,;:! ]|[{}$*`_]")


def _plain_words(text: str) -> str:
    return " ".join(_WORDS_MARKUP.sub(" ", text).split())


def _inside_braces(text: str, start: int) -> str | None:
    """Return the text from `start` to its closing brace; None if it is too deep, too long or unclosed."""
    depth = 1
    for at in range(start, min(len(text), start + 4 * MAX_ANSWER)):
        if text[at] in "{}" and text[at - 1] != "\\":
            depth += 1 if text[at] == "{" else -1
        if depth > MAX_NESTING:
            return None
        if depth == 0:
            return text[start:at] + ("%" if re.match(r"\s?\\?%", text[at + 1 : at + 4]) else "")
    return None


_HASH = re.compile(r"^[ \t>]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TITLE = re.compile(r"\d+[.):]?\s+[A-Z]")


def _hash(text: str) -> Quantity | None:
    for line in reversed(_HASH.findall(text)[-MAX_PLACES:]):
        if _TITLE.match(line):
            continue
        key = read_value(line) or read_yes_no(_plain_words(line), alone=False)
        if not key and (label := _HASH_LABEL.match(line)):
            key = read_value(line[label.end() :], "end")
        if key:
            return Quantity(line.strip(), key)
    return None


_HASH_LABEL = re.compile(r"(?:the )?(?:final )?answer(?: is)?\s?:?\s?(?=\S)", re.IGNORECASE)
_ANSWER_IS = re.compile(
    r"""(?: \b(?:answer|final\s(?:figure|result|number|value)|(?:correct|right|best)\s(?:option|choice))\b
            (?: [^.,:=\n]{0,80}? \b(?:is|was|equals|comes\sto|(?:would|will|should|must)\sbe)\b
              | (?:\s(?:to|for|of)\s[^.,:=()\n]{1,60})? (?:\s?\([^()\n]{1,40}\))? \s? [:=≈] )
          | ^[\W\d]{0,10} (?:the\s)? (?:final\s)? answer \s* $
          | \b(?:réponse|respuesta|antwort|risposta|resposta)\s(?:est|es|ist|è|é)\b | 答案(?:是|为|：|:) )
        [\s:=≈"\#]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_NOT_STATED = re.compile(
    r"\b(?:if|wrong|incorrect|some (?:say|think)(?: that)?|suppose|assume|whether)(?: the)?(?: (?:right|final))? $",
    re.IGNORECASE,
)
"""Words before "the answer is" by which it does not say what the answer is."""
_IF_THE_ANSWER = re.compile(r"\b(?:if|otherwise)\b[^.!?\n]{0,80}\banswer\b", re.IGNORECASE)
_ANOTHER_CASE = re.compile(r"\b(?:if|otherwise|or else)\b[^.!?\n]*\d", re.IGNORECASE)
_DOUBTS_THAT = re.compile(
    r"(?:\bdoubt|\b(?:don't|do not|cannot|can't) (?:think|believe|say)|\bnot (?:sure|certain|convinced|true"
    r"|the case|so)|\bfalse)"
    r"(?: (?:that|if|whether))?(?: the)?(?: (?:right|final|correct))? $",
    re.IGNORECASE,
)
_NOT_THE_ANSWER = re.compile(
    r"\b(?:isn't|wasn't|is not|was not|not|can't|cannot|can not|could not|couldn't|won't)\b", re.IGNORECASE
)
_DENIED_ANSWER = re.compile(r"\banswer\b[^.,:=\n]{0,80}?(?:n't|\b(?:not|cannot|never))\b", re.IGNORECASE)


def _phrase(text: str) -> Quantity | None:
    places = list(_ANSWER_IS.finditer(text))[-MAX_PLACES:]
    conditions = sum(bool(_IF_THE_ANSWER.search(text, max(0, each.start() - 100), each.end())) for each in places) - 1
    denied = list(_DENIED_ANSWER.finditer(text))[-1:]
    for match in reversed(places):
        if _NOT_STATED.search(text, max(0, match.start() - 40), match.start()):
            continue
        sentence = _sentence(text, match.end()).strip(" *")
        said = match[0]
        before = sentences(text[max(0, match.start() - MAX_SENTENCE) : match.start()] or " ")[-1:]
        if before and is_conditional(before[0]):
            conditions += 1
            if conditions > 1 or _ANOTHER_CASE.search(text[match.end() :][:MAX_SENTENCE]):
                return Quantity(sentence, None)
        if _DOUBTS_THAT.search(text, max(0, match.start() - 40), match.start()):
            return Quantity(sentence, None)
        if said.endswith("\n") and _BULLET.match(sentence):
            return Quantity(sentence, None)  # the first of several, or a minus sign
        if _NOT_THE_ANSWER.search(said):
            return Quantity(sentence, None)
        if denied and denied[0].start() > match.start() and has_number(_sentence(text, denied[0].start())):
            return Quantity(sentence, None)
        nothing_after = not re.search(r"\w", text[match.end() + len(sentence) :])
        if not sentence.strip(" $\\[]()"):
            if nothing_after:
                return Quantity("", None)
            continue
        found = _stated(_EMPTY_BOX.sub(" ", sentence))
        if found is not None:
            return found
        if nothing_after and re.search(r"\w", sentence):
            return Quantity(sentence, None)
    if denied and not places and has_number(_sentence(text, denied[0].start())):
        return Quantity("", None)
    return None


def _sentence(text: str, start: int) -> str:
    """Return the text from `start` to the end of the sentence or line."""
    rest = text[start : start + MAX_SENTENCE + 1]
    return first_part((sentences(rest.partition("\n")[0]) or [""])[0], MAX_SENTENCE)


_EMPTY_BOX = re.compile(r"\\f?boxed\s?\{\s*\}")
_BOLD_LINE = re.compile(r"[\s#>]*\*\*([^*\n]{1,200})\*\*[\s.!]*")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")
_BOLD = re.compile(r"(?<![\w)])\*\*([^*\n]{1,200})\*\*(?!\w)")


def _bold(text: str) -> Quantity | None:
    before, _, last_line = _unchecked(text).rstrip().rpartition("\n")
    if _BULLET.match(last_line) and _BULLET.match(before.rstrip().rpartition("\n")[2]):
        return None  # the last of several
    line = _BOLD_LINE.fullmatch(last_line)
    if line:
        return _stated(line[1])
    values = [(span, key) for span in _BOLD.findall(last_line)[-MAX_PLACES:] if (key := read_value(span, "end"))]
    return Quantity(*values[0]) if len({key for _, key in values}) == 1 else None


def _first_line(text: str) -> Quantity | None:
    """Return the first line if it is the bare answer, or yes or no, and the reply goes on to explain it."""
    first, _, rest = text.lstrip().partition("\n")
    said = _plain_words(first)
    if (key := _yes_no(said)) and _is_the_answer(said, rest):
        return Quantity(said, key)
    if not rest.strip():
        return None
    option = _OPTION_FIRST.match(said)
    if option and not _OPTION_FIRST.match(_plain_words(rest.lstrip().partition("\n")[0])):
        key = read_choice(said, alone=False)
        return Quantity(said, key) if key else None
    found = None if "=" in first or "≈" in first else _whole(first)
    return found if found and not _is_bare(rest.lstrip().partition("\n")[0]) else None


_OPTION_FIRST = re.compile(r"\(?[A-H]\)\s")
_YES_THEN = re.compile(
    r"\W*(?:yes|no|true|false)\b[\s,.:;*-]*(?:(?P<aside>of course|let'?s?|let me|sure|certainly|okay|here|first"
    r"|to (?:find|solve|answer)|i can|we (?:can|need|start|first)|absolutely)\b|(?P<said>.*))",
    re.IGNORECASE | re.DOTALL,
)


def _is_the_answer(first: str, rest: str) -> bool:
    """Whether a yes or no at the beginning is the answer and not a greeting, so that no number is stated after it."""
    match = _YES_THEN.match(first)
    if not match or match["aside"] is not None:
        return False
    said = match["said"]
    stop = re.match(r"\W*(?:yes|no|true|false)\b\s?(.?)", first, re.IGNORECASE)
    if stop and stop[1] in (".", "!") and has_number(said):
        return False  # No. 18
    if stop and stop[1] in (".", "!") and re.match(r"\W*so\b", said, re.IGNORECASE):
        return False
    return not (has_number(rest) and (found := concluded((sentences(rest) or [""])[-1])) and found.key)


_LABELLED = re.compile(
    r"\s*(?:(?:\(?[a-z0-9]{1,2}[.)]|[-*•])\s|[A-Za-z](?:_?\{?\d\}?)?\s?=|[A-Za-z ]{1,20}\d{0,2}\s?:)\s?(?=\S)",
    re.ASCII,
)


def _labelled(line: str) -> str | None:
    """Return the key of a line that is a value, with or without a label or bullet."""
    label = _LABELLED.match(line)
    if label:
        return None if "=" in line[label.end() :] else read_value(line[label.end() :], "end")
    return read_value(line, "end")


def _is_bare(line: str) -> bool:
    """Whether a line is only a value, so that the line before it is one of several answers."""
    return bool(_labelled(line)) and (bool(_LABELLED.match(line)) or "=" not in line)


_REMARK_LINE = re.compile(
    r"[\s>#*_(\[-]*(?:(?:double[- ])?check(?:ing)?\b|verif(?:y|ication|ying)\b|to (?:check|verify|confirm)\b"
    r"|substitut\w+\s(?:back|into)\b|proof\b|note\b|confidence\b|remark\b|source\b|p\.?s\.?\b|explanation\b"
    r"|difficulty\b|hint\b|reason(?:ing)?\s?:)",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"^[\s*]*(?:so|therefore|thus|hence|in total|finally|altogether)\b", re.IGNORECASE | re.MULTILINE
)


def _unchecked(text: str) -> str:
    """Return the text without a check, note or confidence after the result."""
    lines = text.split("\n")
    for index in range(max(1, len(lines) - MAX_LAST_SENTENCES), len(lines)):
        if _REMARK_LINE.match(lines[index]):
            before = "\n".join(lines[:index])
            if has_number(before) and not _CONCLUDES.search("\n".join(lines[index + 1 :])):
                return before
    return text


def _last(text: str) -> Quantity | None:
    """Return what the concluding sentence says; unclear if the text ends without a conclusion."""
    text = _EMPTY_BOX.sub(" ", _unchecked(text)).rstrip()
    if several := _lines_of_values(text):
        return several
    said = [sentence for sentence in sentences(text)[-MAX_PLACES:] if not FAREWELL.match(sentence)]
    if said and (is_cut_off(said[-1]) or _UNCERTAIN.search(said[-1])):
        return Quantity(said[-1], None)
    options = len({"".join(each) for each in _OPTION_LABEL.findall(text)}) > 1
    if options and _OPTION_LABEL.match(text.rpartition("\n")[2]):
        return Quantity("", None)
    later: Quantity | None = None
    for sentence in reversed(said):
        if option := _OPTION.search(_plain_words(prose(sentence))):
            return Quantity(option[0], f"c:{option[1]}")
        if _UNKNOWN.search(sentence) or leaves_open(sentence):
            return Quantity(sentence, None)
        if options and _OPTION_LABEL.match(sentence):
            return Quantity(sentence, None)
        if is_check(sentence):
            continue
        if (key := _yes_no(_plain_words(sentence))) and not has_number(sentence):
            return Quantity(sentence, key)
        found = concluded(sentence)
        if found is None:
            if sentence is said[-1] and not is_ended(sentence) and " " in sentence:
                return Quantity(sentence, None)
            if is_instruction(sentence):
                return Quantity(sentence, None)
            continue
        if is_no_conclusion(sentence) or _NAMES_A_DAY.search(sentence):
            return Quantity(sentence, None)
        if not has_number(sentence) and later is None and has_number(text):
            later = found  # a number in words, after numbers in digits
            continue
        return found if later is None or later.key in (None, found.key) else Quantity(sentence, None)
    return later


_NAMES_A_DAY = re.compile(
    r"\b(?:is|was|on|be|falls|=)\s(?:\w+\s){0,2}\W{0,3}(?:mon|tues|wednes|thurs|fri|satur"
    r"|sun)day\W*$",
    re.IGNORECASE,
)
_OPTION_LABEL = re.compile(r"(?:^|(?<=\s))\(?([A-H])\)(?=\s)|^[ \t*-]*([A-H])[.:](?=\s)", re.MULTILINE)
_OPTION = re.compile(r"\b(?:(?:option|choice)\s\(?|(?:is|was)\s\(?(?=[A-H]\)))([A-HJ])\b")


def _lines_of_values(text: str) -> Quantity | None:
    """Return an unclear answer if the last two lines are different values, each with its label or bullet."""
    lines = [line for line in text.split("\n") if line.strip()][-2:]
    if len(lines) < 2 or lines[1].lstrip(" $\\[(&").startswith("="):
        return None
    if not all(_LABELLED.match(line) or "=" not in line for line in lines):
        return None
    keys = [_labelled(line) for line in lines]
    if None in keys or keys[0] == keys[1]:
        return None
    return Quantity(lines[1], None)


_CORRECTION = re.compile(
    r"(?:^|(?<=[\s.,;!*(]))(?:no,? wait|wait|actually|correction|sorry|oops|scratch that|on second thought|no(?=,)"
    r"|i made an? (?:mistake|error)|my mistake)\b[\s,:.!-]*",
    re.IGNORECASE | re.MULTILINE,
)


def _corrected(text: str, found: Quantity) -> Quantity:
    """Return what a correction after the place says; unclear if the correction cannot be read."""
    marks = list(_CORRECTION.finditer(text))[-1:]
    if not marks:
        return found
    after = text[marks[0].end() :]
    if _BOX.search(after) or _ANSWER_IS.search(after) or _HASH.search(after) or _TAG_END.search(after):
        return found
    before = text[: marks[0].start()]
    at = before.rfind(found.raw) if found.raw else -1
    if at < 0 or not has_number(after) or len(after) > MAX_SENTENCE:
        return found
    said = [sentence for sentence in sentences(after) if has_number(sentence)]
    stated = [Quantity(each, key) if (key := read_value(each, "end")) else concluded(each) for each in said]
    last = stated[-1]
    if last and (_CONCLUDES.match(said[-1]) or len({each.key for each in stated if each}) == 1):
        return last
    return Quantity(found.raw, None)


PLACES: tuple[tuple[AnswerForm, Callable[[str], Quantity | None]], ...] = (
    ("tagged", _tagged),
    ("whole", _whole),
    ("boxed", _boxed),
    ("hash", _hash),
    ("tagged", _json),
    ("phrase", _phrase),
    ("bold", _bold),
    ("last", _first_line),
    ("last", _last),
)
"""Places where an answer can stand, most trusted first."""


_LINEAR = re.compile(r"q:(?:\d+\*)?\w(?:[+-]\d+)?")
"""An equation of one variable: "the answer is x + 1 = 13" may say 13 or x = 12."""


def _stated(text: str) -> Quantity | None:
    """Return what a marked place says: a value, a choice, yes or no, a leading value or a concluded one."""
    key = read_value(text, "end")
    if key:
        return Quantity(text.strip(), None if _LINEAR.fullmatch(key) else key)
    said = _plain_words(text)
    for read in (read_choice, read_yes_no):
        key = read(said, alone=False)
        if key:
            return Quantity(said, key if key[0] == "c" else _yes_no(said))
    if _UNKNOWN.search(text):
        return Quantity(text, None)
    return leading((sentences(text) or [""])[0] if "\n" not in text.strip() else text)
