"""Reads dates, times of day and ratios from tokens: 'd:2024-03-15', 't:15:45', 'r:3:4'.

A date is one value: "March 15" is never 15. A time of a 12-hour clock becomes one of 24 hours; a bare 2:15 is a time.
Each reader returns a key and the index after the value, or None if no value of its kind begins there. It raises
NoValueError for an impossible one, such as 17:35 am. Example:
    read_date(tokenise("15 March 2024"), 0)    # ('d:2024-03-15', 3)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import gcd, lcm

from crescent_lite.answers.exact import NoValueError
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.words import ONES, word_set

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
MONTHS = {name: number for number, month in enumerate(_MONTHS, start=1) for name in (month, month[:3])} | {"sept": 9}
_WEEKDAYS = word_set(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat sun"
)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
Read = tuple[str, int]
_END = Token("", "", -1, -1, True)


def _at(tokens: Sequence[Token], at: int) -> Token:
    return tokens[at] if 0 <= at < len(tokens) else _END


def is_month(token: Token) -> bool:
    """Whether the token names a month; "may" and "march" need a capital letter."""
    return (
        token.kind == "word"
        and token.text.lower() in MONTHS
        and (token.text[0].isupper() or token.text not in ("may", "mar", "march"))
    )


def _whole(token: Token, digits: int) -> int | None:
    return int(token.text) if token.kind == "num" and token.text.isdigit() and len(token.text) <= digits else None


def read_date(tokens: Sequence[Token], at: int) -> Read | None:
    """Read a date: March 15, 15 March 2024, the 5th of March, Jan. 5, March 2024."""
    if _at(tokens, at).text.lower() in _WEEKDAYS:
        at += 1
        at += _at(tokens, at).kind in (",", ".")
    if numeric := _year_first(tokens, at):
        return numeric
    if _at(tokens, at).text.lower() == "the":
        at += 1
    if is_month(_at(tokens, at)):
        month, at = _month(tokens, at)
        year = _year(tokens, at)
        if year:
            return f"d:{year[0]}-{month:02}", year[1]
        day, at = _day(tokens, at)
    else:
        day, at = _day(tokens, at)
        at += _at(tokens, at).text.lower() == "of"
        if not day or not is_month(_at(tokens, at)):
            return None
        month, at = _month(tokens, at)
    if not day or not 1 <= day <= _DAYS[month - 1]:
        return None
    year = _year(tokens, at + (_at(tokens, at).kind == ","))
    return (f"d:{year[0]}-{month:02}-{day:02}", year[1]) if year else (f"d:{month:02}-{day:02}", at)


def _year_first(tokens: Sequence[Token], at: int) -> Read | None:
    """Read 2024-03-15 or 2024/03/15. Other orders of digits are not clear."""
    year, *rest = (_at(tokens, index) for index in range(at, at + 5))
    mark, month, _, day = rest
    digits = [_whole(each, 2) for each in (month, day) if len(each.text) == 2]
    joined = mark.kind in ("-", "/") and rest[2].kind == mark.kind and not any(token.space for token in rest)
    if not joined or len(year.text) != 4 or not _year(tokens, at) or len(digits) < 2 or None in digits:
        return None
    number_of_month, number_of_day = (digit or 0 for digit in digits)
    if not 1 <= number_of_month <= 12 or not 1 <= number_of_day <= _DAYS[number_of_month - 1]:
        return None
    return f"d:{year.text}-{number_of_month:02}-{number_of_day:02}", at + 5


def _month(tokens: Sequence[Token], at: int) -> tuple[int, int]:
    month = MONTHS[tokens[at].text.lower()]
    return month, at + 1 + (_at(tokens, at + 1).kind == "." and len(tokens[at].text) <= 4)


def _day(tokens: Sequence[Token], at: int) -> tuple[int | None, int]:
    day = _whole(_at(tokens, at), 2)
    after = _at(tokens, at + 1)
    ordinal = after.text in ("st", "nd", "rd", "th") and not after.space
    return day, at + 1 + ordinal


def _year(tokens: Sequence[Token], at: int) -> tuple[int, int] | None:
    year = _whole(_at(tokens, at), 4)
    return (year, at + 1) if year and year >= 1000 else None


def read_time(tokens: Sequence[Token], at: int) -> Read | None:
    """Read a time: 3:45 pm, 15:45:10, 3 pm, 3.45 pm, 12 noon, half past 3, quarter to 4, 10 past 5."""
    if spoken := _spoken(tokens, at):
        return spoken
    if _at(tokens, at).text.lower() in ("noon", "midday"):
        return "t:12:00", at + 1
    if _at(tokens, at).text.lower() == "midnight":
        return "t:00:00", at + 1
    hour = _whole(_at(tokens, at), 3)
    second: int | None = None
    if hour is None:
        parts = re.fullmatch(r"(\d{1,2})\.([0-5]\d)", _at(tokens, at).text)
        half = _half(tokens, at + 1)
        if not parts or not half:
            return None
        return _clock(int(parts[1]), int(parts[2]), None, half[0]), half[1]
    minute, after = _two_digits(tokens, at + 1)
    if minute is None:
        half = _half(tokens, at + 1)
        return (_clock(hour, 0, None, half[0]), half[1]) if half else None
    second, later = _two_digits(tokens, after)
    if second is not None:
        after = later
    if _at(tokens, after).kind == ":" and not _at(tokens, after).space and _at(tokens, after + 1).kind == "num":
        return None  # 1:20:30:40 is a ratio
    half = _half(tokens, after)
    if not half and hour > 23:
        return None
    return _clock(hour, minute, second, half[0] if half else ""), half[1] if half else after


def _two_digits(tokens: Sequence[Token], at: int) -> tuple[int | None, int]:
    """Read a colon and two digits without spaces; return the number, or None, and the index after it."""
    colon, digits = _at(tokens, at), _at(tokens, at + 1)
    value = _whole(digits, 2)
    joined = colon.kind == ":" and not colon.space and not digits.space
    return (value, at + 2) if joined and value is not None and len(digits.text) == 2 and value < 60 else (None, at)


_PARTS_OF_A_DAY = {"morning": "a", "afternoon": "p", "evening": "p"}


def _half(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """Read what follows an hour: 'a', 'p', 'noon' or 'midnight', and the index after it; None for other words."""
    word = _at(tokens, at).text.lower()
    if word in ("am", "pm"):
        return word[0], at + 1
    if word in ("a", "p") and _at(tokens, at + 1).kind == "." and _at(tokens, at + 2).text.lower() == "m":
        return word, at + 3 + (_at(tokens, at + 3).kind == ".")
    if word in ("noon", "midnight"):
        return word, at + 1
    if word == "o'clock":
        return _half(tokens, at + 1) or ("", at + 1)
    if word == "in" and _at(tokens, at + 1).text.lower() == "the":
        part = _PARTS_OF_A_DAY.get(_at(tokens, at + 2).text.lower())
        return (part, at + 3) if part else None
    return None


def _clock(hour: int, minute: int, second: int | None, half: str) -> str:
    if half in ("noon", "midnight"):
        if hour != 12 or minute or second:
            raise NoValueError
        return "t:12:00" if half == "noon" else "t:00:00"
    if half:
        if not 1 <= hour <= 12:
            raise NoValueError
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"t:{hour:02}:{minute:02}" + (f":{second:02}" if second is not None else "")


def _spoken(tokens: Sequence[Token], at: int) -> Read | None:
    """Read a spoken time: half past 3, a quarter to 4, 10 past 5, 20 minutes past 3."""
    at += _at(tokens, at).text.lower() == "a"
    first = _at(tokens, at)
    minutes = {"half": 30, "quarter": 15}.get(first.text.lower()) or _whole(first, 2)
    at += 1 + (_at(tokens, at + 1).text.lower() in ("minutes", "minute"))
    link = _at(tokens, at).text.lower()
    if not minutes or minutes > 59 or link not in ("past", "to", "after"):
        return None
    if (link == "to" and first.kind == "num") or (link == "after" and first.kind == "num"):
        return None  # 10 to 5 is a range
    if link == "to" and minutes == 30:
        return None
    hour = _whole(_at(tokens, at + 1), 2) or ONES.get(_at(tokens, at + 1).text.lower())
    if hour is None or not 1 <= hour <= 12:
        return None
    total = hour * 60 + (minutes if link != "to" else -minutes)
    hour = total // 60 or 12
    half = _half(tokens, at + 2)
    return _clock(hour, total % 60, None, half[0] if half else ""), half[1] if half else at + 2


def read_ratio(tokens: Sequence[Token], at: int) -> Read | None:
    """Read a ratio in lowest terms: 3:4, 6 : 8, 1:2:3. "2: 14" is not a ratio but a label and its value."""
    if _at(tokens, at).kind != "num":
        return None
    values = [tokens[at].value]
    at += 1
    spaced = _at(tokens, at).space
    while _at(tokens, at).kind == ":" and (next_value := _at(tokens, at + 1).value) is not None:
        if _at(tokens, at).space != spaced or _at(tokens, at + 1).space != spaced:
            return None
        values.append(next_value)
        at += 2
    if len(values) < 2:
        return None
    if any(not value for value in values) or any(value > 10**40 for value in values):  # type: ignore[operator]
        raise NoValueError
    factor = lcm(*(value.denominator for value in values if value))
    terms = [int(value * factor) for value in values if value]
    divisor = gcd(*terms)
    return "r:" + ":".join(str(term // divisor) for term in terms), at
