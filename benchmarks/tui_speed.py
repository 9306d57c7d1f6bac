"""How fast is the terminal UI on a large database, from a key press to the frame in a real terminal?

    PYTHONPATH=tests python benchmarks/tui_speed.py --workspace BIG [--write 1000] [--minutes 30] [--json]

BIG is a workspace that benchmarks/big_database.py makes if it does not exist. With --write, another process adds
votes during the measurement, as an engine does. The script measures the time from the start of the process to the
first frame with the run; from each key to the frame that shows its effect (without the emulator's own time), with the
first visit of each screen apart, because the screen is built then; from the last key of a search to its results; and
memory at the start, after all keys, and during some minutes of watching. For comparison it measures the first frame
of a Textual app that shows one word, because no Textual app can be faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from terminal import Terminal

HERE = Path(__file__).parent
TABS = {
    "1": "Run", "2": "Questions", "3": "Votes", "4": "Rounds", "5": "Models", "7": "SQL", "8": "Log", "9": "Settings",
}  # fmt: skip
ONE_WORD = """
from textual.app import App
from textual.widgets import Static
class OneWord(App):
    def compose(self):
        yield Static("crescent")
OneWord().run()
"""
STARTS = 5
MOVES = {"down": ["j"], "page_down": ["pagedown"], "page_up": ["pageup"], "last_and_first": ["G", "g"]}
SEARCHES = ("library", "paint", "Emeka gives", "77 marbles", "zzz")


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=200_000)
    parser.add_argument(
        "--write", type=int, default=0, metavar="ROWS", help="votes per second that another process adds"
    )
    parser.add_argument("--keys", type=int, default=200, help="number of key presses of each kind")
    parser.add_argument("--minutes", type=float, default=0.0, help="minutes of watching, to see whether memory grows")
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    generator = [sys.executable, str(HERE / "big_database.py"), str(options.workspace)]
    subprocess.run([*generator, "--questions", str(options.questions)], check=True)
    writer = subprocess.Popen([*generator, "--write", str(options.write)]) if options.write else None
    try:
        found = measure(options)
    finally:
        if writer:
            writer.terminate()
            writer.wait()
    print(json.dumps(found, indent=None if options.json else 2))
    return 0


def started(command: list[str], options: argparse.Namespace, *texts: str) -> list[float]:
    """Seconds from the start of a program until each text is on the screen."""
    with Terminal(command, columns=options.columns, lines=options.lines) as terminal:
        return [terminal.wait_for_text(text, 60) - terminal.began for text in texts]


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Measure several starts, then one session at the terminal."""
    command = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w", str(options.workspace)]
    starts = [
        (
            *started(command, options, "crescent", "run 1"),
            *started([sys.executable, "-c", ONE_WORD], options, "crescent"),
        )
        for _ in range(STARTS)
    ]
    names = ("first_frame_ms", "first_frame_with_the_run_ms", "first_frame_of_an_app_with_one_word_ms")
    found: dict[str, object] = {
        name: summary(times) for name, times in zip(names, zip(*starts, strict=True), strict=True)
    }
    with Terminal(command, columns=options.columns, lines=options.lines) as terminal:
        terminal.wait_for_text("run 1", 60)
        process = psutil.Process(terminal.process.pid)
        terminal.settle(1.0)
        found["memory_at_start_mb"] = memory(process)
        terminal.press("2")
        terminal.settle(1.0)
        for name, keys in MOVES.items():
            found[f"key_{name}_ms"] = summary(
                timed(terminal, key, lambda before: fingerprint(terminal) != before)
                for key in keys * (options.keys // 4 // len(keys))
            )
        found["first_look_at_a_screen_ms"] = summary(switched(terminal, key) for key in TABS if key not in "12")
        found["switch_screen_ms"] = summary(
            switched(terminal, key) for key in list(TABS) * (options.keys // len(TABS))
        )
        terminal.press("2")
        terminal.settle(0.5)
        found["search_ms"] = {text: ms(searched(terminal, text)) for text in SEARCHES}
        found["memory_after_keys_mb"] = memory(process)
        watched = []
        for _ in range(int(options.minutes * 2)):
            time.sleep(30)
            watched.append(memory(process))
        found["memory_every_30_s_mb"] = watched
        return found


def timed(terminal: Terminal, key: str, seen: Callable[[object], bool]) -> float:
    """Seconds from a key press until its effect is on the screen."""
    terminal.settle(0.05)
    before = fingerprint(terminal)
    pressed = terminal.press(key)
    return terminal.wait_for(lambda: seen(before), 20) - pressed


def switched(terminal: Terminal, tab: str) -> float:
    """Seconds from the key of a tab until its screen is shown."""
    return timed(terminal, tab, lambda _: is_in_front(terminal, TABS[tab]))


def searched(terminal: Terminal, text: str) -> float:
    """Seconds from the last letter until the list shows the results for the whole text."""
    terminal.press("/", *text)
    pressed = time.monotonic()
    came = terminal.wait_for(lambda: f"“{text}”" in terminal_text(terminal), 20)
    terminal.settle(0.3)
    terminal.press("escape")
    terminal.settle(0.5)
    return came - pressed


def terminal_text(terminal: Terminal) -> str:
    """The screen's text as it is now."""
    return "\n".join(terminal.screen.display)


def is_in_front(terminal: Terminal, name: str) -> bool:
    """Whether a tab's name is in reverse video in the title bar."""
    line = terminal.screen.buffer[0]
    reversed_text = "".join(line[x].data for x in range(terminal.screen.columns) if line[x].reverse)
    return name in reversed_text


def fingerprint(terminal: Terminal) -> object:
    """The screen's characters and colours, without the title bar, where a clock may tick."""
    buffer = terminal.screen.buffer
    return [
        [(cell.data, cell.bg) for x, cell in sorted(buffer[y].items())] for y in range(2, terminal.screen.lines - 1)
    ]


def summary(seconds: object) -> dict[str, float]:
    """Median, 95th percentile and maximum, in milliseconds."""
    values = sorted(seconds)  # type: ignore[call-overload]
    return {
        "median": ms(statistics.median(values)),
        "p95": ms(values[min(len(values) - 1, round(0.95 * len(values)))]),
        "longest": ms(values[-1]),
        "times": len(values),
    }


def ms(seconds: float) -> float:
    """Seconds as milliseconds."""
    return round(1000 * seconds, 1)


def memory(process: psutil.Process) -> float:
    """Resident memory in MB (10^6 bytes)."""
    return round(process.memory_info().rss / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
