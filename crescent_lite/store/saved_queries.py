"""The queries that come with the toolkit: files of SQL that begin with what they are for and what they take.

    -- What is rejected and why: each rule with how many texts it rejected.
    -- :run  the run; the latest where none is given
    SELECT ...

A value that is not given is NULL; one has to be given whose remark does not say what holds otherwise. Example:
    named("cost-per-label").parameters -> {"run": "the run; ..."}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from crescent_lite.errors import NotFoundError, UsageError

NOT_NEEDED = "where none is given"
NUMBERS = ("run", "round", "top")
"""Parameters whose values are whole numbers; any other is a text."""


@dataclass(frozen=True)
class SavedQuery:
    """One of them."""

    name: str
    title: str
    """What it asks, in some words."""
    about: str
    """What its rows are."""
    parameters: Mapping[str, str]
    """Its parameters, and what each means."""
    sql: str

    def values(self, given: Sequence[str]) -> dict[str, str | None]:
        """The values of its parameters, as 'NAME=VALUE' each. Raises UsageError."""
        values: dict[str, str | None] = dict.fromkeys(self.parameters)
        for pair in given:
            name, sign, value = pair.partition("=")
            if name not in values or not sign:
                takes = ", ".join(f"{each}=..." for each in values) or "no values"
                raise UsageError(f"{self.name}: {pair!r} is no value of this query; it takes {takes}")
            if name in NUMBERS and value and not (value.isascii() and value.isdigit()):
                raise UsageError(f"{self.name}: {pair!r}: a whole number is needed, {self.parameters[name]}")
            values[name] = value
        missing = [name for name in values if values[name] is None and NOT_NEEDED not in self.parameters[name]]
        if missing:
            raise UsageError(f"{self.name}: give {missing[0]}=..., {self.parameters[missing[0]]}")
        return values


def saved_queries() -> list[SavedQuery]:
    """All, by name."""
    folder = files("crescent_lite.store") / "queries"
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    return [_parsed(each.name.removesuffix(".sql"), each.read_text("utf-8")) for each in sorted(found, key=str)]


def is_a_name(text: str) -> bool:
    """Whether this can be the name of a query; SQL has more than one word."""
    return len(text.split()) == 1


def named(name: str) -> SavedQuery:
    """The query of that name. Raises NotFoundError, which names the nearest one."""
    known = {query.name: query for query in saved_queries()}
    if name.strip() in known:
        return known[name.strip()]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`crescent query --list` shows them"
    raise NotFoundError(f"no saved query is called {name!r}; {hint}")


def _parsed(name: str, text: str) -> SavedQuery:
    remarks = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    title, _, about = remarks[0].partition(": ")
    parameters = {}
    for remark in remarks[1:]:
        parameter, _, meaning = remark.removeprefix(":").partition(" ")
        parameters[parameter] = meaning.strip()
    return SavedQuery(name, title, about, parameters, text)
