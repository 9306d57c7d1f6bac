"""The line at the bottom of every screen: the keys that do something here, as many as there is room for.

One text, where Textual's Footer makes a widget of every key, and makes them all again whenever anything about them
may have changed: six times for every change of the screen, which took most of its time. Example at 80 columns:
    " / Search  f Filter  v Votes  s Start  p Pause  x Stop  ? Help "
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import ActiveBinding
from textual.content import Content
from textual.events import Click
from textual.screen import Screen

from crescent_tui.widgets.cached_static import SteadyText

HELP = "help"
"""The action whose key always stands there: it tells all others."""


@dataclass(frozen=True)
class Hint:
    """One key."""

    key: str
    """As Textual names it."""
    action: str
    text: Content
    """The key and what it does."""


class KeyHints(SteadyText):
    """Shows the keys of the screen it is on; a click on one is as good as the key."""

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[Hint, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def on_resize(self) -> None:
        self._show(self._hints_of(self.screen))

    def on_click(self, event: Click) -> None:
        """Press the key that stands there."""
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
        """Those that are to be shown, the first key of each action: of what has the focus, the screen, the app."""
        shown = (each for each in screen.active_bindings.values() if each.binding.show)
        for _, binding, enabled, _ in one_of_each_action(shown):
            key = self.app.get_key_display(binding)
            styles = ("bold $accent", "$foreground") if enabled else ("dim", "dim")
            text = Content.assemble((f" {key} ", styles[0]), (f"{binding.description} ", styles[1]))
            yield Hint(binding.key, binding.action, text)


def one_of_each_action(bindings: Iterable[ActiveBinding]) -> Iterable[ActiveBinding]:
    """Of several keys that do the same the first."""
    told: dict[str, ActiveBinding] = {}
    for each in bindings:
        told.setdefault(each.binding.action, each)
    return told.values()


def fit(hints: list[Hint], width: int) -> list[Hint]:
    """Those there is room for: from the first, and help in any case."""
    while sum(hint.text.cell_length for hint in hints) > width:
        last = next((n for n in reversed(range(len(hints))) if hints[n].action != HELP), None)
        if last is None:
            break
        hints.pop(last)
    return hints
