"""A filter of questions in words, and as plain values for the saved state. Pure; knows no widget.

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

FIRST_VERDICT: Verdict = "kept"
"""What the list shows at first: of many models most texts are rejected, and would fill the first screen."""
SEARCH_CHARACTERS = 200
MAX_ROUND = 1_000_000
"""A larger round number in the saved state is ignored."""


def is_filtered(wanted: QuestionFilter) -> bool:
    """Whether the filter restricts anything but the run and the verdict."""
    return wanted != QuestionFilter(wanted.run_id, verdict=wanted.verdict)


def filter_words(wanted: QuestionFilter) -> str:
    """The filter in a few words; empty if it lets everything pass."""
    words: list[str] = [wanted.verdict or ""]
    words.append(f"reason {spaced(wanted.reason)}" if wanted.reason else "")
    words.append(f"round {wanted.round}" if wanted.round is not None else "")
    words.append(f"share {wanted.shares[0]:.0%} to {wanted.shares[1]:.0%}" if wanted.shares else "")
    words.append("disputed" if wanted.disputed else "")
    words.append("noted" if wanted.noted else "")
    words.append(f"“{printable_line(wanted.search, 60)}”" if wanted.search else "")
    return " · ".join(word for word in words if word)


def filter_line(wanted: QuestionFilter) -> Content:
    """The line above the list: the filter, and the keys for it."""
    words = filter_words(wanted)
    if not is_filtered(wanted):
        whose = f"{wanted.verdict} questions" if wanted.verdict else "all questions"
        return Content.assemble(
            (whose, "bold"), ("   v kept, all, rejected   / search   f filter   d disputed", MUTED)
        )
    return Content.assemble(("only: ", MUTED), (words, "bold $text-accent"), ("   c clears", MUTED))


def to_saved(wanted: QuestionFilter) -> dict[str, Any]:
    """The filter as plain values, without the run."""
    return {name: value for name, value in asdict(wanted).items() if name != "run_id" and value}


def from_saved(values: object) -> QuestionFilter:
    """The filter from plain values, for run 0. Invalid values are ignored; without any, kept questions are listed."""
    found = values if isinstance(values, dict) else {"verdict": FIRST_VERDICT}
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
