"""Builds frozen dataclasses from TOML values: merges layers, checks types and ranges, names the nearest known key.

Knows the shape of settings (dataclasses of plain fields, `Annotated[..., Range]`), not their meaning.
Example: build(Config, {"vote": {"votes_per_question": "8"}}) raises
    ConfigError: vote.votes_per_question: must be a whole number, not '8'
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from crescent_lite.config.toml import Layer
from crescent_lite.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number."""

    low: float
    high: float


def resolve_layers(root: type, layers: Iterable[Layer]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The merged sections and, for each `section.key`, the name of the layer it came from. Raises ConfigError.

    A later layer replaces the whole value of a key, also if it is a table, so that it can leave out an entry.
    """
    sections = {name: hint for name, hint in _hints(root).items() if dataclasses.is_dataclass(hint)}
    values: dict[str, dict[str, Any]] = {name: {} for name in sections}
    origins = {f"{name}.{key}": "default" for name, section in sections.items() for key in _hints(section)}
    for layer_name, layer in layers:
        for name, given in layer.items():
            if name not in sections:
                raise ConfigError(f"{layer_name}: {name}: unknown section{_nearest(name, sections)}")
            try:
                _convert(sections[name], given, name)
            except ConfigError as error:
                raise ConfigError(f"{layer_name}: {error}") from None
            values[name].update(given)
            origins.update({f"{name}.{key}": layer_name for key in given})
    return values, origins


def build(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """An instance of the dataclass `kind`. Raises ConfigError naming the key, and the nearest real one."""
    hints = _hints(kind)
    arguments = {}
    for key, value in values.items():
        name = f"{where}.{key}" if where else key
        if key not in hints:
            raise ConfigError(f"{name}: unknown key{_nearest(key, hints)}")
        arguments[key] = _convert(hints[key], value, name)
    missing = [
        f.name
        for f in dataclasses.fields(kind)  # type: ignore[arg-type]
        if f.name not in arguments and f.default is f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: the key {missing[0]!r} is missing")
    return kind(**arguments)


_hints_of = functools.cache(functools.partial(get_type_hints, include_extras=True))
"""Cached, because resolving the annotations takes most of the time that loading the settings takes."""


def _hints(kind: Any) -> dict[str, Any]:
    return _hints_of(kind)


def _nearest(key: str, known: Iterable[str]) -> str:
    from rapidfuzz import process  # takes longer to load than the settings, and is needed for this only

    match = process.extractOne(key, list(known), score_cutoff=50)
    return f"; did you mean {match[0]!r}?" if match else f"; known: {', '.join(known)}"


def _convert(hint: Any, value: Any, name: str) -> Any:
    bounds = None
    if get_origin(hint) is Annotated:
        hint, bounds = get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(hint, _table(value, name), name)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{name}: must be one of {', '.join(map(repr, arguments))}, not {_shown(value)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{name}: must be a list, not {_shown(value)}")
        return tuple(_convert(arguments[0], each, f"{name}[{i}]") for i, each in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        table = _table(value, name)
        return {key: _convert(arguments[1], each, f"{name}.{key}") for key, each in table.items()}
    if isinstance(hint, UnionType):
        if type(value) not in arguments:
            *others, last = (_WORDS[each] for each in arguments)
            raise ConfigError(f"{name}: must be {', '.join(others)} or {last}, not {_shown(value)}")
        return _storable(value, name)
    return _number_or_text(hint, bounds, value, name)


_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _number_or_text(hint: Any, bounds: Range | None, value: Any, name: str) -> Any:
    if hint in _WORDS and type(value) is not hint and not (hint is float and type(value) is int):
        raise ConfigError(f"{name}: must be {_WORDS[hint]}, not {_shown(value)}")
    if bounds and not bounds.low <= value <= bounds.high:
        raise ConfigError(f"{name}: {_shown(value)} is out of range, {bounds.low:,} to {bounds.high:,}")
    return float(value) if hint is float else _storable(value, name)


def _storable(value: Any, name: str) -> Any:
    """The value itself, if it can be stored as JSON. TOML's dates cannot. Raises ConfigError."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{name}: {_shown(value)} contains a NUL character; remove it")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: {_shown(value)} cannot be stored; use text, numbers, lists and tables") from None
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: must be a table, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    except ValueError:  # Python refuses to write out integers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
