"""Reads the value of an answer: a plain text -> a typed canonical key, in exact rational arithmetic.

Equal values have equal keys. A key is `type:value`:
    n:19  n:-1/2         a number; units and currency signs are dropped, not converted; "nineteen" is 19
    e:1/2*sqrt(3)        an exact value with roots or pi (see `algebra`)
    %:20                 a percentage, never equal to a plain number: a question asks for either 20% or 0.2
    t:15:45              a time of day, or a duration with seconds; 2:15 alone is a time
    r:3:4                a ratio, in lowest terms
    m:2 hour 30 minute   a compound measure
    l:n:3;n:4            a list or tuple, in its order
    s:n:2;n:3            a set: braces, or "x = 2 or x = 3"
    i:[n:1;n:5)          an interval; (1, 5) with two round brackets is a list, because coordinates are written so
    c:B  b:yes           a choice; yes or true
Floats are not used (0.1 + 0.2 would differ from 0.3), and nothing that a model wrote is evaluated as code. Knows
nothing of where in a solution the answer stands. Example:
    read_value("about $1,250.50 per month")    # 'n:2501/2'
A new kind of value is one more reader in `WHOLE_READERS` or one more alternative in `_QUANTITY`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd

from crescent_lite.answers.algebra import read_expression
from crescent_lite.answers.text import OPAQUE, plain, without_remarks
from crescent_lite.answers.words import NO_UNIT, read_number_words

MAX_ANSWER = 100
"""Most characters of a text that is read as one value; a longer one has no value."""
MAX_DIGITS = 40
"""Most digits of a number; a longer one is unclear."""
MAX_POWER = 60
"""Largest exponent of a power or in scientific notation; a larger one is unclear."""
_LARGEST = 10**MAX_POWER


@dataclass(frozen=True)
class Quantity:
    """A number, percentage, time, ratio or measure in a text."""

    raw: str
    """The quantity as written."""
    key: str | None
    """Canonical key; None if the quantity is unclear: part of an expression, list, range or date, or too long."""
    start: int = 0
    """Index of its first character in the text."""
    end: int = 0
    """Index after its last character."""


_NUMBER = r"(?:\d(?:[\d,]*\d)?(?:\.\d+)?|\.\d+)"
_QUANTITY = re.compile(
    rf"""(?<![A-Za-z0-9_]) (?<!\d[.,/:]) (?P<sign>[-+]?)
    (?: (?P<hour>\d{{1,3}}) : (?P<minute>[0-5]\d) (?: : (?P<second>[0-5]\d))? (?!\s?:\s?\d)
        (?: \s?(?P<half>[ap])\.?m\b )?
      | (?P<only_hour>\d{{1,2}}) \s? (?P<only_half>[ap])\.?m\b
      | (?P<ratio>\d+ (?: \s?:\s?\d+)+)
      | (?P<whole>\d+) \s (?P<over>\d+) \s?/\s? (?P<under>\d+)
      | (?P<top>{_NUMBER}) \s?/\s? (?P<bottom>{_NUMBER})
      | (?P<number>{_NUMBER}) (?: \s?[×x]\s?10\^(?P<power>[-+]?\d+) | [eE](?P<exponent>[-+]?\d+)
                                | \s?\^\s?(?P<raised>\d+) )? )
    (?P<scale>\s(?:dozen|hundred|thousand|million|billion|trillion)\b)?
    (?P<percent>\s?%|\s(?:percent|per\scent)\b)?""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
