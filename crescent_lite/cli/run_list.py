"""Commands that tell runs apart: runs, compare, why.

What a command needs is imported when it is called. Example:
    runs_command(Namespace(workspace=Path("data"), json=False, full=False, words="")) -> 0
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crescent_lite.cli.options import Subparsers, add_command, positive_integer, run_reference
from crescent_lite.cli.terminal import print_table, result
from crescent_lite.cli.which_run import named_run
from crescent_lite.errors import ExitCode, UsageError
from crescent_lite.printable import argument_text, duration, printable_line
from crescent_lite.workspace.database import open_store, open_workspace

if TYPE_CHECKING:
    from crescent_lite.cli.tables import Cell
    from crescent_lite.report.run_comparison import RunComparison, RunScored
    from crescent_lite.store import RunRow, RunScore


def add_runs(subparsers: Subparsers) -> None:
    """`crescent runs` and its options."""
    about = "list the runs: scores, cost, and the settings that differ"
    parser = add_command(subparsers, "runs", runs_command, about, example="crescent runs learning_rate")
    parser.add_argument(
        "words",
        nargs="*",
        type=argument_text,
        metavar="WORD",
        help="show only runs in whose name, note, state, model or differing settings each word occurs",
    )


def runs_command(options: argparse.Namespace) -> int:
    """Print a row for each run, controls and distillations under theirs."""
    from crescent_lite.store.run_rows import common_differences

    workspace = open_workspace(options.workspace)
    busy = workspace.is_busy()
    with closing(open_store(workspace)) as store:
        rows = [row for row in store.run_rows.fetch() if _has(row, options.words)]
    states = {row.run_id: state_of(row.state, engine_is_running=busy) for row in rows}
    if options.json:
        listed = [{**as_dict(row), "state": states[row.run_id]} for row in rows]
        return result(options, {"runs": listed}, "")
    if not rows:
        return result(options, None, "no run has these words" if options.words else "no run yet")
    benchmarks = list(dict.fromkeys(score.benchmark for row in rows for score in row.scores if score.is_primary))
    common, of_run = common_differences(rows), {row.run_id: row.differs for row in rows}
    columns = ("run", "name", "state", "rounds", "labels", *benchmarks, "time", "differs")
    cells: list[Sequence[Cell]] = [
        (
            row.run_id,
            "  " * row.depth + (row.name or row.what),
            states[row.run_id],
            f"{row.rounds}/{row.rounds_planned}",
            row.labels,
            *(_score_cell(row, benchmark) for benchmark in benchmarks),
            duration(row.seconds),
            differs_in_words(_own_differences(row, of_run.get(row.parent_id or 0), common)),
        )
        for row in rows
    ]
    noted = [f"Run {row.run_id}: {printable_line(row.note, 200)}" for row in rows if row.note]
    if common:
        noted.append(f"All of these differ from their presets in: {differs_in_words(common)}.")
    note = (
        "A score is that of the kept round, with its difference to the base in points. Time is time at work. A "
        "control lists the settings in which it differs from its run."
    )
    print_table("", columns, cells, "\n".join([*noted, note]), full=options.full, prose={"differs", "name"})
    return ExitCode.OK


def state_of(stored: str, *, engine_is_running: bool) -> str:
    """The state of a run; 'killed' for one that is stored as running although no engine is."""
    return "killed" if stored == "running" and not engine_is_running else stored


def differs_in_words(differs: Mapping[str, Any]) -> str:
    """The settings that differ: 'train.learning_rate = 0.001, vote.policy = band'."""
    from crescent_lite.config.fields import shown_value

    return printable_line(", ".join(f"{name} = {shown_value(value)}" for name, value in differs.items()), 2000)


def as_dict(row: RunRow) -> dict[str, Any]:
    """A run as plain values."""
    found = asdict(row)
    found["scores"] = [{**asdict(score), "difference": score.difference} for score in row.scores]
    return found


def _own_differences(row: RunRow, parent: Mapping[str, Any] | None, common: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of its settings: of a control, where it differs from its run; else from the preset."""
    known = common if parent is None else parent
    return {name: value for name, value in row.differs.items() if name not in known or known[name] != value}


def _has(row: RunRow, words: Sequence[str]) -> bool:
    texts = (row.title, row.note or "", row.state, row.model, row.sweep or "", differs_in_words(row.differs))
    text = " ".join(texts).casefold()
    return all(word.casefold() in text for word in words)


def _score_cell(row: RunRow, benchmark: str) -> str:
    found = next((score for score in row.scores if score.benchmark == benchmark and score.is_primary), None)
    if found is None:
        return ""
    return score_in_words(found)


def score_in_words(score: RunScore) -> str:
    """'21.6% +0.9': the score of the kept round and its difference to the base in points; of the base, '20.7%'."""
    if score.difference is None:
        return "" if score.base is None else f"{score.base:.1%}"
    return f"{score.score:.1%} {100 * score.difference:+.1f}"


def add_compare(subparsers: Subparsers) -> None:
    """`crescent compare` and its options."""
    about = "compare runs: settings, scores with paired tests, changed items"
    parser = add_command(
        subparsers, "compare", compare_command, about, example="crescent compare 1 high-rate --items"
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=run_reference,
        metavar="RUN",
        help="numbers or names of two or more runs; the others are compared with the first",
    )
    parser.add_argument("--items", action="store_true", help="list every item that was gained or lost")


