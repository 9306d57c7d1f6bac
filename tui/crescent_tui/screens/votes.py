"""The Votes screen: a question's votes, one solution after the other."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class VotesScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Votes"
