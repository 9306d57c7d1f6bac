"""The Settings screen: every setting, and where its value is from."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class SettingsScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Settings"
