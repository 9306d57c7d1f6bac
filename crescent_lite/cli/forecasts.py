"""Shows what a run will take before it begins, and asks on a terminal before a long one.

Knows the terminal; the figures are `forecast`'s. Example:
    in_a_line(forecast) -> "about 11 min (8 to 15 min): 714 texts, 2,600 votes, 1,400 items, 62,000 tokens; ..."
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from crescent_lite.cli.terminal import print_table, result, say
from crescent_lite.config.toml import toml_text
from crescent_lite.errors import ExitCode
from crescent_lite.forecast import Forecast
from crescent_lite.forecast.estimates import Amount
from crescent_lite.printable import printable, printable_line

LONG_SECONDS = 30 * 60
"""A run that takes longer is asked about on a terminal."""
MOST_DIFFERING = 20
"""Differing settings that are listed."""


def print_forecast(options: argparse.Namespace, found: Forecast) -> int:
    """Print a forecast in full, or as JSON."""
    if options.json:
        return result(options, found.as_dict(), "")
    if found.parts:
        return _print_parts(found)
    rows = [
        (
            f"round {each.round}" if each.round else "base",
            each.stage.replace("_", " "),
            counted(each.items),
            counted(each.tokens) if each.tokens.value else "",
            lasting(each.seconds) if found.estimate.has_speed else "",
        )
        for each in found.estimate.stages
    ]
    heading = printable_line(f"{title(found)}: {in_a_line(found)}", 1000)
    lines = [f"Speeds: {found.based_on}.", *differences(found)]
    print_table(heading, ("round", "stage", "items", "tokens", "time"), rows, printable("\n".join(lines)))
    return ExitCode.OK


def _print_parts(found: Forecast) -> int:
    """Print what each of several runs takes."""
    rows = [
        (
            printable_line(name, 200),
            counted(each.items("ask")) if each.items("ask").value else "",
            counted(each.items("vote")) if each.items("vote").value else "",
            counted(each.items("evaluate")),
            counted(each.tokens),
            lasting(each.seconds) if each.has_speed else "",
        )
        for name, each in found.parts
    ]
    heading = printable_line(f"{title(found)}: {in_a_line(found)}", 1000)
    columns = ("run", "texts", "votes", "items", "tokens", "time")
    print_table(heading, columns, rows, printable(f"Speeds: {found.based_on}."))
    return ExitCode.OK


def ended_before(options: argparse.Namespace, forecast: Callable[[], Forecast | None]) -> int | None:
    """Print what a command takes, or say it and ask. Returns the exit code if nothing is to be started, else None.

    `forecast` returns None where the command has nothing to play, or refuses.
    """
    found = forecast()
    if found is None:
        if not options.dry_run:
            return None
        return result(options, {"runs": []}, "there is nothing to play")
    if options.dry_run:
        return print_forecast(options, found)
    return None if agree(options, found) else result(options, {"started": False}, "nothing was started")


def differences(found: Forecast) -> list[str]:
    """The settings that differ from those of an earlier run, one line each."""
    if found.compared_with is None:
        return []
    if not found.differing:
        return [f"Settings: as in run {found.compared_with}."]
    lines = [f"Settings that differ from run {found.compared_with}:"]
    lines += [
        printable_line(f"  {name} = {_value(here)} (there: {_value(there)})", 300)
        for name, there, here in found.differing[:MOST_DIFFERING]
    ]
    more = len(found.differing) - MOST_DIFFERING
    return [*lines, f"  and {more} more"] if more > 0 else lines


def agree(options: argparse.Namespace, found: Forecast) -> bool:
    """Say what a run takes. Asks for consent on a terminal if that is long, unless --yes is given."""
    say(printable_line(f"{title(found)}: {in_a_line(found)} ({found.based_on})", 1000))
    return options.yes or found.estimate.seconds.value <= LONG_SECONDS or consents()


def consents() -> bool:
    """Ask on a terminal whether to go on; True without one."""
    if not _is_terminal():
        return True
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def title(found: Forecast) -> str:
    """'run 2, 1 round of SmolLM2-135M-Instruct' or 'a new run, ...'."""
    if found.what:
        return f"{found.what} of {found.model}" if not found.parts else f"{found.what}, with {found.model}"
    whose = f"run {found.run_id}" if found.run_id else "a new run"
    return f"{whose}, {found.rounds} round{'' if found.rounds == 1 else 's'} of {found.model}"


def in_a_line(found: Forecast) -> str:
    """Time, counts, memory and disk."""
    known = found.estimate
    if not known.stages:
        return "nothing to do: every reply is stored already, and no question is left"
    time = f"about {lasting(known.seconds)}" if known.has_speed else "time unknown"
    counts = ", ".join(
        f"{counted(amount)} {name}"
        for name, amount in (
            ("texts", known.items("ask")),
            ("votes", known.items("vote")),
            ("items", known.items("evaluate")),
            ("drawn tokens", known.tokens),
        )
        if amount.value
    )
    memory = f"memory {_bytes(known.memory_bytes)} of {_bytes(found.free_memory_bytes)} free"
    disk = f"disk {_bytes(known.disk_bytes)} of {_bytes(found.free_disk_bytes)} free"
    return f"{time}: {counts}; {memory}, {disk}"


def lasting(seconds: Amount) -> str:
    """'11 min (8 to 15 min)'."""
    likely, low, high = (duration(each) for each in (seconds.value, seconds.low, seconds.high))
    return likely if seconds.factor < 1.02 or low == high else f"{likely} ({low} to {high})"


def duration(seconds: float) -> str:
    """'40 s', '11 min' or '5 h 10 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def counted(amount: Amount) -> str:
    """A count with two significant digits if it is uncertain, else all of them."""
    value = amount.value if amount.factor < 1.02 else float(f"{amount.value:.2g}")
    return f"{value:,.0f}"


def _value(value: object) -> str:
    return "none" if value is None else toml_text(value)


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
