"""What asks a process to stop, and what does not disturb it while it stops."""

from __future__ import annotations

import signal

import pytest

from crescent_lite.workspace.interruption import undisturbed


def test_a_second_request_to_stop_does_not_keep_the_first_from_being_stored() -> None:
    stored, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    try:
        with undisturbed():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(number)
            stored.append("stopped")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert stored == ["stopped"]
