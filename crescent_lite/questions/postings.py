"""For each hash the texts that have it, and how many of some hashes each text has: an inverted index that counts.

Rare hashes have lists, which are counted by `bincount`. A hash that one text in `DENSE` has gets one bit for each
text; 64 texts are then added up at a time by bitwise full adders (a carry-save adder). Knows numbers, no texts.
Example:
    postings.add([3, 7]); postings.add([7, 9]); postings.shared([7, 9])     # [1, 2]
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

DENSE = 32
"""A list of 32-bit numbers is longer than one bit for each text when one text in 32 is on it."""
FEW = 512
"""Texts up to which there are lists only."""


class Postings:
    """Texts are numbered 0, 1, 2 ... in the order in which they are added."""

    def __init__(self) -> None:
        self._texts = 0
        self._lists: dict[int, array[int]] = {}
        self._bits: dict[int, np.ndarray] = {}
        """Of the dense hashes: 64-bit words, the first text in the lowest bit."""

    def add(self, hashes: Iterable[int]) -> None:
        """One more text."""
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
        """Of each text, how many of the hashes it has; fewer than 256 hashes. Shape (texts,)."""
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
        for place, plane in enumerate(added_up(bits)):
            counts += np.unpackbits(plane.view(np.uint8), count=self._texts, bitorder="little") << place
        return counts

    def _set_bit(self, key: int, number: int) -> None:
        words = self._bits[key]
        word, bit = divmod(number, 64)
        if word >= len(words):
            words = self._bits[key] = np.pad(words, (0, word + len(words) // 4 + 1 - len(words)))
        words[word] |= np.uint64(1 << bit)


def added_up(bits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The sum of the bits at each place, as binary digits: the lowest digit of all sums first."""
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
