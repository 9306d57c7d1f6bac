"""Does anything grow in hours of a run: memory, files, threads, the write-ahead log, the terminal UI's answers?

    PYTHONPATH=tests python benchmarks/load.py --workspace NEW --hours 8 --replies-per-second 4
    PYTHONPATH=tests python benchmarks/load.py --workspace NEW --replies 120000      # as many rows, without waiting
    PYTHONPATH=tests python benchmarks/load.py --verdict NEW/load.jsonl              # also of a load that was cut off

Beside the engine (load_parts.py) run the terminal UI in a pseudo-terminal, `crescent serve`, whose pages are asked
for, a reader with short queries, and one whose transaction stays open for --hold seconds, which keeps SQLite from
emptying the write-ahead log. A line of NEW/load.jsonl every few seconds has the memory, files and threads of each
process, the sizes of database and log, and the time from a key to the frame that shows its effect. The verdict
compares the last fifth of these lines with the second one; the first is the warm-up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from load_parts import GAP_SECONDS, make_workspace
from terminal import Terminal
from tui_speed import TABS, is_in_front

from crescent_lite.store.log_watch import WARN_BYTES
from crescent_lite.workspace import Workspace

HERE = Path(__file__).parent
MB = 1e6
PAGES = (
    "/",
    "/crescent",
    "/crescent/v_votes?_size=20",
    "/crescent/votes?_size=20",
    "/crescent/runs",
    "/crescent/v_labels?_size=5",
)
MEMORY_MB, MEMORY_SHARE = 16.0, 0.05
"""Growth of a process's memory, from the second fifth to the last one, that counts as flat: the larger of the two."""
BYTES_PER_QUESTION = 4096
"""Memory that the engine may keep for each question, to find near-duplicates of it."""
MORE_FILES, MORE_THREADS = 2, 2
"""Open files and threads by which the last fifth may exceed the second one."""
SLOWER, SLOWER_MS = 1.5, 40.0
"""Factor, and milliseconds on top, by which the median key may be slower at the end."""
LOG_BYTES = 72 << 20
"""Largest write-ahead log while no reader holds a transaction: SQLite's limit of the engine, and one transaction."""


