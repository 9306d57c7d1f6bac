"""The base class of the tabs' screens: title bar, key hints, and updates while the screen is in front.

Example:
    class LogScreen(TabScreen):
        TAB = "Log"
        def body(self) -> ComposeResult: ...
        def show(self, snapshot: WorkspaceSnapshot) -> None: ...
"""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, TextArea

from crescent_tui.content.words import STATE_STYLES, state_reason, state_word
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.key_hints import KeyHints
from crescent_tui.widgets.title_bar import TitleBar
from crescent_tui.workspace_app import WorkspaceApp

OPENS_INPUT = ("search", "filter")
"""Actions that open a line to type in."""
BUILD_SECONDS = 1.0
"""By then a screen has built all its widgets."""


class TabScreen(Screen[None]):
    """The screen of a tab."""

    app: WorkspaceApp
    TAB: ClassVar[str] = ""
    """The name of the tab, as in `tabs.TABS`."""
    AUTO_FOCUS = ""
    ALLOW_IN_MAXIMIZED_VIEW = "TitleBar, KeyHints, FilterInput"
    BUTTONS: ClassVar[frozenset[str]] = frozenset()
    """Actions of the app that have a button with their key on this screen, so that the last line leaves them out."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  as Textual has it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012  as Textual has it

    _styled_for = ""
    """The theme for which the styles were last computed."""

    def __init__(self) -> None:
        super().__init__()
        # Textual reads all style sheets again, twice, for a screen that has not seen the last change of theme. A new
        # screen is styled with the theme of the moment anyway.
        self._css_update_count = self.app._css_update_count

    def compose(self) -> ComposeResult:
        yield TitleBar(self.TAB)
        yield CachedStatic(id="reason")
        yield from self.body()
        yield KeyHints()

    def body(self) -> ComposeResult:
        """The widgets between the title bar and the keys."""
        yield from ()

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        """Show a snapshot. Called only while the screen is in front, also after a resize."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the key that opens an input while the user types in one: there it is a letter.

        Such a key has priority, so that the input also receives what is typed right after it over a slow connection.
        """
        return not (action in OPENS_INPUT and isinstance(self.focused, Input | TextArea))

    def zoom(self) -> None:
        """Give the pane with the focus the whole screen, or its place again."""
        if self.maximized:
            self.minimize()
            return
        pane = self.focused
        while pane is not None and not pane.has_class("panel"):
            pane = pane.parent if isinstance(pane.parent, Widget) else None
        pane = pane or next((each for each in self.query(".panel") if each.display and each.can_focus), None)
        if pane is not None:
            self.maximized = pane

    def on_mount(self) -> None:
        self.set_timer(BUILD_SECONDS, self.app.screen_built)
        self.watch(self.app, "snapshot", self.show_latest, init=False)
        self.watch(self.app, "starting", self.show_latest, init=False)

    @on(events.ScreenResume)
    def _keep_styles(self, event: events.ScreenResume) -> None:
        """Recompute the styles only if the theme has changed, because that takes up to 40 ms."""
        event.refresh_styles &= self._styled_for != self.app.theme
        self._styled_for = self.app.theme

    def on_screen_resume(self) -> None:
        self.show_latest()

    def on_resize(self) -> None:
        self.show_latest()

    def show_latest(self) -> None:
        """Show the latest snapshot if this screen is in front."""
        if not (self.is_current and self.is_mounted):
            return
        snapshot, starting = self.app.snapshot, self.app.starting
        self.query_one(TitleBar).show(snapshot, starting=starting)
        state = state_word(snapshot, starting=starting)
        why = self.query_one("#reason", CachedStatic)
        why.update(Content.styled(state_reason(snapshot, state), STATE_STYLES.get(state, "")))
        why.display = bool(state_reason(snapshot, state))
        self.show(snapshot)
