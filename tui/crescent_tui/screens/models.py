"""The Models screen: what there is to export and to roll back to."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class ModelsScreen(WatchingScreen):
    """Not there yet."""

    TAB = "Models"
