"""Texts, JSON, TOML and safetensors with flaws, made from good ones, for the tests of files that others made.

Example: mutated_text('{"question": "What is 2 + 3?", "answer": "5"}', random.Random(7))
"""

from __future__ import annotations

import json
import random
import struct
from typing import Any

SCRAPS = (
    "", "\0", "\ufeff", "\u2028", "\u202e", "\x1b[2J", "\x1b]52;c;aGk=\x07", "\x9b2J", "\\u0000", "\\ud800",
    "{", "}", "[", "]", '"', "'", ",", ":", "#", "=", "\n", "\r", "\t", "{" * 5000, "[" * 100_000, '{"a":' * 20_000,
    "9" * 5000, "1e999", "-1e999", "NaN", "Infinity", "-0", "null", "true", "0x1F", "1_000", "2026-01-01", "<script>",
    "{question}", "{{7*7}}", "%s%n", "../../etc/passwd", "/dev/zero", "é" * 300, "\U0001f600", "x" * 250_000,
    "__import__('os').system('touch /tmp/never')", "!!python/object/apply:os.system [id]", "cos\nsystem\n(S'id'\ntR.",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400), 0.5, 1e308, float("nan"), float("inf"), "",
    " ", "x", "\0", "\ud800", "\x1b[2J", "9" * 5000, "x" * 100_000, [], [[]], {}, {"a": {}}, [None] * 3, ["a"] * 2000,
    "2 + 3", "#### 5", "{question}", "\\frac{1}{0}", "10^{10^{10}}", "🙂" * 100, "../x", "a\nb\r\nc\u2028d",
)  # fmt: skip


def mutated_text(text: str, chance: random.Random) -> bytes:
    """The text with scraps put in, pieces cut out or repeated, or bytes changed."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        match chance.randrange(4):
            case 0:
                text = text[:at] + chance.choice(SCRAPS) + text[at:]
            case 1:
                text = text[:at] + text[min(end, at + 20) :]
            case 2:
                text = text[:at] + text[at:end] * chance.choice((2, 2, 50)) + text[end:]
            case _:
                text = text[:at] + chance.choice(SCRAPS) + text[end:]
    raw = bytearray(text[:2_000_000].encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice((0, 0, 1, 10))):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)


def mutated_value(value: Any, chance: random.Random) -> Any:
    """A JSON value in which a few values or keys are others, are missing or are new."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        value = _changed_once(value, chance)
    return value


def _changed_once(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        match chance.randrange(6):
            case 0:
                return {each: value[each] for each in value if each != key}
            case 1:
                return {**value, chance.choice([repr(each) for each in VALUES if isinstance(each, str)]): value[key]}
            case _:
                return {**value, key: _changed_once(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        match chance.randrange(4):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value * chance.choice((2, 100))
            case _:
                return [*value[:at], _changed_once(value[at], chance), *value[at + 1 :]]
    return chance.choice(VALUES)


def mutated_json(value: Any, chance: random.Random) -> bytes:
    """A JSON text: of a changed value, or a changed text of the value."""
    if chance.random() < 0.7:
        text = json.dumps(mutated_value(value, chance), ensure_ascii=chance.random() < 0.8)
        return text.encode("utf-8", "surrogatepass")
    return mutated_text(json.dumps(value), chance)


def mutated_safetensors(raw: bytes, chance: random.Random) -> bytes:
    """A safetensors file with a flaw in its length, its header or its data."""
    length = struct.unpack_from("<Q", raw)[0]
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    match chance.randrange(5):
        case 0:
            return struct.pack("<Q", chance.choice((0, 1, length - 1, 10**8, 2**63, 2**64 - 1))) + raw[8:]
        case 1:
            return raw[: chance.choice((0, 4, 8, 8 + length, len(raw) - 1, chance.randrange(len(raw))))]
        case 2:
            changed = bytearray(raw)
            for _ in range(chance.choice((1, 4))):
                changed[chance.randrange(len(raw))] = chance.randrange(256)
            return bytes(changed)
        case 3:
            name = chance.choice([each for each in header if each != "__metadata__"])
            kinds = ("F16", "BF16", "F64", "I64", "BOOL", "U8", "F8_E4M3", "F4", "X", "")
            flaws = (
                {"dtype": chance.choice(kinds)},
                {"shape": chance.choice(([], [0], [-1], [2**63], [2**32, 2**32], [1] * 100, ["a"], None))},
                {"data_offsets": chance.choice(([0, 0], [0, 2**63], [5, 1], [0], None, [len(data), len(data)]))},
            )
            header[name] = {**header[name], **chance.choice(flaws)}
        case _:
            name = chance.choice([each for each in header if each != "__metadata__"])
            other = chance.choice(("", "x" * 100_000, "\x1b[2J", "base_model.model.x.lora_A.weight", "a\nb", "\0"))
            header[other] = header.pop(name)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data
