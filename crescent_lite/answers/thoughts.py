"""The thoughts of a reply: the tags around them, in every spelling that models have, and what is said after them.

A text is enough: the sampler keeps the tags in it, and a reply whose prompt ended with the opening tag begins with
that tag. Knows nothing of answers. Linear in the length of the text, whatever the text is. Example:
    without_thoughts("[THINK]maybe 3[/THINK] 4")     # ' 4'
    without_thoughts("<think>\\nFirst try 12, but")    # None: it never left its thoughts
"""

from __future__ import annotations

import re

from crescent_lite.records import Abstention

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
_OPENING = re.compile(
    rf"<\s?{_NAMES}\s?>|\[{_NAMES}\]|◁{_NAMES}▷"
    rf"|<\|(?:(?:begin_of|start)_)?{_NAMES}(?:_start)?\|>|<\|inner_prefix\|>"
    r"|<\|channel\|>(?:analysis|commentary)\b(?:<\|message\|>)?|<\|channel>thought\b",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"<\s?/\s?{_NAMES}\s?>|\[/{_NAMES}\]|◁/{_NAMES}▷"
    rf"|<\|(?:/|(?:end_of|end)_){_NAMES}\|>|<\|{_NAMES}_end\|>|<\|inner_suffix\|>"
    r"|<\|channel\|>final\b(?:<\|message\|>)?|<channel\|>",
    re.IGNORECASE,
)
_PART = re.compile(r"<\|(?:channel|message|constrain|start|end)\|>|<\|channel>")
"""Tokens that are a tag only together with the text beside them: `<|channel|>analysis<|message|>` in gpt-oss."""
_PLAIN_CHANNELS = re.compile(r"analysis(?=[A-Z])")
_PLAIN_FINAL = "assistantfinal"
"""What is left of the channels where a server leaves out special tokens."""
_HINTS = ("think", "thought", "reason", "reflection", "scratchpad", "channel", "inner_", "analysis")
MAX_SEARCHED = 100_000
"""Characters at the end of a reply in which the closing tag of its thoughts is searched."""


def without_thoughts(text: str, *, inside: bool = False) -> str | None:
    """Return what a reply says after its thoughts; None if it never left them.

    `inside`: whether the reply begins inside its thoughts although it does not show their opening tag.
    """
    lowered = text.lower()
    if not inside and not any(name in lowered for name in _HINTS):
        return text
    end = None
    for end in _CLOSING.finditer(text, max(0, len(text) - MAX_SEARCHED)):  # noqa: B007
        pass
    if end is None and (inside or _PLAIN_CHANNELS.match(text)):
        return text.rpartition(_PLAIN_FINAL)[2] if _PLAIN_FINAL in text else None
    rest = text[end.end() :] if end else text
    again = _OPENING.search(rest)
    if again and not rest[: again.start()].strip():
        return None
    return rest[: again.start()] if again else rest


def why_unanswered(reply: str, *, finished: bool) -> Abstention:
    """Return why a reply in which no answer was found has none. `finished`: False for a reply that was cut off."""
    if without_thoughts(reply) is None:
        return "in_thoughts"
    return "no_answer" if finished else "cut_off"


def is_blank(reply: str) -> bool:
    """Whether a reply says nothing, even in its thoughts."""
    return not _OPENING.sub("", reply[:200], count=1).strip() and not reply[200:].strip()


def opening_at_the_end(prompt: str) -> str:
    """Return the opening tag that a prompt ends with, and the white space after it; '' if it ends otherwise."""
    for found in _OPENING.finditer(prompt[-200:]):
        if not prompt[-200:][found.end() :].strip():
            return prompt[-200:][found.start() :]
    return ""


def has_closing(text: str) -> bool:
    """Whether a text has a tag that ends thoughts."""
    return _CLOSING.search(text) is not None


def closing_of(opening: str) -> str:
    """Return the tag that ends the thoughts which this tag begins: '[THINK]' -> '[/THINK]'."""
    tag = opening.strip()
    if tag.startswith("<|channel|>"):
        return "<|end|><|start|>assistant<|channel|>final<|message|>"
    named = {"<|inner_prefix|>": "<|inner_suffix|>", "<|channel>thought": "<channel|>"}
    if tag in named:
        return named[tag]
    for begin, end in (("begin_of_", "end_of_"), ("start_", "end_"), ("START_", "END_"), ("_start|", "_end|")):
        if begin in tag:
            return tag.replace(begin, end)
    return re.sub(r"^(<\|?|\[|◁)\s?", r"\1/", tag)


def is_tag(token: str) -> bool:
    """Whether the text of a single token is a tag of thoughts, or a part of one."""
    return any(pattern.fullmatch(token) for pattern in (_OPENING, _CLOSING, _PART))
