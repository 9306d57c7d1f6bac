"""Reads a span of text, whole or not at all, as a typed canonical key in exact arithmetic.

Equal values have equal keys. A key is `type:value`:
    n:19  n:-1/2         numbers; units and currency are dropped, none is converted; "nineteen" is 19
    e:1/2*sqrt(3)        roots and pi, exactly (`exact`)
    %:20                 a percentage, never equal to a plain number: 20% and 0.2 are different answers, as a
                         question asks for one or the other
    t:15:45              a time of day or a duration with seconds; a bare 2:15 is a time
    d:2024-03-15         a date; d:03-15 without its year, d:2024-03 without its day
    r:3:4                a ratio, in lowest terms
    m:2 hour 30 minute   a measure in two units
    p:x^2-5*x            a polynomial, its terms in a fixed order
    q:x^2-5*x+6          an equation, everything on one side and scaled to integers
    l:n:3;n:4            a list in its order, also written as a tuple; a list in a list stands in parentheses
    s:n:2;n:3            a set: braces, plus-minus, or "x = 2 or x = 3"
    i:[n:1;n:5)          an interval, also written as x > 3; (1, 5) with two round brackets is a list, as coordinates
                         are written so; joined intervals have a U between them
    v:n:1|n:2            a matrix, row by row; this one is a column
    c:B  b:yes           a choice; yes or true
No floats are used (0.1 + 0.2 would differ from 0.3), and no text is evaluated as code (a model wrote it). A span with
a token that no rule accepts has no value; a part of a span is never taken for the whole. Knows nothing of where in a
solution the answer stands. Example:
    read_value("about $1,250.50 per month")    # 'n:2501/2'
A new kind of value is one more reader in `quantities.read_core` or in `READERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from crescent_lite.answers.characters import normalised
from crescent_lite.answers.expression import MAX_TOKENS
from crescent_lite.answers.formulas import read_equation, read_inequality, read_polynomial
from crescent_lite.answers.quantities import Exclamation, read_single, trimmed
from crescent_lite.answers.text import without_rounding
from crescent_lite.answers.tokens import Token, tokenise
from crescent_lite.answers.words import word_set

MAX_ANSWER = 100
"""Most characters of an answer as it is stored."""
MAX_SPAN = 400
"""Most characters of a span. A longer one has no value."""
MAX_ELEMENTS = 20
"""Most elements of a list. A longer one has no value."""
_MAX_KEY = 200


def read_value(text: str, exclamation: Exclamation = "factorial") -> str | None:
    """Return the key of a text that is one value and its unit, and nothing else; None for any other text.

    `exclamation`: meaning of an exclamation mark after the last number; if it is unclear the text has no value.
    """
    if len(text) > MAX_SPAN:
        return None
    text = without_rounding(normalised(text))
    if key := read_choice(text) or read_yes_no(_bare(text)):
        return key
    return read_tokens(tokenise(text), exclamation, unknowns=True)


def read_tokens(
    tokens: Sequence[Token], exclamation: Exclamation = "factorial", *, unknowns: bool = False
) -> str | None:
    """Return the key of tokens, as `read_value` does for a text, but without choices and yes or no.

    `unknowns`: whether letters can be variables of a formula; in a sentence they cannot.
    """
    if len(tokens) > MAX_TOKENS:
        return None
    try:
        tokens = trimmed(tokens, exclamation)
    except ValueError:
        return None
    kinds = {token.kind for token in tokens}
    if not tokens or kinds & _NEVER_READ:
        return None
    for read, needed in (*READERS, *(OF_FORMULAS if unknowns else ())):
        if (not needed or kinds & needed) and (key := read(tokens)):
            return key if len(key) <= _MAX_KEY else None
    return None


_NEVER_READ = frozenset({"opaque", "dots", "≠"})


_CHOICE = re.compile(r"(?:(?i:option|choice)\s)?(?:\(?([A-HJ])\)?|\(([a-h])\)|([a-h])\))", re.ASCII)
_OPTION_FIRST = re.compile(r"\(?([A-HJ])\)\s*[^\s,)(]", re.ASCII)
_CHOICE_FIRST = re.compile(
    r"(?:(?i:option|choice)\s)?(?:\(([A-HJ])\)|([A-HJ])(?=[).:,]|\s(?:because|since|as|is)\b))", re.ASCII
)
_OPTION_LABEL = re.compile(r"(?:^|(?<=\s))\(?([A-HJ])\)(?=\s)", re.ASCII)
_TWO_CHOICES = re.compile(
    r"(?:\b(?:and|or|not)\b|[,&/])\s?(?:option\s)?\(?[A-HJ]\b(?![-'])\)?(?:\s?[).,:]|\s*$)", re.ASCII
)
_YES_NO = re.compile(r"(yes|no|true|false)(?=\s?(?:[,.;:!]|$|because\b|since\b))", re.ASCII | re.IGNORECASE)
_MARKUP = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathsf|mathit|mbox|bf|rm|left|right)(?![A-Za-z])"
    r"|\\[,;:! ()\[\]]|[*`$_{}]|\\quad"
)


def _bare(text: str) -> str:
    """Return the text without markup and without punctuation at its ends."""
    return " ".join(_MARKUP.sub(" ", text).split()).strip(" \"',;:.!")


def read_choice(text: str, *, alone: bool = True) -> str | None:
    """Return a key such as 'c:B' for a letter alone or before its option, or with `alone` False before a reason."""
    bare = _bare(text)
    if len(bare) > MAX_SPAN or not bare:
        return None
    if len(set(_OPTION_LABEL.findall(bare))) > 1:
        return None  # the options, not a choice
    found = _CHOICE.fullmatch(bare) or _OPTION_FIRST.match(bare) or (None if alone else _CHOICE_FIRST.match(bare))
    if not found or _TWO_CHOICES.search(bare, found.end(found.lastindex or 0)):
        return None
    return f"c:{found[found.lastindex or 0].upper()}"


def read_yes_no(text: str, *, alone: bool = True) -> str | None:
    """Return 'b:yes' for yes and true, 'b:no' for no and false: alone, or with `alone` False at the beginning."""
    found = _YES_NO.match(text)
    if not found or (alone and found.end() < len(text)):
        return None
    return "b:yes" if found[1].lower() in ("yes", "true") else "b:no"


_OPENING, _CLOSING = ("(", "[", "{", "\\{", "begin"), (")", "]", "}", "\\}", "end")


def _depths(tokens: Sequence[Token]) -> list[int] | None:
    """Return the bracket depth of each token; None if the brackets are not balanced."""
    depths, depth = [], 0
    for token in tokens:
        depth -= token.kind in _CLOSING
        depths.append(depth)
        depth += token.kind in _OPENING
        if depth < 0:
            return None
    return None if depth else depths


def _split(tokens: Sequence[Token], at: Callable[[Token], bool]) -> list[Sequence[Token]] | None:
    """Return the parts between separators outside of brackets; None if the brackets are not balanced."""
    depths = _depths(tokens)
    if depths is None:
        return None
    parts, start = [], 0
    for index, (token, depth) in enumerate(zip(tokens, depths, strict=True)):
        if depth == 0 and at(token):
            parts.append(tokens[start:index])
            start = index + 1
    return [*parts, tokens[start:]]


def _either_sign(tokens: Sequence[Token]) -> str | None:
    r"""Return the key of the two values of a plus-minus: \pm 4, 1 \pm \sqrt{5}."""
    if not any(token.kind in ("±", "∓") for token in tokens) or any(token.kind in (",", ";") for token in tokens):
        return None
    keys: list[str | None] = []
    for sign, other in (("+", "-"), ("-", "+")):
        kinds = {"±": sign, "∓": other}
        chosen = [token._replace(kind=kinds[token.kind]) if token.kind in kinds else token for token in tokens]
        keys.append(_one(_named(chosen)[1]))
    return _set_key(keys) if all(key and key[:2] in ("n:", "e:") for key in keys) else None


def _set_key(keys: Sequence[str | None]) -> str:
    elements: set[str] = set()
    for key in keys:
        elements |= set(key[2:].split(";")) if key and key.startswith("s:") else {_enclosed(str(key))}
    return "s:" + ";".join(sorted(elements))


def _enclosed(element: str) -> str:
    """Return the key of an element; one that has several parts stands in parentheses."""
    return f"({element})" if element[:2] in ("l:", "i:") else element


def _one(tokens: Sequence[Token]) -> str | None:
    try:
        tokens = trimmed(tokens)
    except ValueError:
        return None
    return read_single(tokens) or _letter(tokens)


def _letter(tokens: Sequence[Token]) -> str | None:
    """Return the key of a choice that is an element of a list."""
    return f"c:{tokens[0].text}" if len(tokens) == 1 and re.fullmatch("[A-HJ]", tokens[0].text) else None


def _named(tokens: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    """Split x = 3 into its name and value; the name is '' if there is none."""
    if len(tokens) > 2 and tokens[1].kind == "≈" and len(tokens[0].text) == 1 and tokens[0].kind == "word":
        return "", tokens[2:]
    for length in (1, 2):
        if len(tokens) > length + 1 and tokens[length].kind == "=":
            name, index = tokens[0], tokens[1]
            letter = name.kind in ("var", "word") and len(name.text.partition("_")[0]) == 1
            if letter and (length == 1 or (index.kind == "num" and not index.space)):
                return name.text + (f"_{index.text}" if length == 2 else ""), tokens[length + 1 :]
    return "", tokens


def _is_separator(token: Token) -> bool:
    return token.kind in (",", ";", "row") or (token.kind == "word" and token.text.lower() in ("and", "or"))


def _several(tokens: Sequence[Token]) -> str | None:
    """Return the key 'l:...', 's:...' or 'i:...' of a list, a set or an interval."""
    if tokens[0].kind == "$" and tokens[-1].kind == "$":
        tokens = tokens[1:-1]
    if not tokens:
        return None
    if not any(_is_separator(token) or token.kind in ("{", "\\{") for token in tokens):
        return None
    left, inside, right = _unbracketed(tokens)
    parts = _split(inside, _is_separator)
    if parts is None:
        return None
    parts = _without_empty(parts)
    if not parts or not (2 <= len(parts) <= MAX_ELEMENTS or (left in ("\\{", "{") and len(parts) == 1 and parts[0])):
        return None
    if left == "{" and len(parts) == 1 and not _is_braced(inside):
        return None
    if not left and len(parts) == 2 and _is_decimal_comma(inside):
        return None
    if not left and len(parts) == 2 and _may_be_mixed(inside):
        return None
    interval = len(parts) == 2 and (left + right in ("[)", "(]", "[]") or (left and any(map(_infinity, parts))))
    if not _have_one_unit(parts):
        return None
    names, elements = [], []
    for part in parts:
        name, value = _named(part)
        key = _element(value, interval=bool(interval))
        if key is None or (
            value
            and value[0].kind == "num"
            and len(value[0].text) > 1
            and value[0].text.isdigit()
            and value[0].text[0] == "0"
        ):
            return None
        names.append(name)
        elements.append(key)
    return _collected(left, right, names, elements, inside, interval=bool(interval))


def _have_one_unit(parts: Sequence[Sequence[Token]]) -> bool:
    """Whether the numbers of a list count one thing: 3, 4 and 5 cm, but not 3 apples and 4 pears."""
    units = set()
    for part in parts:
        number = max((index for index, token in enumerate(part) if token.kind == "num"), default=None)
        after = [token for token in part[number + 1 :] if token.kind == "word"] if number is not None else []
        if after and (len(after[0].text) > 1 or after[0].roman):
            units.add(after[0].text.lower().removesuffix("s"))
    return len(units) < 2


def _collected(
    left: str, right: str, names: list[str], elements: list[str], inside: Sequence[Token], *, interval: bool
) -> str | None:
    if all(names) and len(set(names)) == 1:
        return _set_key(elements)
    if any(names[1:]) and not all(names):
        return None
    if all(names):
        if len(set(names)) < len(names):
            return None
        elements = [element for _, element in sorted(zip(names, elements, strict=True))]
    if interval and any(element[:2] not in ("n:", "e:") and not element.endswith("inf") for element in elements):
        return None
    if interval:
        return f"i:{left}{elements[0]};{elements[1]}{right}"
    if left in ("{", "\\{"):
        return _set_key(elements)
    if any(element.startswith("s:") for element in elements):
        return _set_key(elements) if names[0] else None  # x = 0, ±2
    if any(token.kind == "word" and token.text.lower() == "or" for token in inside):
        return None  # "5 or 6" is a doubt
    return "l:" + ";".join(map(_enclosed, elements))


def _unbracketed(tokens: Sequence[Token]) -> tuple[str, Sequence[Token], str]:
    """Return the opening bracket, the tokens inside and the closing bracket; without brackets these are ''."""
    if len(tokens) < 3 or tokens[0].kind not in _OPENING[:4] or tokens[-1].kind not in _CLOSING[:4]:
        return "", tokens, ""
    depths = _depths(tokens)
    if depths is None or any(depth == 0 for depth in depths[1:-1]):
        return "", tokens, ""
    return tokens[0].kind, tokens[1:-1], tokens[-1].kind


def _is_braced(inside: Sequence[Token]) -> bool:
    return len(inside) > 0


def _without_empty(parts: list[Sequence[Token]]) -> list[Sequence[Token]] | None:
    """Return the parts without the empty one of "3, 4, and 5"; None if another part is empty."""
    kept = [part for part in parts if len(part)]
    return (
        kept
        if len(parts) - len(kept) <= (1 if len(parts) > 2 else 0) and parts and len(parts[0]) and len(parts[-1])
        else None
    )


def _is_decimal_comma(tokens: Sequence[Token]) -> bool:
    """Whether a comma could be a decimal comma: 3,5."""
    return any(
        token.kind == "," and not token.space and not tokens[index + 1].space
        and tokens[index - 1].kind == "num" and tokens[index + 1].kind == "num"
        for index, token in enumerate(tokens[1:-1], start=1)
    )  # fmt: skip


def _may_be_mixed(tokens: Sequence[Token]) -> bool:
    """Whether two elements could be one mixed number: 2 and 2/3."""
    tokens = [token for token in tokens if token.kind not in ("$", "{", "}")]
    names = [token.text.lower() for token in tokens]
    if names[-2:] in (["a", "half"], ["a", "quarter"], ["a", "third"]) and "and" in names:
        return True
    is_frac = len(tokens) > 2 and tokens[2].kind == "frac"
    if len(tokens) < 5 or names[1] != "and" or (tokens[3].kind != "/" and not is_frac):
        return False
    whole, top, bottom = (tokens[index].value for index in ((0, 3, 4) if is_frac else (0, 2, 4)))
    return whole is not None and whole.denominator == 1 and None not in (top, bottom) and 0 < top < bottom  # type: ignore[operator]


def _infinity(tokens: Sequence[Token]) -> str | None:
    kinds = [token.kind for token in tokens]
    return {"inf": "inf", "+inf": "inf", "-inf": "-inf"}.get("".join(kinds))


def _element(tokens: Sequence[Token], *, interval: bool) -> str | None:
    if endless := _infinity(tokens):
        return endless if interval else None
    if not tokens:
        return None
    return _one(tokens) or _either_sign(tokens) or (_several(tokens) if tokens[0].kind in ("(", "[", "\\{") else None)


def _union(tokens: Sequence[Token]) -> str | None:
    """Return the key 'i:...' of a union of intervals, or of the interval that a variable is in."""
    if len(tokens) > 2 and tokens[1].kind == "∈" and len(tokens[0].text) == 1:
        listed = _several(tokens[2:])
        return listed if listed and listed.startswith("s:") else _union(tokens[2:]) or _as_interval(tokens[2:])
    parts = _split(tokens, lambda token: token.kind == "∪")
    if not parts or not 2 <= len(parts) <= MAX_ELEMENTS or not all(len(part) for part in parts):
        return None
    keys = [_as_interval(part) for part in parts]
    return "i:" + "U".join(sorted(str(key)[2:] for key in keys)) if None not in keys else None


def _as_interval(tokens: Sequence[Token]) -> str | None:
    """Return the key of an interval in a place where round brackets cannot be coordinates."""
    key = _several(tokens)
    if key and key.startswith("l:") and key.count(";") == 1 and tokens[0].kind == "(" and tokens[-1].kind == ")":
        return f"i:({key[2:]})"
    return key if key and key.startswith("i:") else None


def _matrix(tokens: Sequence[Token]) -> str | None:
    """Return the key 'v:...' of a matrix or column; a brace of equations is a list."""
    name, tokens = _named(tokens)
    _, inside, _ = _unbracketed(tokens)
    tokens = inside if inside and inside[0].kind == "begin" else tokens
    if not tokens or tokens[0].kind != "begin" or tokens[-1].kind != "end" or tokens[0].text != tokens[-1].text:
        return None
    rows = _split(tokens[1:-1], lambda token: token.kind == "row")
    if not rows:
        return None
    rows = rows if len(rows[-1]) else rows[:-1]
    if tokens[0].text == "cases":
        return None if name else _several([token for token in tokens[1:-1] if token.kind != "cell"])
    if (
        tokens[0].text not in ("pmatrix", "bmatrix", "matrix", "array", "smallmatrix")
        or len(rows) * len(rows[0]) > 100
    ):
        return None
    read = [[_one(cell) for cell in _split(row, lambda token: token.kind == "cell") or []] for row in rows]
    if not read or any(None in row or len(row) != len(read[0]) for row in read):
        return None
    return "v:" + "|".join(";".join(map(str, row)) for row in read)


def _chain(tokens: Sequence[Token]) -> str | None:
    """Return the value of the last side if the first is a name or a calculation: x = 19, 12 + 7 = 19, Area = 25."""
    sides = _split(tokens, lambda token: token.kind in ("=", "≈"))
    if not sides or len(sides) < 2 or not all(len(side) for side in sides):
        return None
    first, *between, last = sides
    if len(sides) == 2 and len(last) == 1 and _is_name(last) and not _is_name(first):
        return _one(first)  # 3 = x
    if len(sides) == 2 and len(first) == len(last) == 1 and None not in (first[0].value, last[0].value):
        return _one(last) if first[0].value == last[0].value else None  # 5 = 6
    first_is_name = _is_name(first)
    if not first_is_name and not _is_calculation(first):
        return None
    if not all(_is_calculation(side) for side in between):
        return None
    return (
        _one(last) or _either_sign(last) or (None if _has_outer_separator(last) else _several(last)) or _matrix(last)
    )


def _has_outer_separator(tokens: Sequence[Token]) -> bool:
    parts = _split(tokens, _is_separator)
    return parts is None or len(parts) > 1


def _is_name(tokens: Sequence[Token]) -> bool:
    """Whether the tokens are a name: x, Total cost, f(2), P(A), (x, y)."""
    tokens = [token for token in tokens if token.kind != "$"]
    if not tokens:
        return False
    first = tokens[0]
    if first.kind == "(" and tokens[-1].kind == ")" and len(tokens) > 3:
        letters = [token.text for token in tokens[1:-1] if token.kind != ","]
        return all(len(letter) == 1 and letter.isalpha() for letter in letters) and letters == sorted(letters)
    if len(tokens) == 1:
        return first.kind == "var" or (first.kind == "word" and (len(first.text) != 2 or not first.text.islower()))
    if first.kind in ("word", "var") and tokens[1].kind == "(" and not tokens[1].space:
        return tokens[-1].kind == ")" and (_depths(tokens) or []).count(0) == 3 and len(first.text) <= 2
    if len(tokens) == 2 and len(first.text) == 1 and tokens[1].kind == "num" and not tokens[1].space:
        return first.kind == "word"
    return len(tokens) <= 16 and all(
        (token.kind == "word" and (token.roman or len(token.text) > 1 or token.text in ("a", "A")))
        or token.kind in ("'", "-")
        for token in tokens
    )


_CALCULATION = word_set("num + - * / ^ ! ( ) [ ] { } % ‰ ° frac binom sqrt pi ± $ € £ ¥ ₹ ¢ ' .")


def _is_calculation(tokens: Sequence[Token]) -> bool:
    """Whether the tokens are numbers, operators and units: the next side says what they come to."""
    unit: bool | None = True
    for token in tokens:
        if token.kind == "word":
            if (unit and not token.roman) or not (token.roman or len(token.text) > 2 or token.text in _SHORT_UNITS):
                return False
        elif token.kind not in _CALCULATION:
            return False
        elif token.kind in ("num", "frac", "sqrt", "pi") and unit is None:
            return False  # a number after a unit, without an operator
        unit = None if token.kind == "word" else token.kind not in ("num", ")", "}", "%", "pi", "°", "!", ".")
    return any(token.kind in ("num", "pi") for token in tokens)


_SHORT_UNITS = word_set("cm mm km kg mg ml mL ft in lb oz yd hr of m^2")


Reader = Callable[[Sequence[Token]], "str | None"]
READERS: tuple[tuple[Reader, frozenset[str]], ...] = (
    (read_single, frozenset()),
    (_either_sign, word_set("± ∓")),
    (_several, word_set(r", ; row { \{ word")),
    (_union, word_set("∪ ∈")),
    (_matrix, word_set("begin")),
    (_chain, word_set("= ≈")),
)
"""Readers of values in the order in which they are tried, each with the kinds of tokens of which it needs one."""
OF_FORMULAS: tuple[tuple[Reader, frozenset[str]], ...] = (
    (read_inequality, word_set("< > ≤ ≥")),
    (read_equation, word_set("=")),
    (read_polynomial, frozenset()),
)
"""Readers of values with variables."""
