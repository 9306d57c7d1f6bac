"""The help: the keys of every screen, and the meaning of the words on the screens.

The description of a key is the docstring of its action, so it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from crescent_tui.content.columns import cell
from crescent_tui.screens.command_log import CommandLogScreen
from crescent_tui.screens.runs import RunsScreen
from crescent_tui.screens.start import StartScreen
from crescent_tui.widgets.chart import Chart
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import TabLabel, WorkspaceApp

WORDS = (
    ("asked", "raw questions that the model wrote"),
    ("kept", "a usable question, unlike all kept before it"),
    ("share", "the fraction of a question's votes for its leading answer"),
    ("labelled", "a question on whose answer enough votes agree"),
    ("abstained", "a vote in which no answer was found"),
    ("killed", "a run whose engine has died; s resumes it"),
    ("base", "the model before any training"),
    ("canary", "a small labelled set, used only for alarms"),
)
PARTS = ("tab shift+tab", "next part of the screen, and previous")
KEY_NAMES = {
    "question_mark": "?", "slash": "/", "pagedown": "page down", "pageup": "page up", "down": "↓", "up": "↑",
    "left": "←", "right": "→", "escape": "escape", "comma": ",", "full_stop": ".", "plus": "+", "minus": "-",
    "equals_sign": "=", "greater_than_sign": ">", "less_than_sign": "<",
}  # fmt: skip
NAME_WIDTH = 18
WIDTH = 84
FRAME_WIDTH = 8
"""The cells taken by the border, padding and scrollbar."""


class HelpScreen(ModalScreen[None]):
    """The help, shown over any other screen."""

    app: WorkspaceApp
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
        border: round $key; padding: 0 2; background: $surface;
    }
    """

    def __init__(self, tabs: Sequence[tuple[TabLabel, type[Screen[None]]]]) -> None:
        """`tabs` are the tabs with the classes of their screens."""
        super().__init__()
        self._tabs = tabs

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "j and k scroll, escape closes"
            yield Static(Content("\n\n").join(self._sections()))

    def action_scroll(self, lines: int) -> None:
        """Scroll by a line."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)

    def action_edge(self, last: int) -> None:
        """Scroll to the end or the start."""
        box = self.query_one("#help", VerticalScroll)
        box.scroll_end(animate=False) if last else box.scroll_home(animate=False)

    def _sections(self) -> Iterator[Content]:
        width = min(WIDTH, self.app.size.width) - FRAME_WIDTH
        labels = [tab for tab, _ in self._tabs]
        tabs = (f"{labels[0].key}–{labels[-1].key}", ", ".join(tab.name for tab in labels))
        own = [binding for binding in self.app.BINDINGS if "switch_mode" not in _of(binding).action]
        yield _section("Everywhere", [tabs, *_keys(own, type(self.app)), PARTS], width)
        yield _section("Lists", _keys(RowList.BINDINGS, RowList), width)
        yield _section("Curves", _keys(Chart.BINDINGS, Chart), width)
        for tab, screen in self._tabs:
            # Only the keys that the screen adds, not those it inherits from Textual.
            if keys := _keys(vars(screen).get("BINDINGS", ()), screen):
                yield _section(f"{tab.key} {tab.name}", keys, width)
        yield _section("The start form", _keys(StartScreen.BINDINGS, StartScreen), width)
        yield _section("The runs", _keys(RunsScreen.BINDINGS, RunsScreen), width)
        yield _section("The command log", _keys(CommandLogScreen.BINDINGS, CommandLogScreen), width)
        yield _section("Words", WORDS, width)


def _of(binding: BindingType) -> Binding:
    return binding if isinstance(binding, Binding) else Binding(*binding)


def _keys(bindings: Iterable[BindingType], owner: type[Any]) -> list[tuple[str, str]]:
    """Each key and its description. A binding without a description is an alias of another key."""
    found = [_of(binding) for binding in bindings]
    return [(_key_names(each), _description(each, owner)) for each in found if each.description]


def _key_names(binding: Binding) -> str:
    names = [KEY_NAMES.get(key.strip(), key.strip()) for key in binding.key.split(",")]
    return binding.key_display or " ".join(names)


def _description(binding: Binding, owner: type[Any]) -> str:
    """The first line of the action's docstring, or the description of the binding for an action of Textual's."""
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
        lines.append(Content.assemble((cell(name, NAME_WIDTH + 1), "bold"), first))
        lines += [Content(" " * (NAME_WIDTH + 1) + line) for line in rest]
    return Content("\n").join(lines)
