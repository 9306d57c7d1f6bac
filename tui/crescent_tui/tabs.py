"""The tabs: the key, the name and the screen of each. The one list of them.

A screen is loaded when it is first wanted, so that the first one is there at once. Example:
    TABS[0].key -> "1"; TABS[0].screen() -> the class RunScreen
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crescent_tui.screens.tab_screen import WatchingScreen


@dataclass(frozen=True)
class Tab:
    """One tab."""

    key: str
    name: str
    """As it stands on the title bar."""

    @property
    def mode(self) -> str:
        """Its name for the app, and its module's."""
        return self.name.lower()

    def screen(self) -> type[WatchingScreen]:
        """The class of its screen: `LogScreen` in `screens.log`."""
        found: type[WatchingScreen] = getattr(
            import_module(f"crescent_tui.screens.{self.mode}"), f"{self.name.capitalize()}Screen"
        )
        return found

    def make(self) -> WatchingScreen:
        """Its screen."""
        return self.screen()()


NAMES = ("Run", "Questions", "Votes", "Rounds", "Models", "Compare", "SQL", "Log", "Settings")
TABS = tuple(Tab(str(number), name) for number, name in enumerate(NAMES, start=1))
