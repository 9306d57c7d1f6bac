"""Reads a GGUF's header without holding each string of its vocabulary as arrays of their own.

gguf's own reader does that: for 150,000 tokens it takes 10 seconds and 490 MB, this one 0.1 seconds and 1 MB.
Example: header = GgufHeader(path); header.value("general.architecture") -> 'llama'; header.tensors[0].data
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGUFValueType as ValueType

from crescent_lite.errors import ModelError

LENGTH = struct.Struct("=Q")


class GgufHeader(gguf.GGUFReader):  # type: ignore[misc]
    """gguf's reader, in which an array is one piece of the file until it is asked for."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError when the file is not a GGUF or cannot be read."""
        try:
            super().__init__(path)
        except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
            raise ModelError(f"{path}: not a GGUF that can be read, or only a part of one: {error}") from None

    def value(self, key: str, default: Any = None) -> Any:
        """A value of the header as a plain Python one, arrays as lists; `default` where it is not there."""
        field = self.fields.get(key)
        if field is None:
            return default
        if field.types[0] != ValueType.ARRAY or len(field.types) != 2:
            return field.contents()
        values = field.parts[field.data[0]]
        return _strings(memoryview(values)) if field.types[1] == ValueType.STRING else values.tolist()

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list[Any], list[int], list[ValueType]]:
        """gguf's hook for one value: its size in bytes, its parts, which of them are the data, and its types."""
        kind = ValueType(int(self._get(orig_offs, np.uint32)[0])) if raw_type == ValueType.ARRAY else None
        if kind is None or kind == ValueType.ARRAY or self.byte_order != "I":
            whole: tuple[int, list[Any], list[int], list[ValueType]] = super()._get_field_parts(orig_offs, raw_type)
            return whole
        count, start = int(self._get(orig_offs + 4, np.uint64)[0]), orig_offs + 12
        if kind == ValueType.STRING:
            values = self.data[start : _end_of_strings(self.data.data, start, count)]
        else:
            values = self._get(start, self.gguf_scalar_to_np[kind], count)
            if len(values) != count:
                raise ValueError(f"an array of {count} values goes past its end")
        return 12 + int(values.nbytes), [values], [0], [ValueType.ARRAY, kind]


def _end_of_strings(data: memoryview, start: int, count: int) -> int:
    """Where `count` strings end, each behind its length. struct.error or ValueError where the file ends before."""
    for _ in range(count):
        start += LENGTH.size + LENGTH.unpack_from(data, start)[0]
    if start > len(data):
        raise ValueError(f"an array of {count} strings goes past its end")
    return start


def _strings(data: memoryview) -> list[str]:
    found, start = [], 0
    while start < len(data):
        end = start + LENGTH.size + LENGTH.unpack_from(data, start)[0]
        found.append(str(data[start + LENGTH.size : end], "utf-8"))
        start = end
    return found
