"""The queries that come with the toolkit: SQL files that start with a title, a description and their parameters.

    -- What is rejected and why: each rule with how many texts it rejected.
    -- :run  id of the run; default: the latest
    SELECT ...

A parameter without a value is NULL in the query. A parameter is required unless its comment names a default. Example:
    named("cost-per-label").parameters -> {"run": "id of the run; default: the latest"}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from crescent_lite.errors import NotFoundError, UsageError

HAS_DEFAULT = "; default: "
"""Stands in the comment of a parameter that is not required."""
NUMBERS = ("run", "round", "top")
"""Parameters whose values are whole numbers; all others are texts."""


@dataclass(frozen=True)
class SavedQuery:
    """A query that comes with the toolkit."""

    name: str
    title: str
    """What the query asks, in a few words."""
    about: str
    """What its rows are."""
    parameters: Mapping[str, str]
    """What each parameter means, by name."""
    sql: str

    def values(self, given: Sequence[str]) -> dict[str, str | None]:
        """The value of each parameter; `given` are texts 'NAME=VALUE'. Raises UsageError."""
        values: dict[str, str | None] = dict.fromkeys(self.parameters)
        for pair in given:
            name, sign, value = pair.partition("=")
            if name not in values or not sign:
                takes = ", ".join(f"{each}=..." for each in values) or "no values"
                raise UsageError(f"{self.name}: unknown parameter in {pair!r}; this query takes {takes}")
            if name in NUMBERS and value and not (value.isascii() and value.isdigit()):
                raise UsageError(f"{self.name}: {pair!r} must be a whole number: {self.parameters[name]}")
            values[name] = value
        missing = [name for name in values if values[name] is None and HAS_DEFAULT not in self.parameters[name]]
        if missing:
            raise UsageError(f"{self.name}: give {missing[0]}=..., {self.parameters[missing[0]]}")
        return values


def saved_queries() -> list[SavedQuery]:
    """All saved queries, by name."""
    folder = files("crescent_lite.store") / "queries"
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    return [_parsed(each.name.removesuffix(".sql"), each.read_text("utf-8")) for each in sorted(found, key=str)]


def is_a_name(text: str) -> bool:
    """Whether a text can be the name of a saved query: a single word, which is never a statement."""
    return len(text.split()) == 1


def named(name: str) -> SavedQuery:
    """The query of that name. Raises NotFoundError, which suggests the closest name."""
    known = {query.name: query for query in saved_queries()}
    if name.strip() in known:
        return known[name.strip()]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`crescent query --list` shows all"
    raise NotFoundError(f"unknown saved query {name!r}; {hint}")


def _parsed(name: str, text: str) -> SavedQuery:
    remarks = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    title, _, about = remarks[0].partition(": ")
    parameters = {}
    for remark in remarks[1:]:
        parameter, _, meaning = remark.removeprefix(":").partition(" ")
        parameters[parameter] = meaning.strip()
    return SavedQuery(name, title, about, parameters, text)
