"""The tabs: the key, the name and the screen of each. The one list of them.

Example: TABS[0].key -> "1"
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_tui.screens.compare import CompareScreen
from crescent_tui.screens.log import LogScreen
from crescent_tui.screens.models import ModelsScreen
from crescent_tui.screens.questions import QuestionsScreen
from crescent_tui.screens.rounds import RoundsScreen
from crescent_tui.screens.run import RunScreen
from crescent_tui.screens.settings import SettingsScreen
from crescent_tui.screens.sql import SqlScreen
from crescent_tui.screens.votes import VotesScreen
from crescent_tui.screens.watching import WatchingScreen


@dataclass(frozen=True)
class Tab:
    """One tab."""

    key: str
    screen: type[WatchingScreen]

    @property
    def name(self) -> str:
        """As it stands on the title bar."""
        return self.screen.TAB

    @property
    def mode(self) -> str:
        """Its name for the app."""
        return self.name.lower()


SCREENS: tuple[type[WatchingScreen], ...] = (
    RunScreen,
    QuestionsScreen,
    VotesScreen,
    RoundsScreen,
    ModelsScreen,
    CompareScreen,
    SqlScreen,
    LogScreen,
    SettingsScreen,
)
TABS = tuple(Tab(str(number), screen) for number, screen in enumerate(SCREENS, start=1))
