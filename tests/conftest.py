"""Settings for every test, and what the quick tests do not pay for: imports of slow modules, and second opinions."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # the machine may be busy
settings.load_profile("untimed")

# A model that a test made needs no trial in a child process, which takes a second, since pytest reports how a test's
# process ends. Tests of the trials remove the variable.
os.environ.setdefault("CRESCENT_MAY_DIE", "1")

gc.disable()  # until all modules are imported: almost nothing of what they make is ever freed

SLOW_MODULE = ("pytestmark = pytest.mark.slow", "pytestmark = [pytest.mark.slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out modules whose tests are all slow where no slow test is wanted: importing torch takes seconds."""
    if config.option.markexpr != "not slow" or not collection_path.match("test_*.py"):
        return None
    lines = collection_path.read_text(encoding="utf-8").splitlines()
    return True if any(line.startswith(SLOW_MODULE) for line in lines) else None


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but no longer look through what was imported."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def without_second_opinions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide math-verify, whose program takes a second to start, from tests without the mark `second_opinions`."""
    if request.node.get_closest_marker("second_opinions") is None:
        monkeypatch.setitem(sys.modules, "math_verify", None)
