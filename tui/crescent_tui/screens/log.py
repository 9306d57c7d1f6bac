"""The Log screen: what the engine has said."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class LogScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Log"