def main() -> int:
    """Run the load and judge it, or judge the lines of an earlier one. Exit code 1: something grew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workspace", type=Path, help="folder to create for the run")
    parser.add_argument("--hours", type=float, default=24.0, help="end after this time")
    parser.add_argument("--replies", type=int, default=sys.maxsize, help="end after so many replies are stored")
    parser.add_argument("--replies-per-second", type=float, default=0.0, help="0: as fast as the engine goes")
    parser.add_argument("--questions", type=int, default=300, help="raw questions of each round")
    parser.add_argument(
        "--hold", type=float, default=3600.0, help="seconds that the long reader's transaction stays open"
    )
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two lines")
    parser.add_argument("--keys-every", type=float, default=30.0, help="seconds between two keys in the terminal UI")
    parser.add_argument("--verdict", type=Path, metavar="FILE", help="judge the lines of an earlier load")
    options = parser.parse_args()
    if not options.verdict:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the verdict is still given
        options.workspace = options.workspace.resolve()
        make_workspace(options.workspace, options.questions)
        with suppress(SystemExit, KeyboardInterrupt):
            put_under_load(options)
    path = options.verdict or options.workspace / "load.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = judged(lines)
    for each in found:
        print(("ok      " if each.holds else "BROKEN  ") + each.words)
    return 0 if all(each.holds for each in found) else 1


# ── the load ─────────────────────────────────────────────────────────────────────────────────────────────────


def put_under_load(options: argparse.Namespace) -> None:
    """Start everything, write a line every few seconds, and end everything."""
    folder, began = options.workspace, time.monotonic()
    port, page_at, keys_at, page_number = free_port(), 0.0, 0.0, 0
    with ExitStack() as stack, (folder / "load.jsonl").open("w", encoding="utf-8", buffering=1) as out:
        engine = stack.enter_context(part(folder, "engine", options.replies_per_second))
        wait_until(lambda: rows_of(folder) > 0, 120)
        serve_command = [sys.executable, "-m", "crescent_lite.cli", "serve", "-w", str(folder), "--port", str(port)]
        serve = stack.enter_context(program(serve_command, folder / "serve.txt"))
        readers = [stack.enter_context(part(folder, "reader", seconds)) for seconds in (0.0, options.hold)]
        tui_command = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w", str(folder)]
        terminal = stack.enter_context(Terminal(tui_command, columns=100, lines=30))
        terminal.wait_for_text("run 1", 60)
        watched = {
            "engine": engine,
            "tui": terminal.process,
            "serve": serve,
            "reader": readers[0],
            "holder": readers[1],
        }
        while time.monotonic() - began < 3600 * options.hours and rows_of(folder) < options.replies:
            line: dict[str, Any] = {"at": round(time.monotonic() - began, 1), "rows": rows_of(folder)}
            now = time.monotonic()
            if now >= page_at:
                page_at, page_number = now + options.keys_every / 2, page_number + 1
                line["page_ms"] = asked_for(port, PAGES[page_number % len(PAGES)])
            if now >= keys_at:
                keys_at = now + options.keys_every
                line["keys_ms"] = pressed(terminal)
            line |= {"hold": options.hold, **measured(folder, watched)}
            out.write(json.dumps(line) + "\n")
            if engine.poll() is not None:
                raise SystemExit("the engine has ended; see engine.txt")
            time.sleep(options.every)
        Workspace(folder).stop_engine()


def measured(folder: Path, watched: Mapping[str, subprocess.Popen[Any]]) -> dict[str, Any]:
    """The sizes of the files, and of each process with its children."""
    with closing(sqlite3.connect(f"file:{folder / 'crescent.db'}?mode=ro", uri=True, timeout=30)) as database:
        (questions,) = database.execute("SELECT coalesce(max(question_id), 0) FROM questions").fetchone()
        (warnings,) = database.execute("SELECT count(*) FROM events WHERE kind = 'RunWarned'").fetchone()
    found: dict[str, Any] = {
        "db": (folder / "crescent.db").stat().st_size,
        "wal": size_of(folder / "crescent.db-wal"),
        "questions": questions,
        "log_warnings": warnings,
        "written": psutil.Process(watched["engine"].pid).io_counters().write_bytes,
        "driver": process_figures(psutil.Process())[0],
    }
    for name, process in watched.items():
        with suppress(psutil.NoSuchProcess):
            found[name], children = process_figures(psutil.Process(process.pid))
            if name == "serve" and children:
                found["datasette"] = process_figures(children[0])[0]
    return found


def process_figures(process: psutil.Process) -> tuple[dict[str, float], list[psutil.Process]]:
    """Memory in MB (resident, and the part of it that belongs to no file), files, threads, children; the children."""
    own = re.search(r"^Anonymous:\s+(\d+) kB", Path(f"/proc/{process.pid}/smaps_rollup").read_text(), re.MULTILINE)
    children = process.children()
    figures = {
        "rss": round(process.memory_info().rss / MB, 1),
        "own": round(int(own[1]) * 1024 / MB, 1) if own else 0.0,
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(children),
        "cpu": round(sum(process.cpu_times()[:4]), 1),
    }
    return figures, children


def pressed(terminal: Terminal) -> list[float]:
    """Milliseconds from each of some keys to the frame that shows its effect."""
    terminal.settle(0.05, 2.0)
    found = []
    for key in ("2", "3", "5", "1"):
        sent = terminal.press(key)
        came = terminal.wait_for(lambda name=TABS[key]: is_in_front(terminal, name), 20)  # type: ignore[misc]
        found.append(round(1000 * (came - sent), 1))
    terminal.forget()
    return found


def asked_for(port: int, page: str) -> float | None:
    """Milliseconds until a page of Datasette has come; None if it did not."""
    began = time.monotonic()
    with (
        suppress(urllib.error.URLError, OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=30) as reply,
    ):
        reply.read()
        return round(1000 * (time.monotonic() - began), 1)
    return None


@contextmanager
def part(folder: Path, name: str, number: float) -> Iterator[subprocess.Popen[bytes]]:
    """A program of load_parts.py."""
    command = [sys.executable, str(HERE / "load_parts.py"), name, str(folder), str(number)]
    with program(command, folder / f"{name}.txt") as process:
        yield process


@contextmanager
def program(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output goes to a file, and which is ended at the end."""
    with output.open("ab") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def rows_of(folder: Path) -> int:
    """Replies that are stored: questions, votes and answers to items."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{folder / 'crescent.db'}?mode=ro", uri=True)) as database,
    ):
        tables = ("votes", "questions", "evaluated_items")
        return sum(database.execute(f"SELECT coalesce(max(rowid), 0) FROM {name}").fetchone()[0] for name in tables)
    return 0


def size_of(path: Path) -> int:
    """Bytes of a file; 0 without one."""
    return path.stat().st_size if path.exists() else 0


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, at most so long."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"not so after {seconds:g} s")
        time.sleep(0.5)


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Found:
    """One bound, and whether the load stayed within it."""

    holds: bool
    words: str


def judged(lines: Sequence[dict[str, Any]]) -> list[Found]:
    """Every bound of a load."""
    fifth = max(1, len(lines) // 5)
    early, late = lines[fifth : 2 * fifth], lines[-fifth:]
    last = lines[-1]
    size = f"{last['rows']:,} replies, {len(lines):,} lines, database {last['db'] / MB:,.0f} MB"
    said = [Found(True, f"{last['at'] / 3600:.2f} h, {size}")]
    for name in ("engine", "tui", "datasette", "serve", "reader", "holder", "driver"):
        if all(name in line for line in (*early, *late)):
            said += judged_process(name, early, late, lines)
    said += judged_log(lines)
    said += judged_times("keys_ms", "key to frame", early, late)
    said += judged_times("page_ms", "page of Datasette", early, late)
    return said


def judged_process(
    name: str, early: Sequence[dict[str, Any]], late: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]
) -> Iterator[Found]:
    """The bounds on memory, files, threads and children of one process."""

    def middle(part: Sequence[dict[str, Any]], key: str) -> float:
        return statistics.median(line[name][key] for line in part)

    before, after = middle(early, "own"), middle(late, "own")
    allowed = max(MEMORY_MB, MEMORY_SHARE * before)
    if name == "engine":
        allowed += BYTES_PER_QUESTION * (middle_of(late, "questions") - middle_of(early, "questions")) / MB
    after_warm_up = [(line["at"] / 3600, line[name]["own"]) for line in lines[len(early) :] if name in line]
    slope = statistics.linear_regression(*zip(*after_warm_up, strict=True)).slope if len(after_warm_up) > 2 else 0.0
    most = max(line[name]["rss"] for line in lines if name in line)
    used = 100 * (late[-1][name]["cpu"] - early[0][name]["cpu"]) / max(1.0, late[-1]["at"] - early[0]["at"])
    yield Found(
        after - before <= allowed,
        f"{name}: memory {before:.1f} -> {after:.1f} MB (at most +{allowed:.1f}), slope {slope:+.2f} MB/h, "
        f"largest {most:.0f} MB resident, {used:.1f}% of a core",
    )
    for key, more in (("files", MORE_FILES), ("threads", MORE_THREADS), ("children", 1)):
        before, after = middle(early, key), middle(late, key)
        largest = max(line[name][key] for line in lines if name in line)
        yield Found(
            after - before <= more,
            f"{name}: {key} {before:g} -> {after:g}, at most {largest}",
        )


def middle_of(lines: Sequence[dict[str, Any]], key: str) -> float:
    """The median of a figure."""
    return statistics.median(line[key] for line in lines)


def judged_log(lines: Sequence[dict[str, Any]]) -> Iterator[Found]:
    """The bounds on the write-ahead log: it is short again after each long transaction, and growth was warned of."""
    sizes = [line["wal"] for line in lines]
    emptied = sum(before > LOG_BYTES >= after for before, after in itertools.pairwise(sizes))
    held = int(lines[-1]["at"] / (lines[-1]["hold"] + GAP_SECONDS)) if max(sizes) > LOG_BYTES else 0
    per_reply = (lines[-1]["written"] - lines[0]["written"]) / max(1, lines[-1]["rows"] - lines[0]["rows"])
    warned = lines[-1]["log_warnings"]
    yield Found(
        emptied >= held and (warned > 0 or max(sizes) < WARN_BYTES),
        f"write-ahead log: at most {max(sizes) / MB:.1f} MB, {emptied} of {held} times short again after a long "
        f"transaction, {warned} warnings; the engine wrote {per_reply / 1000:.1f} kB to the disk for each reply",
    )


def judged_times(
    key: str, words: str, early: Sequence[dict[str, Any]], late: Sequence[dict[str, Any]]
) -> Iterator[Found]:
    """The bound on a time in milliseconds."""
    before, after = (list(times(part, key)) for part in (early, late))
    if before and after:
        was, now = statistics.median(before), statistics.median(after)
        yield Found(
            now <= SLOWER * was + SLOWER_MS,
            f"{words}: median {was:.0f} -> {now:.0f} ms, slowest {max(before):.0f} -> {max(after):.0f} ms",
        )


def times(lines: Sequence[dict[str, Any]], key: str) -> Iterator[float]:
    """Every time of some lines."""
    for line in lines:
        found = line.get(key)
        yield from found if isinstance(found, list) else [found] if found is not None else []


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main())
