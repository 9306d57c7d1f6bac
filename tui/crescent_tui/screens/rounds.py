"""The Rounds screen: scores per round, and what they are made of."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class RoundsScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Rounds"
