"""The `crescent` command: its subcommands and their options, and what becomes of errors.

Parsing only; each command is a function of `commands`. Example: crescent run -w data --rounds 2
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from crescent_lite import __version__
from crescent_lite.cli import database as database_commands
from crescent_lite.cli import runs as commands
from crescent_lite.cli.terminal import say
from crescent_lite.errors import CrescentError, ExitCode, Interrupted

DEFAULT_WORKSPACE = "data"
Command = Callable[[argparse.Namespace], int]
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # what add_subparsers gives


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Command = options.command
    try:
        code = command(options)
        if sys.stdout is not None:  # a shell can close it
            sys.stdout.flush()
        return code
    except CrescentError as error:
        return _failed(options, str(error), error.exit_code)
    except (Interrupted, KeyboardInterrupt):
        say(f"crescent: stopped; everything finished is stored. Go on: crescent run -w {options.workspace}")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; there is nobody to tell
        return ExitCode.OK
    except OSError as error:
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # at its end Python writes the rest
        return _failed(options, f"{error.filename or 'the output'}: {error.strerror or error}", ExitCode.STORAGE)


def _failed(options: argparse.Namespace, what: str, code: ExitCode) -> ExitCode:
    if options.verbose:
        say(traceback.format_exc())
    say(f"crescent: {what}")
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "-w",
        "--workspace",
        type=Path,
        default=Path(DEFAULT_WORKSPACE),
        help="the folder of your runs (default: data)",
    )
    common.add_argument("--json", action="store_true", help="results as JSON")
    common.add_argument("--verbose", action="store_true", help="every item on stderr, and where an error arose")
    parser = argparse.ArgumentParser(
        prog="crescent", description="A language model improves its own maths: it asks, votes, learns, is measured."
    )
    parser.add_argument("--version", action="version", version=f"crescent-lite {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str, to: Subparsers = subparsers) -> argparse.ArgumentParser:
        sub = to.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(command=command)
        return sub

    init = add("init", commands.init_command, "make a workspace")
    init.add_argument("folder", type=Path, nargs="?", help="where (default: the --workspace folder)")
    init.add_argument("--preset", default="quick", help="quick, default or reference")
    run = add("run", commands.run_command, "start a run, or finish the unfinished one")
    run.add_argument("--rounds", type=_count, help="rounds the run is to have")
    run.add_argument(
        "--questions", type=Path, metavar="FILE", help="questions of your own (JSONL), in place of the model's"
    )
    run.add_argument("--new", action="store_true", help="start another run although one is unfinished")
    run.add_argument(
        "--next-round",
        action="store_true",
        help="one round more than there are, of the latest run, finished, at work or stopped by an alarm",
    )
    _config_options(run)
    distill = add("distill", commands.distill_command, "fine-tune another, weaker model on the labels of a run")
    distill.add_argument("--run", type=_count, help="the run whose labels are taken (default: the latest)")
    distill.add_argument("--student", required=True, metavar="MODEL", help="a GGUF file, or repo:file on the hub")
    distill.add_argument("--new", action="store_true", help="start another one although a run is unfinished")
    _config_options(distill)
    rollback = add("rollback", commands.rollback_command, "choose which round of a run is kept; nothing is deleted")
    rollback.add_argument("round", type=_round_or_best, help="its number, or 'best'")
    rollback.add_argument("--run", type=_count, help="the run (default: the latest)")
    controls = add(
        "controls", commands.controls_command, "the base without one part of the method each: what a gain is made of"
    )
    controls.add_argument("--run", type=_count, help="the run they stand beside (default: the latest)")
    controls.add_argument(
        "--only",
        nargs="+",
        choices=("step-by-step", "majority", "unvoted", "undiversified"),
        help="these (default: all)",
    )
    controls.add_argument(
        "--samples", type=_count, help="of the majority (default: as many as the tokens of the run would pay for)"
    )
    _config_options(controls)
    plan = add(
        "plan",
        commands.plan_command,
        "how many items show a difference, and what a number of items can show",
    )
    plan.add_argument("--points", type=float, help="the difference, in points of the score (0-100)")
    plan.add_argument("--items", type=_count, help="the items there are")
    plan.add_argument(
        "--differ",
        type=float,
        help="of 100 items those that the two models answer differently (default: as in the latest run, else 20)",
    )
    add("status", commands.status_command, "how the latest run stands")
    add("stop", commands.stop_command, "ask the running engine to stop")
    add("pause", commands.pause_command, "ask the running engine to hold still, its model loaded")
    add("resume", commands.resume_command, "let a paused engine go on")
    note = add("note", commands.note_command, "keep a remark on a question; it is never used as a label")
    note.add_argument("number", type=_count, help="the question's number")
    note.add_argument("text", help="the remark, or '' to take all remarks on it away")
    evaluate = add("eval", commands.eval_command, "measure a model on the configured benchmarks, without training")
    evaluate.add_argument("--adapter", type=Path, help="a GGUF adapter to put on the model")
    _config_options(evaluate)
    show = add("show", commands.show_command, "a question with its votes, a round or a run")
    show.add_argument("what", choices=("question", "round", "run"))
    show.add_argument("number", type=_count, nargs="?", help="its number; of runs and rounds the latest by default")
    query = add("query", database_commands.query_command, "ask the database in SQL, which can only read here")
    query.add_argument("sql", nargs="?", help="one statement, in quotes, or the name of a saved query")
    query.add_argument("values", nargs="*", metavar="NAME=VALUE", help="what a saved query takes")
    query.add_argument("--list", action="store_true", help="the saved queries")
    query.add_argument("--csv", action="store_true", help="the rows as CSV")
    query.add_argument("--limit", type=_count, default=1000, help="rows at most (default: 1000)")
    query.add_argument("--seconds", type=_seconds, default=60.0, help="after which it is ended (default: 60)")
    answer = add("answer", commands.answer_command, "have models of a run answer a question; nothing is stored")
    answer.add_argument("question", help="the question, or - for standard input")
    answer.add_argument("--run", type=_count, help="the run (default: the latest)")
    answer.add_argument(
        "--rounds",
        nargs="+",
        type=_round_or_base,
        metavar="ROUND",
        help="which models: 'base', or a round's number (default: base, and the round that is kept)",
    )
    answer.add_argument("--prompt", default="solve", help="'solve', 'bare' or another of the run's prompt set")
    answer.add_argument("--temperature", type=_temperature, default=0.0, help="0 is greedy (default)")
    answer.add_argument("--max-tokens", type=_count, help="of each answer (default: evaluate.max_tokens)")
    report = add(
        "report", commands.report_command, "what a run did and what came of it, as an HTML page and as Markdown"
    )
    report.add_argument("--run", type=_count, help="the run (default: the latest)")
    report.add_argument("--output", type=Path, help="the folder (default: the workspace's exports)")
    export = add(
        "export", commands.export_command, "hand over what a run made: examples, an adapter or a whole model"
    )
    export.add_argument(
        "what",
        nargs="?",
        default="examples",
        choices=("examples", "adapter", "gguf", "folder"),
        help="training examples; the adapter; one GGUF; a Hugging Face folder",
    )
    export.add_argument(
        "--run", type=_count, nargs="+", help="the run, of examples also several (default: the latest)"
    )
    export.add_argument(
        "--format",
        dest="form",
        choices=("prompt-completion", "messages", "sharegpt", "parquet"),
        help="of examples: JSON lines for TRL (default: prompt-completion) or ShareGPT; a folder with the labels"
        " and all votes as Parquet, and a card",
    )
    export.add_argument("--min-share", type=_part, default=0, help="of examples: those with this share and more, 0-1")
    export.add_argument("--max-share", type=_part, default=1, help="of examples: those with this share and less, 0-1")
    export.add_argument(
        "--policy",
        choices=("majority", "band", "reference"),
        help="of examples: decide anew from the stored votes, with the run's other settings (default: its labels)",
    )
    export.add_argument(
        "--rounds",
        nargs="+",
        type=_weighted_round,
        metavar="ROUND[=WEIGHT]",
        help="the rounds whose adapters go in, and how much of each (default: all of the kept one's); of examples"
        " the rounds that asked (default: all)",
    )
    export.add_argument(
        "--type",
        choices=("same", "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"),
        help="of a GGUF's weights, 'same' as in the base (default: f16; fewer bits keep less of the adapter)",
    )
    export.add_argument("--output", type=Path, help="the file or folder (default: in the workspace's exports)")
    _config_options(add("config", commands.config_command, "every setting, its value, and where that came from"))
    serve = add("serve", database_commands.serve_command, "browse the database with Datasette, on this machine only")
    serve.add_argument("--port", type=_port, default=8001, help="default: 8001")
    about_db = "check, copy, shrink or join databases, and say what is in one"
    database = subparsers.add_parser("db", help=about_db, description=about_db)
    of_db = database.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add("check", database_commands.check_command, "whether the database is whole", of_db)
    backup = add("backup", database_commands.backup_command, "a copy, also while a run is at work", of_db)
    backup.add_argument("--output", type=Path, help="the file (default: in the workspace's backups)")
    add("vacuum", database_commands.vacuum_command, "make the database small, and its indexes anew", of_db)
    merge = add("merge", database_commands.merge_command, "take the runs of another database into this one", of_db)
    merge.add_argument("other", type=Path, help="a workspace, or a database; it is not changed")
    add("schema", database_commands.schema_command, "the views and tables, and what their columns mean", of_db)
    add("doctor", commands.doctor_command, "what was found on this machine, and what to do about each gap")
    add("tui", commands.tui_command, "watch and drive runs in the terminal")
    return parser


def _config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="use this preset in place of the one in crescent.toml")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one setting"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 up is needed")
    return number


def _round_or_best(text: str) -> int | None:
    return None if text == "best" else _count(text)


def _round_or_base(text: str) -> int:
    return 0 if text == "base" else _count(text)


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a number from 1 to 65535 is needed")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return seconds


def _part(text: str) -> float:
    part = float(text)
    if not 0 <= part <= 1:
        raise argparse.ArgumentTypeError("a number from 0 to 1 is needed")
    return part


def _temperature(text: str) -> float:
    temperature = float(text)
    if not 0 <= temperature <= 5:
        raise argparse.ArgumentTypeError("a number from 0 to 5 is needed")
    return temperature


def _weighted_round(text: str) -> tuple[int, float]:
    number, _, part = text.partition("=")
    weight = float(part or 1)
    if not math.isfinite(weight) or weight == 0:
        raise argparse.ArgumentTypeError("ROUND=WEIGHT: a weight is a number other than 0")
    return _count(number), weight


if __name__ == "__main__":
    sys.exit(main())
