"""The SQL screen: a query over the database."""

from __future__ import annotations

from crescent_tui.screens.watching import WatchingScreen


class SqlScreen(WatchingScreen):
    """Not there yet."""

    TAB = "SQL"