_SCALES = {"dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)

_LINK = re.compile(
    r"\s?(?:[,;&/'-]|,?\s?(?:and|or|to|of|out of|x|by|times|plus|minus|(?:multiplied|divided) by|added to"
    r"|(?:with )?(?:a )?(?:remainder|r)(?: of)?))\s?",
    re.IGNORECASE,
)
_OPERATION = re.compile(rf"[+×÷*^<>≤≥≠{OPAQUE}]|\s[-/]\s")
_BEFORE = re.compile(rf"[+×÷*/^<>≤≥≠{OPAQUE}]\s*$|(?<![A-Za-z])[A-Za-z]\s?-\s?$", re.ASCII)
_SUBTRACTION = re.compile(r"(?:[\d)%]|(?<![A-Za-z])[A-Za-z])\s*$", re.ASCII)
_AFTER = re.compile(
    rf"\s?{OPAQUE}|\^|_|[.:,/-]?\d|'\s?\d|\.{OPAQUE}|\s-\d|\s?[+×÷]|\s[-/]\s?[A-Za-z]\b|\s[xyzn]\b"
    r"|(?![mgshlLWVANJCFt]\b)[A-Za-z](?![A-Za-z])",
    re.ASCII,
)
_FAMILIES = (
    ("year", "month", "week", "day", "hour", "minute", "second"),
    ("mile", "yard", "foot", "inch"),
    ("kilometer", "meter", "centimeter", "millimeter"),
    ("pound", "ounce"),
    ("dollar", "cent"),
)
_SHORT_UNITS = {
    "hr": "hour", "h": "hour", "min": "minute", "sec": "second", "s": "second", "feet": "foot", "ft": "foot",
    "inches": "inch", "in": "inch", "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter",
    "lb": "pound", "oz": "ounce", "metre": "meter", "kilometre": "kilometer", "centimetre": "centimeter",
}  # fmt: skip
_FAMILY = {unit: family for family in _FAMILIES for unit in family}
_UNIT_BETWEEN = re.compile(r"\s?([A-Za-z]{1,12})\.?,?\s(?:and\s)?", re.ASCII)
_UNIT_AFTER = re.compile(r"\s?([A-Za-z]{1,12})", re.ASCII)


def quantities(text: str) -> list[Quantity]:
    """Return the quantities of a plain text, in order; those in an expression, list or range are unclear."""
    found = [_quantity(text, match) for match in _QUANTITY.finditer(text)]
    found += [Quantity(OPAQUE, None, at, at + 1) for at, mark in enumerate(text) if mark == OPAQUE]
    found = _joined(text, sorted(found, key=lambda quantity: quantity.start))
    linked = {
        index + side
        for index, (left, right) in enumerate(pairwise(found))
        if _LINK.fullmatch(between := text[left.end : right.start])
        or ("=" not in between and _OPERATION.search(between))
        for side in (0, 1)
    }
    return [replace(each, key=None) if index in linked else each for index, each in enumerate(found)]


def read_value(text: str) -> str | None:
    """Return the key of a text that is one value, with or without a unit; None for any other text."""
    if len(text) > 4 * MAX_ANSWER:
        return None
    return _read_one(text) or _read_several(text)


def _read_one(text: str) -> str | None:
    if key := read_expression(text):
        return key
    if _REPEATING.search(text):
        return None
    text = plain(text).lstrip(" \n\"',;:").rstrip(" \n\"'.,;:!")
    if option := _OPTION_FIRST.match(text):
        return f"c:{option[1]}"
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1 and not _CHOICE.fullmatch(text):
        text = text[1:-1].strip()
    if not text or len(text) > MAX_ANSWER:
        return None
    return next((key for read in WHOLE_READERS if (key := read(text))), None)


_REPEATING = re.compile(r"\.\d+(?:\.\.|…)")
_OPTION_FIRST = re.compile(r"\(?([A-HJ])\)\s*[^\s,)]", re.ASCII)
_CHOICE = re.compile(r"(?:(?i:option|choice)\s)?(?:\(?([A-HJ])\)?|\(([a-h])\)|([a-h])\))", re.ASCII)
_CHOICE_FIRST = re.compile(
    r"(?:(?i:option|choice)\s)?(?:\(([A-HJ])\)|([A-HJ])(?=[).:,]|\s(?:because|since|as|is)\b))", re.ASCII
)
_YES_NO = re.compile(r"(yes|no|true|false)(?=\s?(?:[,.;:!]|$|because\b|since\b))", re.ASCII | re.IGNORECASE)


def read_choice(text: str, *, alone: bool = True) -> str | None:
    """Return the key of a multiple-choice letter, 'c:B'; None for other texts.

    `alone`: whether the letter must be the whole text; else the option's text may follow.
    """
    found = _CHOICE.fullmatch(text) or (None if alone else _CHOICE_FIRST.match(text))
    return f"c:{found[found.lastindex or 0].upper()}" if found else None


def read_yes_no(text: str, *, alone: bool = True) -> str | None:
    """Return 'b:yes' for yes and true, 'b:no' for no and false, None for other texts.

    `alone`: whether the word must be the whole text; else a text may only begin with it.
    """
    found = _YES_NO.match(text)
    if not found or (alone and found.end() < len(text)):
        return None
    return "b:yes" if found[1].lower() in ("yes", "true") else "b:no"


_SPACED_GROUPS = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?: \d{3})+)(?![\d/,]| ?/)", re.ASCII)
_LEAD = re.compile(r"^(?:(?:about|approximately|approx\.|around|roughly|exactly|only|a total of)\s|[=≈]\s?)+", re.I)
_NAME = re.compile(r"^[A-Za-z]\s?[=≈]\s?", re.ASCII)
_UNIT = re.compile(r"[\s/-]*(?:[A-Za-z°'.]+(?:[\s/-]+[A-Za-z°'.]+){0,5})?", re.ASCII)


