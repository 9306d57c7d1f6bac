"""A program in a terminal of its own (a pty), driven by keys and read as a screen.

All output is kept with its time of arrival, to measure the time from a key to the next frame, and to search what was
sent to the terminal for sequences that must not be there. Example:
    with Terminal([sys.executable, "-m", "crescent_lite.cli", "tui"], columns=80, lines=24) as terminal:
        terminal.wait_for(lambda: "no run yet" in terminal.text()); terminal.press("q")
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

KEYS = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "backspace": "\x7f", "space": " ",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "f5": "\x1b[15~",
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip
"""The bytes that a terminal sends for a key. Any other key is sent as its own text."""


class Terminal:
    """A program in a pty. Not available on Windows."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.chunks: list[tuple[float, bytes]] = []
        """(time.monotonic, bytes) of each piece of output."""
        self._stream = pyte.ByteStream(self.screen)
        self._shown = 0
        """The number of chunks fed to the screen so far."""
        self._arrived = threading.Condition()
        self._main, self._side = pty.openpty()
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._modes = termios.tcgetattr(self._side)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=self._side,
            stdout=self._side,
            stderr=self._side,
            cwd=folder,
            env={**_inherited(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def output(self) -> bytes:
        """All output so far."""
        return b"".join(chunk for _, chunk in self.chunks)

    def text(self) -> str:
        """The text on the screen."""
        self._show_new()
        return "\n".join(self.screen.display)

    def press(self, *keys: str) -> float:
        """Send keys with short gaps, so that an escape is not read as the start of another key.

        Returns the time at which the last key was sent.
        """
        for key in keys:
            if key == "escape":
                time.sleep(0.15)
            sent = time.monotonic()
            os.write(self._main, KEYS.get(key, key).encode())
            time.sleep(0.15 if key == "escape" else 0.005)
        return sent

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20.0) -> float:
        """Wait until the condition holds. Returns the arrival time of the output that made it true."""
        until = time.monotonic() + seconds
        if condition():
            return time.monotonic()
        while time.monotonic() < until:
            with self._arrived:
                self._arrived.wait_for(lambda: self._shown < len(self.chunks), timeout=0.1)
            while self._shown < len(self.chunks):
                came, chunk = self.chunks[self._shown]
                self._shown += 1
                self._stream.feed(chunk)
                if condition():
                    return came
            if self.process.poll() is not None and self._shown == len(self.chunks) and not self._reader.is_alive():
                break
        raise AssertionError(f"still false after {seconds:g} s; on the screen:\n{self.text()}")

    def wait_for_text(self, text: str, seconds: float = 20.0) -> float:
        """Wait until a text is on the screen. Returns its arrival time."""
        return self.wait_for(lambda: text in "\n".join(self.screen.display), seconds)

    def settle(self, quiet_seconds: float = 0.3, seconds: float = 10.0) -> None:
        """Wait until no output has arrived for `quiet_seconds`, but at most `seconds`."""
        began = time.monotonic()
        until = began + seconds
        while time.monotonic() < until:
            last = max(began, self.chunks[-1][0] if self.chunks else self.began)
            if time.monotonic() - last > quiet_seconds:
                break
            time.sleep(0.02)
        self._show_new()

    def forget(self) -> None:
        """Drop the output that is on the screen already, so that hours of it do not fill the memory."""
        self._show_new()
        with self._arrived:
            del self.chunks[: self._shown]
            self._shown = 0

    def modes_are_restored(self) -> bool:
        """Whether echo, line mode and signals are as they were before the program started."""
        return termios.tcgetattr(self._side)[:4] == self._modes[:4]

    def close(self) -> None:
        """End the program, if it still runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._side)
        self._reader.join(5)
        os.close(self._main)

    def _show_new(self) -> None:
        while self._shown < len(self.chunks):
            self._stream.feed(self.chunks[self._shown][1])
            self._shown += 1

    def _read(self) -> None:
        while True:
            try:
                if not select.select([self._main], [], [], 0.5)[0]:
                    if self.process.poll() is not None:
                        return
                    continue
                chunk = os.read(self._main, 65536)
            except OSError:  # nobody has the other side open any more
                return
            if not chunk:
                return
            with self._arrived:
                self.chunks.append((time.monotonic(), chunk))
                self._arrived.notify_all()


def _inherited() -> dict[str, str]:
    """The environment of this process, without the size of its own terminal."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
