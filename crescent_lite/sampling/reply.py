"""A reply as it grows, token by token. Stored as bytes, because a character or a stop text may span tokens.

Knows neither the model nor the sampler. Adding a piece takes the same time however long the reply is. A stop text
that begins with a line break marks a new block, such as the next question of a few-shot prompt: it does not end a
reply that is blank so far or still inside its thoughts. Example:
    reply = Reply((b"\\nQuestion:",)); reply.add(b"5\\nQues"); reply.add(b"tion: 2") -> True; reply.text() -> "5"
"""

from __future__ import annotations

from collections.abc import Sequence

from crescent_lite.answers.thoughts import without_thoughts
from crescent_lite.printable import storable


class Reply:
    """The text drawn so far, cut off at the first stop text."""

    def __init__(self, stop: Sequence[bytes] = (), begins_with: str = "") -> None:
        """`stop` holds the stop texts: the first one that appears ends the reply and is cut off.

        `begins_with`: the opening tag of the thoughts that the prompt ends with; it is shown as part of the reply.
        """
        self._stop = [text for text in stop if text]
        self._overlap = max(map(len, self._stop), default=1) - 1
        """How many bytes before a new piece may be the beginning of a stop text."""
        self._whole = bytearray(begins_with.encode())

    def add(self, piece: bytes) -> bool:
        """Append a token's bytes. Returns True when a stop text has ended the reply."""
        begin = max(0, len(self._whole) - self._overlap)
        self._whole += piece
        if not self._stop:
            return False
        ends = min((at for text in self._stop if (at := self._find(text, begin)) >= 0), default=-1)
        if ends >= 0:
            del self._whole[ends:]
        return ends >= 0

    def text(self) -> str:
        """The reply. Invalid UTF-8, including an incomplete character at the end, and NUL become U+FFFD."""
        return storable(self._whole.decode("utf-8", "replace"))

    def _find(self, stop: bytes, begin: int) -> int:
        """Where this stop text ends the reply, at or after `begin`; -1 if it does not."""
        at = self._whole.find(stop, begin)
        while at >= 0 and stop.startswith(b"\n") and not says_something(self._whole[:at].decode("utf-8", "replace")):
            at = self._whole.find(stop, at + 1)
        return at


def says_something(reply: str) -> bool:
    """Whether a reply is not blank, apart from its thoughts, and has left them."""
    return bool((without_thoughts(reply) or "").strip())


def cut_at_stop(text: str, stop: Sequence[str], begins_with: str = "") -> tuple[str, bool]:
    """A whole text as it would have been drawn with these stop texts, and whether one of them has ended it."""
    reply = Reply([each.encode() for each in stop], begins_with)
    ended = reply.add(text.encode("utf-8", "replace"))
    return reply.text(), ended
