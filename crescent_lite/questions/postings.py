"""An inverted index that counts how many hashes each known text shares with a new one.

A rare hash has a list of the texts that contain it, and lists are counted by `bincount`. A hash that more than one
text in `DENSE` contains has a bit per text instead; bits are added 64 texts at a time by bitwise full adders (a
carry-save adder). Knows the hashes of texts, not the texts. Example:
    postings.add([3, 7]); postings.add([7, 9]); postings.shared([7, 9])     # [1, 2]
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

DENSE = 32
"""A list of 32-bit numbers takes more memory than one bit per text once it has more than one text in 32."""
FEW = 512
"""A list of up to this many texts always stays a list."""


class Postings:
    """The hashes of all known texts, which are numbered 0, 1, 2 ... in the order in which they are added."""

    def __init__(self) -> None:
        self._texts = 0
        self._lists: dict[int, array[int]] = {}
        self._bits: dict[int, np.ndarray] = {}
        """Dense hash -> a bit per text in 64-bit words; the first text is the lowest bit."""

    def add(self, hashes: Iterable[int]) -> None:
        """Add the next text by its hashes."""
        number = self._texts
        self._texts += 1
        for key in hashes:
            if key in self._bits:
                self._set_bit(key, number)
                continue
            found = self._lists.get(key)
            if found is None:
                found = self._lists[key] = array("I")
            found.append(number)
            if len(found) > FEW and DENSE * len(found) > self._texts:
                self._bits[key] = _as_bits(found, self._texts)
                del self._lists[key]

    def shared(self, hashes: Iterable[int]) -> np.ndarray:
        """Count for each text how many of `hashes` (fewer than 256) it contains. Shape (texts,), dtype uint8."""
        lists, bits = [], []
        words = -(-self._texts // 64)
        for key in hashes:
            if (dense := self._bits.get(key)) is not None:
                bits.append(dense[:words] if len(dense) >= words else np.pad(dense, (0, words - len(dense))))
            elif (found := self._lists.get(key)) is not None:
                lists.append(np.frombuffer(found, dtype=np.uint32))
        counts = np.zeros(self._texts, dtype=np.uint8)
        if lists:
            counts += np.bincount(np.concatenate(lists), minlength=self._texts).astype(np.uint8)
        for place, plane in enumerate(add_bits(bits)):
            counts += np.unpackbits(plane.view(np.uint8), count=self._texts, bitorder="little") << place
        return counts

    def _set_bit(self, key: int, number: int) -> None:
        words = self._bits[key]
        word, bit = divmod(number, 64)
        if word >= len(words):
            words = self._bits[key] = np.pad(words, (0, word + len(words) // 4 + 1 - len(words)))
        words[word] |= np.uint64(1 << bit)


def add_bits(bits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the sums of the bits at each place as binary digits: first the lowest digit of all sums, and so on."""
    planes, column = [], list(bits)
    while column:
        carries = []
        while len(column) > 2:
            one, other, third = column.pop(), column.pop(), column.pop()
            either = one ^ other
            column.insert(0, either ^ third)
            carries.append((one & other) | (either & third))
        if len(column) == 2:
            carries.append(column[0] & column[1])
            column = [column[0] ^ column[1]]
        planes.append(column[0])
        column = carries
    return planes


def _as_bits(numbers: array[int], texts: int) -> np.ndarray:
    flags = np.zeros(-(-texts // 64) * 64, dtype=np.uint8)
    flags[np.frombuffer(numbers, dtype=np.uint32)] = 1
    return np.packbits(flags, bitorder="little").view(np.uint64)
