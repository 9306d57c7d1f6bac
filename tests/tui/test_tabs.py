"""The table of the tabs: it agrees with the screens, and only the first screen is imported before the first frame."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crescent_tui.tabs import TABS, Tab


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.mode)
def test_a_tab_has_the_name_that_its_screen_shows(tab: Tab) -> None:
    assert tab.name == tab.load().TAB


def test_keys_and_modes_are_unique() -> None:
    assert len({tab.key for tab in TABS}) == len({tab.mode for tab in TABS}) == len(TABS)


def test_only_the_first_screen_is_imported_before_the_first_frame() -> None:
    code = """
import sys
import crescent_tui.app
from crescent_tui.tabs import TABS
def screens():
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith("crescent_tui.screens.")}
before = screens()
TABS[0].load()
print(sorted(before), sorted(screens()))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[] ['run', 'tab_screen']"
