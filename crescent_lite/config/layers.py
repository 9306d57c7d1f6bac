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

from crescent_lite.config.toml import Layer, override_parts, toml_key
from crescent_lite.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number."""

    low: float
    high: float


def resolve_layers(
    root: type, layers: Iterable[Layer], overrides: Iterable[str] = ()
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The merged sections and, for each `section.key`, the name of the layer it came from. Raises ConfigError.

    A later layer replaces the whole value of a key, also if it is a table, so that it can leave out an entry. Two
    things are laid over a table instead: an entry of the same name whose value is itself a table of settings, unless
    it has one of REPLACING; and an override with a longer name. Their origins are by `section.key.entry.key`.
    """
    sections = {name: hint for name, hint in _hints(root).items() if dataclasses.is_dataclass(hint)}
    values: dict[str, dict[str, Any]] = {name: {} for name in sections}
    origins = {f"{name}.{key}": "default" for name, section in sections.items() for key in _hints(section)}

    def lay(layer_name: str, layer: Mapping[str, Any], given_names: Iterable[str]) -> None:
        for name, given in layer.items():
            if name not in sections:
                elsewhere = _of_another_section(name, sections)
                raise ConfigError(f"{layer_name}: {name}: unknown section{elsewhere or _nearest(name, sections)}")
            try:
                for key in given if isinstance(given, Mapping) else ():
                    if key not in _hints(sections[name]) and (elsewhere := _of_another_section(key, sections)):
                        raise ConfigError(f"{name}.{key}: unknown key{elsewhere}")
                _convert(sections[name], given, name)
            except ConfigError as error:
                raise ConfigError(f"{layer_name}: {error}") from None
            values[name].update(given)
            origins.update({f"{name}.{key}": layer_name for key in given})
        origins.update(dict.fromkeys(given_names, layer_name))

    for layer_name, layer in layers:
        merged, given_names = _merged_entries(sections, values, origins, layer)
        lay(layer_name, merged, given_names)
    for text in overrides:
        (section, key, *inside), value = override_parts(text)
        if inside:
            before = values.get(section, {}).get(key, {})
            shown = ".".join(map(toml_key, inside))
            _keep_origins(origins, section, key, before)
            value = _with_entry(before, inside, value)
            lay("--set", {section: {key: value}}, [f"{section}.{key}.{shown}"])
        else:
            lay("--set", {section: {key: value}}, [])
    return values, origins


def _merged_entries(
    sections: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]], origins: dict[str, str], layer: Any
) -> tuple[dict[str, Any], list[str]]:
    """The layer with each entry completed by the entry of the same name below it, and the names that it gave itself.

    An entry that names its own `source` or `builtin` is another one, so it replaces the one below.
    """
    merged, given_names = dict(layer), []
    for name, given in layer.items():
        if name not in sections or not isinstance(given, Mapping):
            continue  # refused later
        for key in (key for key, hint in _hints(sections[name]).items() if _is_table_of_settings(hint)):
            below, entries = values[name].get(key, {}), given.get(key)
            if not isinstance(entries, Mapping):
                continue
            tables = {entry: table for entry, table in entries.items() if isinstance(table, Mapping)}
            laid_over = {e: table for e, table in tables.items() if e in below and not REPLACING & set(table)}
            _keep_origins(origins, name, key, {entry: below[entry] for entry in laid_over})
            given_names += [
                f"{name}.{key}.{toml_key(e)}.{toml_key(k)}" for e, table in laid_over.items() for k in table
            ]
            completed = {entry: {**below[entry], **table} for entry, table in laid_over.items()}
            merged[name] = {**merged[name], key: {**entries, **completed}}
    return merged, given_names


REPLACING = {"source", "builtin"}
"""Keys of an entry that make it another one, which takes nothing from the entry of the same name below it."""


def _is_table_of_settings(hint: Any) -> bool:
    """Whether a setting is a table whose entries are dataclasses, as benchmarks are."""
    arguments = get_args(hint)
    return len(arguments) == 2 and dataclasses.is_dataclass(arguments[1])


def _keep_origins(origins: dict[str, str], section: str, key: str, below: Any) -> None:
    """Note where the values of a table came from before something is laid over it."""
    before = origins.get(f"{section}.{key}", "default")
    for entry, inner in below.items() if isinstance(below, Mapping) else ():
        for name in inner if isinstance(inner, Mapping) else ():
            origins.setdefault(f"{section}.{key}.{toml_key(entry)}.{toml_key(name)}", before)


def _with_entry(table: Any, path: list[str], value: Any) -> Any:
    """A copy of the table with a value at the path; tables on the way that are missing are made."""
    if not path:
        return value
    inner = dict(table) if isinstance(table, Mapping) else {}
    return {**inner, path[0]: _with_entry(inner.get(path[0]), path[1:], value)}


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


def _of_another_section(key: str, sections: Mapping[str, Any]) -> str:
    """A hint at the setting of that very name in another section; '' if there is none."""
    found = [f"{name}.{key}" for name, section in sections.items() if key in _hints(section)]
    return f"; did you mean {' or '.join(found)}?" if found else ""


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
