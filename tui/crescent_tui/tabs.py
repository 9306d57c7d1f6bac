"""The tabs: the key, name, mode and screen of each. The only list of them.

A screen's module is imported when the screen is first needed, so that the first frame does not wait for the other
eight. Example:
    TABS[0].key -> "1"; TABS[0].load() -> the class RunScreen
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crescent_tui.workspace_app import TabLabel

if TYPE_CHECKING:
    from crescent_tui.screens.tab_screen import TabScreen


@dataclass(frozen=True)
class Tab(TabLabel):
    """A tab and its screen."""

    load: Callable[[], type[TabScreen]]
    """Imports the screen's module and returns the class of the screen."""

    def make(self) -> TabScreen:
        """A new screen."""
        return self.load()()


def _run() -> type[TabScreen]:
    from crescent_tui.screens.run import RunScreen

    return RunScreen


def _questions() -> type[TabScreen]:
    from crescent_tui.screens.questions import QuestionsScreen

    return QuestionsScreen


def _votes() -> type[TabScreen]:
    from crescent_tui.screens.votes import VotesScreen

    return VotesScreen


def _rounds() -> type[TabScreen]:
    from crescent_tui.screens.rounds import RoundsScreen

    return RoundsScreen


def _models() -> type[TabScreen]:
    from crescent_tui.screens.models import ModelsScreen

    return ModelsScreen


def _compare() -> type[TabScreen]:
    from crescent_tui.screens.compare import CompareScreen

    return CompareScreen


def _sql() -> type[TabScreen]:
    from crescent_tui.screens.sql import SqlScreen

    return SqlScreen


def _log() -> type[TabScreen]:
    from crescent_tui.screens.log import LogScreen

    return LogScreen


def _settings() -> type[TabScreen]:
    from crescent_tui.screens.settings import SettingsScreen

    return SettingsScreen


TABS = (
    Tab("1", "Run", "run", _run),
    Tab("2", "Questions", "questions", _questions),
    Tab("3", "Votes", "votes", _votes),
    Tab("4", "Rounds", "rounds", _rounds),
    Tab("5", "Models", "models", _models),
    Tab("6", "Compare", "compare", _compare),
    Tab("7", "SQL", "sql", _sql),
    Tab("8", "Log", "log", _log),
    Tab("9", "Settings", "settings", _settings),
)
