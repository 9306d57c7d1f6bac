"""Two thousand hostile texts are read without an exception, without running anything, and quickly."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from crescent_lite.answers import canonical_answer
from crescent_lite.answers.dates import MONTHS
from crescent_lite.answers.number_words import NUMBER_WORDS
from crescent_lite.config import DiversifyConfig
from crescent_lite.printable import printable
from crescent_lite.questions.diversify import Known, judge
from crescent_lite.questions.duplicates import DuplicateIndex
from crescent_lite.records import Question

PIECES = [
    *map(chr, (0, 1, 7, 8, 11, 27, 127, 0x9B, 0x202E, 0x2066, 0x200B, 0xFEFF, 0xFFFD, 0x1F600, 0xDC80, 0xD800)),
    "\x1b[2J", "\x1b]0;title\x07", "\x1b[31m", "[red]", "[/]", "<script>alert(1)</script>", "{question}",
    "%s%n",
    "9**9**9", "2**9999999", "10^{99999}", "1e999999999", "9" * 400, "1,000," * 40, "1/" * 60, "0x" + "f" * 200,
    "\\frac{" * 30, "\\frac{1}{" * 30, "\\sqrt{" * 40, "\\sqrt{2}+" * 30, "\\boxed{" * 50, "}" * 90, "{" * 90,
    "(" * 90,
    "\\boxed{9**9**9}", "\\boxed{__import__('os').system('true')}", "__import__('os').system('true')",
    "eval('1')",
    "'; DROP TABLE questions; --", "\\input{/etc/passwd}", "\\def\\x{\\x\\x}\\x", "$(reboot)", "`reboot`",
    "../../etc/passwd",
    "the answer is ", "#### ", "Answer: ", "= ", "**", "* ", "> ", "1. ", "Step 1: ", "```", "<think>",
    "</think>", "? ",
    "What is 2 + 3?", "Tom has 3 eggs.", "How many?", "twenty-", "hundred ", "½", "π", "√", "∞", "±", "१२३",
    "٣", "۴",
    "\u0301" * 50, "ﷺ", "İ", "ß", " ", "\t", "\n", "\r", "\u2028", "\u00a0",
]  # fmt: skip
WATCHED = (
    "exec",
    "compile",
    "import",
    "open",
    "os.",
    "subprocess",
    "socket",
    "ctypes",
    "marshal",
    "pickle",
    "sqlite3",
)


def hostile_texts() -> Iterator[str]:
    """Each piece alone, each repeated to a megabyte, and then random mixtures without end."""
    chance = random.Random(11)
    yield from PIECES
    for piece in PIECES:
        yield piece * (1_000_000 // len(piece))
    for piece in PIECES:
        yield f"The answer is {piece}"
        yield f"\\boxed{{{piece}}}"
    while True:
        yield "".join(chance.choices(PIECES, k=chance.randint(2, 60)))


@contextmanager
def nothing_runs() -> Iterator[list[str]]:
    """Collects the audit events that would show code, files, processes or sockets being used."""
    seen: list[str] = []
    watching = True

    def hook(event: str, _: object) -> None:
        if watching and event.startswith(WATCHED):
            seen.append(event)

    sys.addaudithook(hook)  # an audit hook cannot be removed
    try:
        yield seen
    finally:
        watching = False


INSIDE = (
    "\n", "\n ", " ", "\t", "*", "**", "# ", "1. ", "1", "1,", "a = 1 . ", "= 1", " + 1", "?", "? ", "the ",
    "we ", "problem ", "two ", "and a half ", "a ", "$", "(", "{", "-", "−3 ", "\u0301\u0323", "½", "sure! ",
    "here is one: ", ": ", "answer is ", "solve ", "\"", "| ",
)  # fmt: skip
"""Scraps that a model may repeat in the middle of a text, where cleaning does not remove them."""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    source = hostile_texts()
    inside = [f"What is 3{scrap * (1100 // len(scrap))}4 + 5?" for scrap in INSIDE]
    return [*inside, *(next(source) for _ in range(2_000 - len(inside)))]


@pytest.mark.slow
def test_no_text_raises_runs_anything_or_takes_long(texts: list[str]) -> None:
    settings = DiversifyConfig()
    known = Known([(1, "Tom has 3 eggs and buys 4 more. How many eggs has he now?")], settings)
    index = DuplicateIndex(85)
    readers = {
        "canonical_answer": canonical_answer,
        "judge": lambda text: judge(Question(1, text, text, "stop"), known, settings),
        "nearest": index.nearest,
        "printable": printable,
    }
    for read in readers.values():
        read("What is 2 + 3? The answer is \\boxed{5}")  # so that lazy imports are done before the hook is watching
    slow = []
    with nothing_runs() as seen:
        for number, text in enumerate(texts):
            for name, read in readers.items():
                if _seconds(read, text) > 0.05 and min(_seconds(read, text) for _ in range(3)) > 0.05:
                    slow.append((name, text[:40]))
            index.add(number, text)

    assert seen == []
    assert slow == []


def _seconds(read: object, text: str) -> float:
    began = time.process_time()
    read(text)  # type: ignore[operator]
    return time.process_time() - began


REPEATED = (
    *sorted(NUMBER_WORDS), *MONTHS, "a", "an", "and", "point", "negative", "third", "quarters", "first", "cm", "m²",
    "dollars", "percent", "is", "sells", "so", "the answer is", "not", "because", "yes", "wait,", "option B",
    *"+-*/^!()[]{}|<>=≈≤±,;:.%$€°'\"?∪√π∞×→万第之点", "\\text{", "\\begin{pmatrix}", "\\le", "\\ln", "\\boxed{1}",
    "3:45", "2 1/2",
    "3 = 4", "x = 3,", "f(3) = 4,", "one hundred and",
)  # fmt: skip
MOST_CALLS = 60_000
"""Calls of Python functions while one text is read, which take about 10 ms."""


@pytest.mark.slow
@pytest.mark.parametrize("between", [" ", " 3 ", ""])
def test_the_work_on_a_repeated_scrap_is_bounded(between: str) -> None:
    for scrap in REPEATED:
        text = (scrap + between) * (10_000 // len(scrap + between))

        assert _calls(canonical_answer, text) < MOST_CALLS, scrap


def _calls(read: Callable[[str], object], text: str) -> int:
    count = 0

    def hook(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(hook)
    try:
        read(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
def test_an_answer_key_is_short_printable_ascii(texts: list[str]) -> None:
    for text in texts:
        key = canonical_answer(text)
        assert key is None or (key.isascii() and key.isprintable() and len(key) < 400)
