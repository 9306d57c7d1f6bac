"""A reply as it grows, token by token. Stored as bytes, because a character or a stop string may span tokens.

Knows neither the model nor the sampler. Adding a piece takes the same time however long the reply is.
Example: reply = Reply((b"Question:",)); reply.add(b"5\\nQues"); reply.add(b"tion: 2") -> True; reply.text() -> "5\\n"
"""

from __future__ import annotations

from collections.abc import Sequence


class Reply:
    """The text drawn so far, cut off at the first stop string."""

    def __init__(self, stop: Sequence[bytes] = ()) -> None:
        """`stop` holds the stop strings: the first one that appears ends the reply and is cut off."""
        self._stop = [text for text in stop if text]
        self._overlap = max(map(len, self._stop), default=1) - 1
        """How many bytes before a new piece may be the beginning of a stop string."""
        self._whole = bytearray()

    def add(self, piece: bytes) -> bool:
        """Append a token's bytes. Returns True when a stop string has ended the reply."""
        begin = max(0, len(self._whole) - self._overlap)
        self._whole += piece
        if not self._stop:
            return False
        found = [at for text in self._stop if (at := self._whole.find(text, begin)) >= 0]
        if found:
            del self._whole[min(found) :]
        return bool(found)

    def text(self) -> str:
        """The reply. Invalid UTF-8, including an incomplete character at the end, becomes U+FFFD."""
        return self._whole.decode("utf-8", "replace")
