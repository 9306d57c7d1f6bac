"""A reply as it is drawn, piece by piece: bytes, because a character may span tokens, and so may a stop string.

Knows neither model nor sampler. Costs the same for every piece, however long the reply is.
Example: reply = Reply((b"Question:",)); reply.add(b"5\\nQues"); reply.add(b"tion: 2") -> True; reply.text() -> "5\\n"
"""

from __future__ import annotations

from collections.abc import Sequence


class Reply:
    """What was drawn so far, and whether a stop string is in it."""

    def __init__(self, stop: Sequence[bytes] = ()) -> None:
        """`stop`: the first of these that appears ends the reply and is cut off."""
        self._stop = [each for each in stop if each]
        self._overlap = max(map(len, self._stop), default=1) - 1
        """Bytes of the past in which a stop string may have begun."""
        self._whole = bytearray()

    def add(self, piece: bytes) -> bool:
        """Append a token's bytes. True when the reply has ended with a stop string."""
        begin = max(0, len(self._whole) - self._overlap)
        self._whole += piece
        if not self._stop:
            return False
        found = [at for each in self._stop if (at := self._whole.find(each, begin)) >= 0]
        if found:
            del self._whole[min(found) :]
        return bool(found)

    def text(self) -> str:
        """The reply. Bytes that are no UTF-8, a character cut off at the end too, become U+FFFD."""
        return self._whole.decode("utf-8", "replace")