def _read_quantity(text: str) -> str | None:
    text = without_remarks(text).strip()
    text = _NAME.sub("", _LEAD.sub("", text, count=1), count=1) if not text[:1].isdigit() else text
    text = re.sub(r"^([-+])\s+(?=[\d.])", r"\1", text)
    text = _SPACED_GROUPS.sub(lambda found: found[0].replace(" ", ""), text)
    found = quantities(text)
    if len(found) != 1 or found[0].start:
        return None
    rest = text[found[0].end :].rstrip()
    if not _UNIT.fullmatch(rest) or NO_UNIT.search(rest):
        return None
    return found[0].key


def _read_words(text: str) -> str | None:
    value = read_number_words(_LEAD.sub("", text, count=1))
    return f"n:{value}" if value is not None else None


WHOLE_READERS: tuple[Callable[[str], str | None], ...] = (read_choice, read_yes_no, _read_quantity, _read_words)

MAX_ELEMENTS = 20
"""Most elements of a list; a longer one has no value."""
_MARKUP = re.compile(r"\\(?:left|right)\b|\\\(|\\\)|\\\[|\\\]|\$")
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))", re.ASCII)
_BRACKETS = re.compile(r"\s*(\\\{|[(\[{])(.*?)(\\\}|[)\]}])\s*\.?\s*", re.DOTALL)
_SEPARATOR = re.compile(
    r"\s*(?:[,;]\s*(?:(?:and|or)\b)?|\b(?:and|or)\b|\\(?:text|mathrm)\s*\{\s*,?\s*(?:and|or)\s*\})\s*"
)
_UNKNOWN = re.compile(r"\s*([A-Za-z])\s*=\s*")
_PLUS_MINUS = re.compile(r"(?:[A-Za-z]\s*=\s*)?(?:\\pm(?![A-Za-z])|±)\s*")
_INFINITY = re.compile(r"([-+−]?)\s*(?:\\infty|∞)\s*")


def _read_several(text: str) -> str | None:
    """Return the key, 'l:...', 's:...' or 'i:...', of a list, set or interval; None for other texts."""
    text = _THOUSANDS.sub("", _MARKUP.sub("", text).strip().strip("*").rstrip(". "))
    if len(text) > MAX_ANSWER:
        return None
    either = _PLUS_MINUS.match(text)
    if either and (key := _read_one(text[either.end() :])) and key.startswith(("n:", "e:")):
        minus = _read_one(f"-({text[either.end() :]})" if key.startswith("e:") else f"-{text[either.end() :]}")
        return _set_key([key, minus]) if minus else None
    bracketed = _BRACKETS.fullmatch(text)
    left, inside, right = bracketed.groups() if bracketed else ("", text, "")
    parts = _SEPARATOR.split(inside)
    if len(parts) == 2 and not bracketed and re.search(r"\d,\S", inside):
        return None  # "3,5" may mean 3.5
    if not 2 <= len(parts) <= MAX_ELEMENTS and not (left.endswith("{") and parts != [""]):
        return None
    interval = len(parts) == 2 and (left + right in ("[)", "(]", "[]") or any(map(_INFINITY.fullmatch, parts)))
    named = [_UNKNOWN.match(part) for part in parts]
    keys = [_element(part, interval=interval) for part in parts]
    if None in keys or len(";".join(map(str, keys))) > 2 * MAX_ANSWER:
        return None
    elements = [str(key) for key in keys]
    if all(named) and len({found[1] for found in named if found}) == 1:
        return _set_key(elements)
    if interval:
        return f"i:{left}{elements[0]};{elements[1]}{right}"
    if left.endswith("{"):
        return _set_key(elements)
    if re.search(r"\bor\b", inside):
        return None  # "5 or 6" is not a clear answer
    return "l:" + ";".join(elements)


def _set_key(elements: list[str]) -> str:
    return "s:" + ";".join(sorted(set(elements)))


def _element(part: str, *, interval: bool) -> str | None:
    endless = _INFINITY.fullmatch(part.strip())
    if endless:
        return ("-inf" if endless[1] in ("-", "−") else "inf") if interval else None
    if re.match(r"0\d", part.strip()):
        return None  # 1, 000
    return _read_one(part)


