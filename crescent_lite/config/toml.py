"""TOML in both directions: a settings file as a dict, a plain value as TOML, the text of one `--set`.

Knows nothing of which settings there are. Example: toml_text({"a": (1, True)}) -> '{ a = [1, true] }'
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crescent_lite.errors import ConfigError
from crescent_lite.printable import printable_line

Layer = tuple[str, Mapping[str, Any]]
"""The name of a source of settings, for messages and origins; and its tables by section."""


def read_toml(path: Path) -> dict[str, Any]:
    """The contents of a TOML file. Raises ConfigError with the file and, for a syntax error, the line."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `crescent init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; it must be a file that you may read") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand brackets
        reason = _twice(text, str(error)) or f"{error}; texts stand in quotes, lists in brackets"
        raise ConfigError(f"{path}: not valid TOML: {reason}") from None


_TWICE = re.compile(r"Cannot declare \(('.*'),?\) twice \(at line (\d+)|Cannot overwrite a value \(at line (\d+)")


def _twice(text: str, message: str) -> str:
    """What stands twice in a file, with both lines if the first one is found; '' for any other error of tomllib."""
    found = _TWICE.match(message)
    if not found:
        return ""
    if found[3]:
        return f"line {found[3]} sets a key that is set before; keep one of the two"
    names = re.findall(r"'([^']*)'", found[1])
    header = re.compile(r"\s*\[\s*" + r"\s*\.\s*".join(f"['\"]?{re.escape(name)}['\"]?" for name in names) + r"\s*\]")
    first = next((number for number, line in enumerate(text.split("\n"), 1) if header.match(line)), int(found[2]))
    before = f"is in line {first}" if first < int(found[2]) else "is there before"
    return f"the section [{'.'.join(names)}] {before} and again in line {found[2]}; put the keys of both into one"


def override_layer(text: str) -> Layer:
    """The layer of one `--set section.key=value`. A value that is not valid TOML is taken as a string.

    A longer name leads into a table: 'evaluate.benchmarks.sums.items=50'.
    """
    path, value = override_parts(text)
    for name in reversed(path):
        value = {name: value}
    return "--set", value


def override_parts(text: str) -> tuple[tuple[str, ...], Any]:
    """The names in one `--set section.key=value`, at least two, and the value. Raises ConfigError."""
    name, equals, raw = text.partition("=")
    path = _dotted(name.strip())
    if not equals or len(path) < 2:
        raise ConfigError(
            f"--set {printable_line(text, 200)}: is no setting with a value; write it as section.key=value"
        )
    try:
        return path, tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):
        return path, raw.strip()


def _dotted(name: str) -> tuple[str, ...]:
    """The parts of a name, in which one with a dot stands in quotes; empty if it is none."""
    try:
        found: Any = tomllib.loads(f"{name} = 0")
    except (ValueError, RecursionError):
        return tuple(part.strip() for part in name.split(".")) if all(map(str.strip, name.split("."))) else ()
    path: list[str] = []
    while isinstance(found, dict):
        if len(found) != 1:  # a comment, or several lines
            return ()
        ((part, found),) = found.items()
        path.append(part)
    return tuple(path)


def toml_text(value: Any) -> str:
    """A plain value as TOML, on one line. Example: toml_text("5-shot") -> '"5-shot"'"""
    if isinstance(value, Mapping):
        entries = ", ".join(f"{toml_key(key)} = {toml_text(each)}" for key, each in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def toml_key(key: str) -> str:
    """A key as TOML, in quotes if it needs them."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_text(key)
