"""The keys, and what the words on the screens mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("1 2", "the run, its questions"),
    ("s", "start a run, or go on with the unfinished one"),
    ("x", "stop it after the item at hand; nothing is lost"),
    ("v", "questions: all, kept, rejected"),
    ("↑ ↓ j k", "choose a question"),
    ("tab", "to the question's text and votes, and back"),
    ("t", "dark or light"),
    ("q", "leave; a run goes on without this"),
)
WORDS = (
    ("kept", "a question, and new"),
    ("share", "fraction of all votes for the leading answer"),
    ("labelled", "its majority is large enough to learn from"),
    ("abstained", "a vote whose answer was not found"),
    ("killed", "a run whose engine is gone; start it again"),
)


class HelpScreen(ModalScreen[None]):
    """Over any other screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "escape closes"
            yield Static(_list("Keys", KEYS) + "\n\n" + _list("Words", WORDS))


def _list(title: str, entries: tuple[tuple[str, str], ...]) -> Content:
    lines = [Content.assemble((f"{name:<11}", "bold"), text) for name, text in entries]
    return Content("\n").join([Content.styled(title, "bold $text-primary"), *lines])
