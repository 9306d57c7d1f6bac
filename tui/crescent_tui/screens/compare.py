"""The Compare screen: one question, answered by two models."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class CompareScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Compare"
