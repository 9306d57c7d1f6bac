"""What the screens have in common: the title bar, the footer, and being shown what was seen while they are in front.

Example:
    class LogScreen(WatchingScreen):
        TAB = "Log"
        def body(self) -> ComposeResult: ...
        def show(self, sight: Sight) -> None: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, TextArea

from crescent_tui.content.words import STATE_STYLES, state_reason, state_word
from crescent_tui.sources.follower import Sight
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.key_hints import KeyHints
from crescent_tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from crescent_tui.app import CrescentApp

LEADS_TO_TYPING = ("search", "filter")
MADE_SECONDS = 1.0
"""By then a screen has all its widgets."""


class WatchingScreen(Screen[None]):
    """A screen of one tab."""

    app: CrescentApp
    TAB: ClassVar[str] = ""
    """Its name on the title bar."""
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  as Textual has it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012  as Textual has it

    _styled_for = ""
    """A theme's name."""

    def compose(self) -> ComposeResult:
        yield TitleBar(self.TAB)
        yield SteadyText(id="reason")
        yield from self.body()
        yield KeyHints()

    def body(self) -> ComposeResult:
        """Its widgets."""
        yield from ()

    def show(self, sight: Sight) -> None:
        """Something new was seen, or the screen comes to the front. Called only while it is there."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that leads to where one types is a letter there.

        Such a key has priority, so that what is typed after it, in one burst over a slow line, arrives there too.
        """
        return not (action in LEADS_TO_TYPING and isinstance(self.focused, Input | TextArea))

    def on_mount(self) -> None:
        self.set_timer(MADE_SECONDS, self.app.made)
        self.watch(self.app, "sight", self.look_again, init=False)
        self.watch(self.app, "starting", self.look_again, init=False)

    @on(events.ScreenResume)
    def _keep_styles(self, event: events.ScreenResume) -> None:
        """Only the theme changes them while a screen is behind; to work them out anew takes up to 40 ms."""
        event.refresh_styles &= self._styled_for != self.app.theme
        self._styled_for = self.app.theme

    def on_screen_resume(self) -> None:
        self.look_again()

    def on_resize(self) -> None:
        self.look_again()

    def look_again(self) -> None:
        """Show the latest sight, if this screen is in front."""
        if not (self.is_current and self.is_mounted):
            return
        sight, starting = self.app.sight, self.app.starting
        self.query_one(TitleBar).show(sight, starting=starting)
        state = state_word(sight, starting=starting)
        why = self.query_one("#reason", SteadyText)
        why.update(Content.styled(state_reason(sight, state), STATE_STYLES.get(state, "")))
        why.display = bool(state_reason(sight, state))
        self.show(sight)