def compare_command(options: argparse.Namespace) -> int:
    """Print the runs side by side."""
    from crescent_lite.report.run_comparison import compare_runs

    with closing(open_store(open_workspace(options.workspace))) as store:
        run_ids = list(dict.fromkeys(map(store.run_rows.find, options.runs)))
        if len(run_ids) < 2:
            raise UsageError("crescent compare: give two different runs; `crescent runs` lists them")
        found = compare_runs(store, run_ids)
    if options.json:
        return result(options, found.as_dict(), "")
    _print_comparison(found, options)
    return ExitCode.OK


def _print_comparison(found: RunComparison, options: argparse.Namespace) -> None:
    titles = [f"{row.run_id}: {row.name}" if row.name else f"{row.run_id}" for row in found.runs]
    columns = ("setting", *(f"run {title}" for title in titles))
    if found.settings:
        rows = [(setting.name, *map(_shown, setting.values)) for setting in found.settings]
        print_table("Settings that differ", columns, rows, full=options.full)
    else:
        compared = printable_line(", ".join(f"run {title}" for title in titles), 200)
        result(options, None, f"No setting differs between {compared}.\n")
    _print_scores(found, options)
    if options.items and found.changes:
        _print_items(found, options)


def _print_scores(found: RunComparison, options: argparse.Namespace) -> None:
    from crescent_lite.report.run_comparison import FAMILY

    columns = (
        "benchmark", "prompt", "run", "round", "right", "score", "base", "cut off", "gained", "lost", "difference",
        "p", "corrected p", "verdict",
    )  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for each in found.benchmarks:
        for scored in each.scored:
            rows.append((each.benchmark, each.prompt, *_scored_cells(scored)))
    if not rows:
        result(options, None, "The runs were not measured on a benchmark in common, with the same prompt.")
        return
    first = found.runs[0].run_id
    note = (
        f"Each run is compared with run {first} on the items that both answered. p: exact McNemar test, two-sided; "
        f"corrected (Holm) for the {found.tests:,} {FAMILY} in this table. --items lists what was gained and lost."
    )
    print_table("Scores", columns, rows, note, full=options.full)


def _scored_cells(scored: RunScored) -> Sequence[Cell]:
    from crescent_lite.evaluation import word_of

    base = "" if scored.base is None else f"{scored.base:.1%}"
    which = f"round {scored.round}" if scored.round else "base"
    score = f"{scored.score.right}/{scored.score.items}", f"{scored.score.fraction:.1%}", base
    cells: Sequence[Cell] = (scored.run_id, which, *score, f"{scored.cut_off:.1%}")
    if scored.against_first is None:
        return (*cells, *[""] * 6)
    verdict, comparison = scored.against_first, scored.against_first.comparison
    points = f"{100 * comparison.difference:+.1f} ({100 * verdict.low:+.1f} to {100 * verdict.high:+.1f})"
    p_values = f"{comparison.p_value:.2g}", f"{verdict.p_corrected:.2g}"
    return (*cells, comparison.gained, comparison.lost, points, *p_values, word_of(verdict))


def _print_items(found: RunComparison, options: argparse.Namespace) -> None:
    columns = ("benchmark", "prompt", "run", "change", "item", "before", "after", "right answer", "question")
    rows = [
        (
            change.benchmark,
            change.prompt,
            change.run_id,
            "gained" if change.gained else "lost",
            change.item_id,
            _answer(change.before.answer, change.before.ended),
            _answer(change.after.answer, change.after.ended),
            change.gold,
            printable_line(change.question, 400),
        )
        for change in found.changes
    ]
    print_table("Items that changed", columns, rows, full=options.full, prose={"question"})


def _answer(key: str | None, ended: bool) -> str:
    return (key or "none") if ended else f"{key or 'none'}, cut off"


def _shown(value: Any) -> str:
    from crescent_lite.config.fields import shown_value

    return "" if value is None else printable_line(shown_value(value), 200)


def add_why(subparsers: Subparsers) -> None:
    """`crescent why` and its options."""
    about = "list what a round lost and gained, with the nearest labels"
    parser = add_command(subparsers, "why", why_command, about, example="crescent why high-rate --round 2")
    parser.add_argument(
        "run", nargs="?", type=run_reference, metavar="RUN", help="number or name of the run (default: the latest)"
    )
    parser.add_argument("--round", type=positive_integer, metavar="N", help="round (default: the kept one)")
    parser.add_argument(
        "--labels", type=positive_integer, default=1, metavar="N", help="labels to list for each item (default: 1)"
    )


def why_command(options: argparse.Namespace) -> int:
    """Print the items that changed, each with the training questions nearest to it."""
    from crescent_lite.report.attribution import attribute

    with closing(open_store(open_workspace(options.workspace))) as store:
        run = named_run(store, options.run, "improvement")
        standing = store.fetch_standing(run.run_id)
        standing.require([options.round] if options.round else [])
        number = options.round or standing.kept
        assert number is not None  # one was trained
        found = attribute(store, run, number, options.labels)
    if not options.json and found.changes:
        columns = (
            "change",
            "benchmark",
            "prompt",
            "item",
            "before",
            "after",
            "right answer",
            "like",
            "label",
            "question of label",
        )
        rows = [
            (
                change.fate,
                change.benchmark,
                change.prompt,
                change.item_id,
                change.answer_before or "none",
                change.answer_after or "none",
                change.gold,
                round(near.likeness),
                f"{near.question_id}: {near.label}",
                printable_line(near.question, 400),
            )
            for change in found.changes
            for near in change.nearest
        ]
        title = f"Items of run {found.run_id}, round {found.round}, with the labels nearest to them"
        print_table(title, columns, rows, full=options.full, prose={"question of label"})
    return result(options, found.as_dict(), found.in_words())
