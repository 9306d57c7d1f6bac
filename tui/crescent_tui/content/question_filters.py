"""Which questions are wanted: in words, and as plain values that are remembered. Pure; knows no widget.

Example: filter_words(QuestionFilter(3, verdict="kept", shares=(0.2, 0.6))) -> "kept · share 20% to 60%"
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, get_args

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_lite.records import Verdict
from crescent_lite.store.browsing import QuestionFilter
from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import spaced

SEARCH_CHARACTERS = 200
MAX_ROUND = 1_000_000
"""More rounds than any run has, and a number that SQLite takes."""


def is_filtered(wanted: QuestionFilter) -> bool:
    """Whether anything but the run is asked for."""
    return wanted != QuestionFilter(wanted.run_id)


def filter_words(wanted: QuestionFilter) -> str:
    """What is asked for, in few words; empty where everything is."""
    words: list[str] = [wanted.verdict or ""]
    words.append(f"reason {spaced(wanted.reason)}" if wanted.reason else "")
    words.append(f"round {wanted.round}" if wanted.round is not None else "")
    words.append(f"share {wanted.shares[0]:.0%} to {wanted.shares[1]:.0%}" if wanted.shares else "")
    words.append("disputed" if wanted.disputed else "")
    words.append("noted" if wanted.noted else "")
    words.append(f"“{printable_line(wanted.search, 60)}”" if wanted.search else "")
    return " · ".join(word for word in words if word)


def filter_line(wanted: QuestionFilter) -> Content:
    """The line above the list: what is asked for, and the keys for it."""
    words = filter_words(wanted)
    if not words:
        return Content.styled("all questions   / search   f filter   v verdict   d next disputed   y copy", MUTED)
    return Content.assemble(("only: ", MUTED), (words, "bold $text-accent"), ("   c clears", MUTED))


def remembered(wanted: QuestionFilter) -> dict[str, Any]:
    """Plain values, without the run."""
    return {name: value for name, value in asdict(wanted).items() if name != "run_id" and value}


def recalled(values: object) -> QuestionFilter:
    """The filter again, for no run yet; whatever is not understood is left out."""
    found = values if isinstance(values, dict) else {}
    verdict, reason, number, search = (found.get(name) for name in ("verdict", "reason", "round", "search"))
    return replace(
        QuestionFilter(0),
        verdict=verdict if verdict in get_args(Verdict) else None,
        reason=reason if isinstance(reason, str) and reason.isprintable() else None,
        round=number if isinstance(number, int) and 0 <= number <= MAX_ROUND else None,
        shares=_shares(found.get("shares")),
        disputed=found.get("disputed") is True,
        noted=found.get("noted") is True,
        search=search[:SEARCH_CHARACTERS] if isinstance(search, str) else "",
    )


def _shares(value: object) -> tuple[float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    if not all(isinstance(each, int | float) and 0 <= each <= 1 for each in value):
        return None
    return float(value[0]), float(value[1])
