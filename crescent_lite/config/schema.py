"""The settings as a JSON schema, by which an editor completes, explains and checks crescent.toml.

Made from the dataclasses in `settings`: types, ranges, choices, defaults and the help under each field. Editors with
Taplo (Even Better TOML and others) read the file that `#:schema` names. Example:
    schema()["properties"]["vote"]["properties"]["min_share"]
    # {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5, "description": "..."}
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from crescent_lite.config import PRESETS, Config
from crescent_lite.config.help import field_help
from crescent_lite.config.layers import Range

SCHEMA_NAME = "crescent.schema.json"
"""The file beside crescent.toml that holds the schema."""
_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def schema() -> dict[str, Any]:
    """The schema of a crescent.toml."""
    hints = get_type_hints(Config)
    sections = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "crescent.toml",
        "description": "The settings of a workspace of crescent-lite",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "preset": {"enum": list(PRESETS), "description": _one_line(field_help(Config)["preset"])},
            **{name: _table(hint) for name, hint in sections.items()},
        },
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _table(kind: Any) -> dict[str, Any]:
    """A section, or the settings of a benchmark."""
    helps, hints = field_help(kind), get_type_hints(kind, include_extras=True)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        found[field.name] = _value(hints[field.name])
        if field.default is not dataclasses.MISSING:
            plain = list(field.default) if isinstance(field.default, tuple) else field.default
            found[field.name]["default"] = plain
        if text := _one_line(helps.get(field.name, "")):
            found[field.name]["description"] = text
    about = _one_line(kind.__doc__ or "")
    return {"type": "object", "description": about, "additionalProperties": False, "properties": found}


def _value(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = next(each for each in arguments[1:] if isinstance(each, Range))
        return {**_value(arguments[0]), "minimum": bounds.low, "maximum": bounds.high}
    if origin is Literal:
        return {"enum": list(arguments)}
    if dataclasses.is_dataclass(hint):
        return _table(hint)
    if isinstance(hint, UnionType):
        return {"type": [_TYPES[each] for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0])}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(arguments[1])}
    return {} if hint is Any else {"type": _TYPES[hint]}


def _one_line(text: str) -> str:
    return " ".join(text.split())
