"""A GGUF taken apart and put together again without a library, because no library writes what is wrong.

Example: Gguf.parse(path.read_bytes()).field("block_count").value    # the four bytes of the number
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Format of each scalar type of a value, by its number in the file."""
U32, FLOAT, STRING, ARRAY, U64 = 4, 6, 8, 9, 10
ALIGNMENT = 32
HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**33, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@dataclass
class Field:
    """One value of the metadata."""

    key: bytes
    type: int
    value: bytes
    """The bytes after the type."""


@dataclass
class Tensor:
    """One entry of the table of tensors."""

    name: bytes
    dims: list[int]
    type: int
    offset: int


@dataclass
class Gguf:
    """A GGUF taken apart. `bytes` puts it together, with counts that may not fit what follows."""

    fields: list[Field]
    tensors: list[Tensor]
    data: bytes
    version: int = 3
    field_count: int | None = None
    """The number of values that the file claims; None for the true one."""
    tensor_count: int | None = None

    @staticmethod
    def parse(raw: bytes) -> Gguf:
        _, version, tensors, fields = struct.unpack_from("<4sIQQ", raw)
        at, found = 24, Gguf([], [], b"", version)
        for _ in range(fields):
            key, at = _string_at(raw, at)
            kind, start = struct.unpack_from("<I", raw, at)[0], at + 4
            at = _end_of_value(raw, start, kind)
            found.fields.append(Field(key, kind, raw[start:at]))
        for _ in range(tensors):
            name, at = _string_at(raw, at)
            count = struct.unpack_from("<I", raw, at)[0]
            dims = list(struct.unpack_from(f"<{count}Q", raw, at + 4))
            kind, offset = struct.unpack_from("<IQ", raw, at + 4 + 8 * count)
            at += 16 + 8 * count
            found.tensors.append(Tensor(name, dims, kind, offset))
        found.data = raw[-(-at // ALIGNMENT) * ALIGNMENT :]
        return found

    def bytes(self) -> bytes:
        counts = (self.tensor_count, len(self.tensors)), (self.field_count, len(self.fields))
        claimed = [true if lie is None else lie for lie, true in counts]
        head = struct.pack("<4sIQQ", b"GGUF", self.version, *claimed)
        head += b"".join(string(each.key) + struct.pack("<I", each.type) + each.value for each in self.fields)
        for each in self.tensors:
            head += (
                string(each.name) + struct.pack("<I", len(each.dims)) + struct.pack(f"<{len(each.dims)}Q", *each.dims)
            )
            head += struct.pack("<IQ", each.type, each.offset)
        return head + bytes(-len(head) % ALIGNMENT) + self.data

    def copy(self) -> Gguf:
        fields, tensors = (
            [replace(each) for each in self.fields],
            [replace(each, dims=[*each.dims]) for each in self.tensors],
        )
        return replace(self, fields=fields, tensors=tensors)

    def field(self, key: str) -> Field:
        return next(each for each in self.fields if each.key.endswith(key.encode()))

    def has(self, key: str) -> bool:
        return any(each.key.endswith(key.encode()) for each in self.fields)

    def set(self, key: str, kind: int, value: bytes) -> None:
        """Give a value to a key, which is added where it is missing."""
        if self.has(key):
            found = self.field(key)
            found.type, found.value = kind, value
        else:
            self.fields.append(Field(key.encode(), kind, value))

    def strings(self, key: str) -> list[bytes]:
        value = self.field(key).value
        count, at, found = struct.unpack_from("<Q", value, 4)[0], 12, []
        for _ in range(count):
            text, at = _string_at(value, at)
            found.append(text)
        return found


def string(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


def array(kind: int, values: list[bytes], count: int | None = None) -> bytes:
    return struct.pack("<IQ", kind, len(values) if count is None else count) + b"".join(values)


def u32(number: int) -> bytes:
    return struct.pack("<I", number & (2**32 - 1))


def _string_at(raw: bytes, at: int) -> tuple[bytes, int]:
    end = at + 8 + struct.unpack_from("<Q", raw, at)[0]
    return raw[at + 8 : end], end


def _end_of_value(raw: bytes, at: int, kind: int) -> int:
    if kind == STRING:
        return _string_at(raw, at)[1]
    if kind != ARRAY:
        return at + struct.calcsize(SCALARS[kind])
    kind, count = struct.unpack_from("<IQ", raw, at)
    at += 12
    if kind != STRING:
        return at + count * struct.calcsize(SCALARS[kind])
    for _ in range(count):
        at = _string_at(raw, at)[1]
    return at
