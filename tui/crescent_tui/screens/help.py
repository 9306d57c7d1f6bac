"""The keys, as the screens themselves have them, and what the words on the screens mean.

A key's line is what its action's docstring says, so it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from crescent_tui.screens.runs import RunsScreen
from crescent_tui.screens.start import StartScreen
from crescent_tui.widgets.row_list import RowList

if TYPE_CHECKING:
    from crescent_tui.app import CrescentApp

WORDS = (
    ("asked", "raw questions the model wrote"),
    ("kept", "a question, and new"),
    ("share", "fraction of all votes for the leading answer"),
    ("labelled", "its majority is large enough to learn from"),
    ("abstained", "a vote whose answer was not found"),
    ("killed", "a run whose engine is gone; start it again"),
    ("base", "the model before any training"),
    ("canary", "a small labelled set, used for alarms only"),
)
PARTS = ("tab shift+tab", "to the next part of the screen, and back")
KEY_NAMES = {
    "question_mark": "?", "slash": "/", "pagedown": "page down", "pageup": "page up", "down": "↓", "up": "↑",
    "left": "←", "right": "→", "escape": "escape", "comma": ",", "full_stop": ".", "plus": "+", "minus": "-",
}  # fmt: skip
NAME_WIDTH = 18
WIDTH = 84
FRAME_WIDTH = 8
"""Border, padding and scrollbar."""


class HelpScreen(ModalScreen[None]):
    """Over any other screen."""

    app: CrescentApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
        Binding("G", "edge(1)", "End", show=False),
        Binding("g", "edge(0)", "Begin", show=False),
    ]
    CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen #help {
        width: 86; max-width: 100%; height: auto; max-height: 100%;
        border: round $accent; padding: 0 2; background: $surface;
    }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "j and k scroll, escape closes"
            yield Static(Content("\n\n").join(self._sections()))

    def action_scroll(self, lines: int) -> None:
        """A line on."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)

    def action_edge(self, last: int) -> None:
        """To the end or the beginning."""
        box = self.query_one("#help", VerticalScroll)
        box.scroll_end(animate=False) if last else box.scroll_home(animate=False)

    def _sections(self) -> Iterator[Content]:
        from crescent_tui.tabs import TABS  # the tabs hold the screens, which hold the app, which opens this one

        width = min(WIDTH, self.app.size.width) - FRAME_WIDTH
        tabs = (f"1–{TABS[-1].key}", ", ".join(tab.name for tab in TABS))
        own = [binding for binding in self.app.BINDINGS if "switch_mode" not in _of(binding).action]
        yield _section("Everywhere", [tabs, *_keys(own, type(self.app)), PARTS], width)
        yield _section("Lists", _keys(RowList.BINDINGS, RowList), width)
        for tab in TABS:
            # Its own ones only: Textual's are no news.
            screen = tab.screen()
            if keys := _keys(vars(screen).get("BINDINGS", ()), screen):
                yield _section(f"{tab.key} {tab.name}", keys, width)
        yield _section("The start form", _keys(StartScreen.BINDINGS, StartScreen), width)
        yield _section("The list of runs", _keys(RunsScreen.BINDINGS, RunsScreen), width)
        yield _section("Words", WORDS, width)


def _of(binding: BindingType) -> Binding:
    return binding if isinstance(binding, Binding) else Binding(*binding)


def _keys(bindings: Iterable[BindingType], owner: type[Any]) -> list[tuple[str, str]]:
    """Each key, and what it does; those without a description are another name of a key."""
    found = [_of(binding) for binding in bindings]
    return [(_key_names(each), _does(each, owner)) for each in found if each.description]


def _key_names(binding: Binding) -> str:
    names = [KEY_NAMES.get(key.strip(), key.strip()) for key in binding.key.split(",")]
    return binding.key_display or " ".join(names)


def _does(binding: Binding, owner: type[Any]) -> str:
    """What the action's docstring says in its first line; of an action of others, the binding's description."""
    name = binding.action.partition("(")[0]
    action = getattr(owner, f"action_{name}", None)
    ours = action is not None and action.__module__.startswith("crescent_tui") and "(" not in binding.action
    lines = (action.__doc__ or "").strip().splitlines() if action and ours else []
    said = lines[0].rstrip(".") if lines else binding.description
    return said[:1].lower() + said[1:] if said[1:2].islower() else said


def _section(title: str, entries: Iterable[tuple[str, str]], width: int) -> Content:
    lines = [Content.styled(title, "bold $text-primary")]
    for name, text in entries:
        first, *rest = wrap(text, max(20, width - NAME_WIDTH - 1))
        lines.append(Content.assemble((f"{name:<{NAME_WIDTH}} ", "bold"), first))
        lines += [Content(" " * (NAME_WIDTH + 1) + line) for line in rest]
    return Content("\n").join(lines)
