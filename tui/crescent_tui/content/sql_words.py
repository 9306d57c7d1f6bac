"""SQL as it is typed: which words are what, how a word may go on, and which name was probably meant. Pure.

Example:
    completions("SELECT sh", 9, catalogue)                           # ["share", ...]
    did_you_mean("no such column: shar", "SELECT shar", catalogue)   # "did you mean share?"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from pygments.lexers.sql import SqlLexer
from pygments.token import Token

from crescent_lite.store.querying import Relation, quoted

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "JOIN", "LEFT JOIN", "USING", "ON", "AS",
    "AND", "OR", "NOT", "IN", "IS NULL", "IS NOT NULL", "LIKE", "BETWEEN", "DISTINCT", "CASE", "WHEN", "THEN", "ELSE",
    "END", "DESC", "ASC", "UNION ALL", "WITH", "count(*)", "avg(", "sum(", "min(", "max(", "round(", "coalesce(",
    "substr(", "json_extract(",
)  # fmt: skip
COLOURED = {word for each in KEYWORDS for word in re.findall("[A-Z]+", each)} | {
    "INNER", "OUTER", "CROSS", "OVER", "PARTITION", "RECURSIVE", "EXISTS", "OFFSET", "NULL", "ALL", "UNION",
    "EXCEPT", "INTERSECT", "FILTER", "COLLATE", "CAST", "VALUES", "PRAGMA", "EXPLAIN", "BY", "GLOB", "MATCH",
}  # fmt: skip
"""Keywords of SQLite's queries. The lexer knows those of all dialects, such as SHARE, which is a column here."""
MOST_COMPLETIONS = 12
LONGEST = 20_000
"""Characters of a query that are coloured; a longer one is probably pasted."""
NAMES = {
    Token.Keyword: "keyword", Token.Name.Builtin: "keyword", Token.Literal.String: "string",
    Token.Literal.Number: "number", Token.Comment: "comment", Token.Name.Function: "function",
}  # fmt: skip
"""What a word is called in the editor's theme, by the kind of its token or of one above it."""
PARAMETER = re.compile(r"^--\s*:(\w+)\s*(?:=\s*(.*?)\s*)?(?:$|\s)", re.MULTILINE)
"""The line of a saved query that explains a parameter, with a value where the user has written one."""

Coloured = list[tuple[int, int, str]]
"""(first byte, byte after the last, name) of each coloured word of a line."""


def coloured(text: str) -> list[Coloured]:
    """For each line of a query, its coloured words."""
    lines: list[Coloured] = [[]]
    column = 0
    for kind, value in SqlLexer(stripnl=False, ensurenl=False).get_tokens(text[:LONGEST]):
        name = next((NAMES[each] for each in reversed(kind.split()) if each in NAMES), None)
        if name == "keyword" and value.upper() not in COLOURED:
            name = None
        for index, part in enumerate(value.split("\n")):
            if index:
                lines.append([])
                column = 0
            size = len(part.encode())
            if name and part:
                lines[-1].append((column, column + size, name))
            column += size
    return lines


def word_before(line: str, column: int) -> str:
    """The unfinished word that ends at a column of a line; '' if there is none."""
    found = re.search(r"[A-Za-z_][A-Za-z0-9_]*$", line[:column])
    return found[0] if found else ""


def completions(text: str, word: str, catalogue: Sequence[Relation]) -> list[str]:
    """How an unfinished word of a query may go on: columns of the tables that it names, tables, then keywords."""
    if not word:
        return []
    start = word.casefold()
    named = [each for each in catalogue if re.search(rf"\b{re.escape(each.name)}\b", text, re.IGNORECASE)]
    columns = [name for each in (named or catalogue) for name, _ in each.columns]
    names = [quoted(name) for name in (*columns, *(each.name for each in catalogue))]
    names += [each if word.isupper() else each.lower() for each in KEYWORDS]
    fitting = [name for name in dict.fromkeys(names) if name.casefold().startswith(start) and name != word]
    return fitting[:MOST_COMPLETIONS]


def did_you_mean(reason: str, text: str, catalogue: Sequence[Relation]) -> str:
    """'did you mean share?' for an error about an unknown name; '' if no name is near."""
    found = re.match(r"no such (column|table|function): (\S+)", reason)
    if not found:
        return ""
    wrong = found[2].rpartition(".")[2]
    named = [each for each in catalogue if re.search(rf"\b{re.escape(each.name)}\b", text, re.IGNORECASE)]
    columns: Iterable[str] = (name for each in (named or catalogue) for name, _ in each.columns)
    names = [each.name for each in catalogue] if found[1] == "table" else list(dict.fromkeys(columns))
    near = difflib.get_close_matches(wrong, names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def parameters(text: str) -> Mapping[str, str | None]:
    """The parameters that the comments of a query explain, with the values written there: `-- :run = 3`."""
    return {name: value or None for name, value in PARAMETER.findall(text)}
