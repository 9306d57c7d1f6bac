"""The help texts of settings, which are the strings under the fields of their dataclasses.

Example: field_help(RunConfig)["rounds"] -> "Rounds to run, 1-1,000. ..."
"""

from __future__ import annotations

import ast
import inspect
import threading
from collections.abc import Mapping
from functools import cache

PARSING = threading.Lock()


def field_help(kind: type) -> Mapping[str, str]:
    """The string under each field of a dataclass, by the field's name. Safe to call from any thread."""
    # Two threads that parse at the same time can fail in Python before 3.11.8 (gh-106905).
    with PARSING:
        return _field_help(kind)


@cache
def _field_help(kind: type) -> Mapping[str, str]:
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[before.target.id] = inspect.cleandoc(after.value.value)
    return found
