"""The line at the bottom of every screen: the keys that work there, as many as fit, without those on its buttons.

A single text, because Textual's Footer builds a widget for every key, and rebuilds them all up to six times when the
screen changes, which took most of the time of a change. Example at 80 columns:
    " / Search  f Filter  v Votes  s Start  p Pause  x Stop  ? Help "
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import ActiveBinding
from textual.content import Content
from textual.events import Click
from textual.screen import Screen

from crescent_tui.content.colours import KEY, MUTED
from crescent_tui.widgets.cached_static import CachedStatic

HELP = "help"
"""The action whose key is always shown, because the help lists all others."""


@dataclass(frozen=True)
class Hint:
    """A key and its description."""

    key: str
    """Textual's name of the key."""
    action: str
    """Textual's name of the action."""
    text: Content
    """The key and its description as shown."""


class KeyHints(CachedStatic):
    """Shows the keys of its screen; a click on one presses the key."""

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[Hint, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def on_resize(self) -> None:
        self._show(self._hints_of(self.screen))

    def on_click(self, event: Click) -> None:
        """Press the key at the position of the click."""
        end = 0
        for hint in self._hints:
            end += hint.text.cell_length
            if event.x < end:
                self.app.simulate_key(hint.key)
                break

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen.is_current:
            self._show(self._hints_of(screen))

    def _show(self, hints: Iterable[Hint]) -> None:
        self._hints = tuple(fit(list(hints), self.size.width))
        self.update(Content().join(hint.text for hint in self._hints), layout=False)

    def _hints_of(self, screen: Screen[object]) -> Iterable[Hint]:
        """The first key of each visible action: of the focused widget, then the screen, then the app."""
        buttons = getattr(screen, "BUTTONS", frozenset[str]())
        shown = (
            each
            for each in screen.active_bindings.values()
            if each.binding.show and each.binding.action not in buttons
        )
        for _, binding, enabled, _ in first_key_of_each_action(shown):
            key = self.app.get_key_display(binding)
            styles = (KEY, "$foreground") if enabled else (MUTED, MUTED)
            text = Content.assemble((f" {key} ", styles[0]), (f"{binding.description} ", styles[1]))
            yield Hint(binding.key, binding.action, text)


def first_key_of_each_action(bindings: Iterable[ActiveBinding]) -> Iterable[ActiveBinding]:
    """The first key of each action."""
    first: dict[str, ActiveBinding] = {}
    for each in bindings:
        first.setdefault(each.binding.action, each)
    return first.values()


def fit(hints: list[Hint], width: int) -> list[Hint]:
    """The hints that fit in `width` cells: dropped from the end, except help."""
    while sum(hint.text.cell_length for hint in hints) > width:
        last = next((n for n in reversed(range(len(hints))) if hints[n].action != HELP), None)
        if last is None:
            break
        hints.pop(last)
    return hints