def _quantity(text: str, match: re.Match[str]) -> Quantity:
    before, after = text[max(0, match.start() - 40) : match.start()], text[match.end() : match.end() + 12]
    clear = not (_BEFORE.search(before) or _AFTER.match(after))
    if match["sign"] and _SUBTRACTION.search(before):
        clear = False
    if after.startswith("..") and "." in match[0]:
        clear = False  # 0.333...
    return Quantity(match[0].strip(), _key(match) if clear else None, match.start(), match.end())


def _key(match: re.Match[str]) -> str | None:
    if match["hour"] or match["only_hour"]:
        return None if match["sign"] or match["percent"] or match["scale"] else _clock_key(match)
    if match["ratio"]:
        return None if match["sign"] or match["percent"] else _ratio_key(match["ratio"])
    value = _number_value(match)
    if value is not None and match["scale"]:
        value *= _SCALES[match["scale"].strip().lower()]
    if value is None or max(value.numerator, value.denominator) > _LARGEST:
        return None
    value = -value if match["sign"] == "-" else value
    return f"{'%' if match['percent'] else 'n'}:{value}"


def _number_value(match: re.Match[str]) -> Fraction | None:
    if match["whole"]:
        parts = [_exact(match[name]) for name in ("whole", "over", "under")]
        if None in parts or not 0 < parts[1] < parts[2]:  # type: ignore[operator]
            return None
        return parts[0] + parts[1] / parts[2]  # type: ignore[operator]
    if match["top"]:
        top, bottom = _exact(match["top"]), _exact(match["bottom"])
        return top / bottom if top is not None and bottom else None
    number = _exact(match["number"])
    power = match["power"] or match["exponent"]
    if number is None or len(power or "") > 4 or abs(int(power or 0)) > MAX_POWER:
        return None
    if match["raised"]:
        small = len(match["raised"]) <= 2 and int(match["raised"]) <= MAX_POWER and number.denominator == 1
        return number ** int(match["raised"]) if small and number < 1000 else None
    return number * Fraction(10) ** int(power) if power else number


def _exact(digits: str) -> Fraction | None:
    if len(digits) > MAX_DIGITS or ("," in digits and not _GROUPED.fullmatch(digits)):
        return None
    return Fraction(digits.replace(",", ""))


def _clock_key(match: re.Match[str]) -> str | None:
    hour = int(match["hour"] or match["only_hour"])
    half = (match["half"] or match["only_half"] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if match["second"] and not half:
        return f"t:{hour:02}:{match['minute']}:{match['second']}"
    if hour > 23:
        # 25:30 is not a time of day, so it is a ratio.
        return _ratio_key(f"{hour}:{match['minute']}") if not match["second"] else None
    seconds = f":{match['second']}" if match["second"] else ""
    return f"t:{hour:02}:{match['minute'] or '00'}{seconds}"


def _ratio_key(text: str) -> str | None:
    if len(text) > MAX_DIGITS:
        return None
    terms = [int(term) for term in text.split(":")]
    divisor = gcd(*terms)
    return "r:" + ":".join(str(term // divisor) for term in terms) if divisor else None


def _joined(text: str, found: list[Quantity]) -> list[Quantity]:
    """Join "2 hours and 30 minutes" or "5 feet 3 inches" into one measure. No unit is converted."""
    joined: list[Quantity] = []
    last_unit: str | None = None
    for each in found:
        after = _UNIT_AFTER.match(text, each.end)
        unit = _unit(after[1]) if after else None
        if joined and unit and last_unit and each.key and (before := joined[-1]).key:
            between = _UNIT_BETWEEN.fullmatch(text[before.end : each.start])
            smaller_units = _FAMILY[last_unit][_FAMILY[last_unit].index(last_unit) + 1 :]
            if between and unit in smaller_units and _unit(between[1]) == last_unit:
                first = before.key if before.key.startswith("m:") else f"m:{before.key[2:]} {last_unit}"
                key = f"{first} {each.key[2:]} {unit}"
                joined[-1] = Quantity(text[before.start : each.end], key, before.start, each.end)
                last_unit = unit
                continue
        joined.append(each)
        last_unit = unit
    return joined


def _unit(word: str) -> str | None:
    word = word.lower()
    for name in (word, word.removesuffix("s"), _SHORT_UNITS.get(word, ""), _SHORT_UNITS.get(word[:-1], "")):
        if name in _FAMILY:
            return name
    return None
